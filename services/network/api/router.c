// SPDX-License-Identifier: Apache-2.0
// Routers. Interfaces are added and removed by router_interface.c, the gateway by router_gateway.c.
#include "services/network/api/attributes.h"
#include "services/network/api/neutron.h"
#include "services/network/api/router_db.h"
#include "services/network/api/router_gateway.h"
#include "services/network/api/subnet_plan.h"
#include "services/network/api/work.h"

#include "common/db/usage.h"

// clang-format off
static const struct attribute attributes[] = {
    ATTRIBUTE_ID,
    ATTRIBUTE_NAME,
    ATTRIBUTE_DESCRIPTION,
    ATTRIBUTE_ADMIN_STATE,
    {.name = "status", .type = ATTR_TEXT, .flags = ATTR_VIRTUAL | ATTR_FILTER, .select = "'ACTIVE'::text", .filter = "'ACTIVE' = ANY(%s)"},
    {.name = "external_gateway_info", .type = ATTR_OBJECT, .flags = ATTR_RW | ATTR_NULLABLE | ATTR_VIRTUAL, .select =
        "(SELECT json_build_object('network_id', p.network_id, 'enable_snat', r.enable_snat, 'external_fixed_ips',"
        " (SELECT coalesce(json_agg(json_build_object('subnet_id', f.subnet_id, 'ip_address', host(f.ip)) ORDER BY f.position), '[]') FROM fixed_ip f WHERE f.port_id = p.id))"
        " FROM port p WHERE p.id = r.gw_port_id)"},
    {.name = "routes", .type = ATTR_ARRAY, .flags = ATTR_UPDATE | ATTR_NULLABLE, .max = 30},
    {.name = "distributed", .type = ATTR_BOOL, .flags = ATTR_RW | ATTR_FILTER | ATTR_ADMIN_SEE | ATTR_ADMIN_SET, .default_json = "false"},
    {.name = "ha", .type = ATTR_BOOL, .flags = ATTR_RW | ATTR_FILTER | ATTR_ADMIN_SEE | ATTR_ADMIN_SET, .default_json = "false"},
    {.name = "flavor_id", .type = ATTR_UUID, .flags = ATTR_NULLABLE},
    {.name = "availability_zone_hints", .type = ATTR_ARRAY, .flags = ATTR_CREATE, .default_json = "[]"},
    {.name = "availability_zones", .type = ATTR_ARRAY, .flags = ATTR_VIRTUAL,
     .select = "(CASE WHEN EXISTS (SELECT 1 FROM router_port x WHERE x.router_id = r.id) OR r.gw_port_id IS NOT NULL THEN '[\"nova\"]'::jsonb ELSE '[]'::jsonb END)"},
    ATTRIBUTES_TAGS,
    {0},
};
// clang-format on

static enum rc
before_create(struct resource_op *op, struct err *err)
{
    enum rc rc = neutron_claim(op, err);
    if (rc == RC_OK) {
        rc = neutron_check_zones(op, err);
    }
    return rc == RC_OK ? network_quota_check(op->db, op->project_id, "router", 1, err) : rc;
}

static enum rc
open_usage(const struct resource_op *op, const char *project_id, struct err *err)
{
    const struct usage usage = {.project_id = project_id,
                                .resource_type = "router",
                                .resource_id = op->id,
                                .resource_name = value_text(op, "name"),
                                .meter = "router",
                                .quantity = 1};
    return usage_open(op->db, &usage, 1, err);
}

static enum rc
apply_gateway(struct resource_op *op, struct err *err)
{
    json_t *info = input_get(op, "external_gateway_info");
    enum rc rc = info ? router_gateway_apply(op->request, op->db, op->id, info, err) : RC_OK;
    return rc == RC_OK ? work_add(op->db, NB_ROUTER, op->id, err) : rc;
}

static enum rc
after_create(struct resource_op *op, struct err *err)
{
    enum rc rc = open_usage(op, op->project_id, err);
    return rc == RC_OK ? apply_gateway(op, err) : rc;
}

static enum rc
check_routes(struct resource_op *op, struct err *err)
{
    json_t *routes = json_object_get(op->values, "routes");
    if (routes && json_is_null(routes)) {
        value_set(op, "routes", json_array());
        return RC_OK;
    }
    enum rc rc = subnet_check_routes(routes, "routes", err);
    size_t i;
    json_t *route;
    json_array_foreach(routes, i, route)
    {
        bool reaches = false;
        const char *nexthop = json_string_value(json_object_get(route, "nexthop"));
        if (rc == RC_OK) {
            rc = router_db_reaches(op->db, op->id, nexthop, &reaches, err);
        }
        if (rc == RC_OK && !reaches) {
            return fault_typed(err, RC_INVALID, "InvalidRoutes",
                               "Invalid format for routes: %s, the nexthop is not connected with "
                               "router or is used by it",
                               nexthop);
        }
        if (rc != RC_OK) {
            return rc;
        }
    }
    return rc;
}

static enum rc
before_delete(struct resource_op *op, struct err *err)
{
    bool has_interfaces = false;
    struct router_row router;
    enum rc rc = router_db_lock(op->db, op->id, NULL, &router, err);
    if (rc == RC_OK) {
        rc = router_db_has_interfaces(op->db, op->id, &has_interfaces, err);
    }
    if (rc == RC_OK && has_interfaces) {
        return fault_typed(err, RC_CONFLICT, "RouterInUse", "Router %s still has ports", op->id);
    }
    return rc == RC_OK ? router_gateway_remove(op->db, &router, err) : rc;
}

static enum rc
after_delete(struct resource_op *op, struct err *err)
{
    enum rc rc = usage_close(op->db, op->id, err);
    return rc == RC_OK ? work_add(op->db, NB_ROUTER, op->id, err) : rc;
}

const struct resource router_resource = {
    .singular = "router",
    .plural = "routers",
    .path = "/v2.0/routers",
    .table = "router",
    .not_found_type = "RouterNotFound",
    .not_found_format = "Router %s could not be found",
    .style = NEUTRON_STYLE,
    .visible = "r.project_id = $1",
    .default_sort = "id",
    .attributes = attributes,
    .before_create = before_create,
    .after_create = after_create,
    .before_update = check_routes,
    .after_update = apply_gateway,
    .before_delete = before_delete,
    .after_delete = after_delete,
};
