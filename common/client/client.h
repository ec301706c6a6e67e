// SPDX-License-Identifier: Apache-2.0
// Calls to another Haneul service's HTTP API, with this service's own token (fetched and renewed),
// keep-alive, deadlines. Only from slow rows, schedulers and sweepers: it blocks.
#pragma once
#include "common/base/err.h"
#include "common/conf/conf.h"
#include <jansson.h>

struct client; // thread-safe; one libcurl handle per thread
// By settings [identity] url, user, password: a service account of domain Default in project
// "service".
struct client *client_new(const struct conf *conf);
void client_free(struct client *client);

struct call {
    const char *method;
    const char *url;          // absolute
    json_t *body;             // borrowed; NULL: none
    const char *content_type; // of the body; NULL: application/json
    int timeout_ms;           // 0: 10,000
    const char *request_id;   // passed on as X-Openstack-Request-Id; NULL: the thread's
    const char *token;        // NULL: the service's own
    bool no_auth;
    const char *api_version; // "compute 2.64": as OpenStack-API-Version; NULL: none
    size_t max_reply;        // bytes of the reply's body; 0: 16 MiB
    const char *ca_file;     // certificates to trust instead of the system's; NULL: the system's
    const char *if_match;    // "revision_number=3": as If-Match; NULL: none
};
// 2xx: RC_OK, ret_json new reference (NULL for an empty body). Other statuses map to their rc with
// the peer's message (redirects are not followed); client may be NULL with no_auth. RC_UNAVAILABLE:
// not reachable; RC_DEADLINE: no answer in time. ret_json may be NULL.
enum rc client_call(struct client *client, const struct call *call, json_t **ret_json,
                    struct err *err) CHECKED;
// The service's current token; the caller frees.
enum rc client_token(struct client *client, char **ret_token, struct err *err) CHECKED;
