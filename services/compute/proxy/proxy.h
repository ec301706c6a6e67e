// SPDX-License-Identifier: Apache-2.0
// Nova's old windows on other services (to microversion 2.35): each asks the network or image
// service with the requester's own token and words the answer as Nova did. Nothing of it is kept
// here.
#pragma once
#include "services/compute/api/api.h"

extern const struct route proxy_security_group_routes[], proxy_floating_ip_routes[],
    proxy_network_routes[], proxy_image_routes[];
#define PROXY_MAX_VERSION 35

struct proxy_call {
    const char *method, *path; // path with query, from "/v2"
    json_t *body;              // NULL: none
    const char *content_type;  // NULL: application/json
};
enum rc proxy_network(struct request *request, const struct proxy_call *call, json_t **ret_json,
                      struct err *err) CHECKED;
enum rc proxy_image(struct request *request, const struct proxy_call *call, json_t **ret_json,
                    struct err *err) CHECKED;
// GET of the network service.
enum rc proxy_network_get(struct request *request, const char *path, json_t **ret_json,
                          struct err *err) CHECKED;
// "" when there is none.
const char *proxy_text(const json_t *object, const char *name);
json_t *proxy_or_null(json_t *object, const char *name); // new reference
// The item of a list with that id; borrowed, NULL: none.
json_t *proxy_find(json_t *list, const char *id);

// Actions of servers: addFloatingIp and removeFloatingIp.
enum rc act_add_floating_ip(struct request *request, struct reply *reply, json_t *argument,
                            struct err *err);
enum rc act_remove_floating_ip(struct request *request, struct reply *reply, json_t *argument,
                               struct err *err);
