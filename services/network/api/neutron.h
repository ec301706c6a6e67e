// SPDX-License-Identifier: Apache-2.0
// What the parts of the network API share: the service's context, the resource tables, and how a
// write goes through (engine transaction, then OVN).
#pragma once
#include "common/db/quota.h"
#include "common/resource/resource.h"

struct client;
struct service;
struct work;

struct neutron { // the request_context of this service; constant after start
    struct service *service;
    struct work *work;
    struct client *client;
    const char *identity_url;
    int mtu;          // of the physical network under the tunnels
    const char *zone; // the one availability zone
};

extern const struct resource network_resource, subnet_resource, port_resource, router_resource,
    floatingip_resource, security_group_resource, security_group_rule_resource, subnetpool_resource,
    address_scope_resource, rbac_policy_resource;

extern const struct quota_resource network_quotas[]; // ended by name NULL
// Checks one more of the named resource for the project that will own the row.
enum rc network_quota_check(struct db *db, const char *project_id, const char *name, int64_t amount,
                            struct err *err) CHECKED;

void neutron_error_body(const struct request *request, const struct err *err, struct reply *reply);
// Administrators and the service accounts of other services see and do everything.
bool neutron_is_admin(const struct request *request);

// First in before_create: the same POST with the same Idempotency-Key makes one thing. A repetition
// ends the transaction, and neutron_create answers with what was made then.
enum rc neutron_claim(struct resource_op *op, struct err *err) CHECKED;
// availability_zone_hints may name the one zone only. RC_NOT_FOUND AvailabilityZoneNotFound.
enum rc neutron_check_zones(const struct resource_op *op, struct err *err) CHECKED;

// The engine's handlers, followed by OVN: what the transaction changed is there when the reply goes
// out, or soon after.
enum rc neutron_create(struct request *request, struct reply *reply, struct err *err);
enum rc neutron_update(struct request *request, struct reply *reply, struct err *err);
enum rc neutron_delete(struct request *request, struct reply *reply, struct err *err);

#define NEUTRON_ROUTES(resource_, path_) \
    NEUTRON_ROUTES_WITH(resource_, path_, resource_list, neutron_create, neutron_delete)
// clang-format off
#define NEUTRON_ROUTES_WITH(resource_, path_, list_, create_, delete_) \
    RESOURCE_ROUTE(resource_, "GET", path_, list_, 200, "list"), \
    RESOURCE_ROUTE(resource_, "POST", path_, create_, 201, "create"), \
    RESOURCE_ROUTE(resource_, "GET", path_ "/{id}", resource_show, 200, "show"), \
    RESOURCE_ROUTE(resource_, "PUT", path_ "/{id}", neutron_update, 200, "update"), \
    RESOURCE_ROUTE(resource_, "DELETE", path_ "/{id}", delete_, 204, "delete")
// clang-format on

extern const struct route neutron_resource_routes[], neutron_action_routes[];

// Columns of the row to be written, for hooks.
static inline void
value_set(struct resource_op *op, const char *column, json_t *value)
{
    json_object_set_new(op->values, column, value);
}
// What the client gave; NULL when absent, JSON null when null.
static inline json_t *
input_get(const struct resource_op *op, const char *name)
{
    return json_object_get(op->input, name);
}
static inline const char *
input_text(const struct resource_op *op, const char *name)
{
    return json_string_value(json_object_get(op->input, name));
}
// Text that will be written: the new value, else the old row's.
const char *value_text(const struct resource_op *op, const char *column);
bool value_bool(const struct resource_op *op, const char *column);
