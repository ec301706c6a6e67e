// SPDX-License-Identifier: Apache-2.0
// Networks: tenant networks are tunnels; administrators may attach one to a physical network.
#include "services/network/api/attributes.h"
#include "services/network/api/network_db.h"
#include "services/network/api/neutron.h"
#include "services/network/api/work.h"

#define TUNNEL_OVERHEAD 58 // Geneve over IPv4 with OVN's options

static const char *const network_types[] = {"geneve", "vxlan", "flat", "vlan", NULL};

// clang-format off
static const struct attribute attributes[] = {
    ATTRIBUTE_ID,
    ATTRIBUTE_NAME,
    ATTRIBUTE_DESCRIPTION,
    ATTRIBUTE_ADMIN_STATE,
    {.name = "status", .type = ATTR_TEXT, .flags = ATTR_VIRTUAL | ATTR_FILTER, .select = "'ACTIVE'::text", .filter = "'ACTIVE' = ANY(%s)"},
    {.name = "subnets", .type = ATTR_ARRAY, .flags = ATTR_VIRTUAL,
     .select = "(SELECT coalesce(json_agg(s.id ORDER BY s.created_at, s.id), '[]') FROM subnet s WHERE s.network_id = r.id)"},
    {.name = "shared", .type = ATTR_BOOL, .flags = ATTR_RW | ATTR_FS | ATTR_ADMIN_SET, .default_json = "false",
     .select = "(r.shared OR EXISTS (SELECT 1 FROM rbac_policy b WHERE b.object_type = 'network' AND b.object_id = r.id AND b.action = 'access_as_shared' AND b.target_tenant = '*'))"},
    {.name = "router:external", .type = ATTR_BOOL, .flags = ATTR_RW | ATTR_FS | ATTR_ADMIN_SET, .column = "external", .default_json = "false"},
    {.name = "is_default", .type = ATTR_BOOL, .flags = ATTR_RW | ATTR_FILTER | ATTR_ADMIN_SET, .default_json = "false"},
    {.name = "port_security_enabled", .type = ATTR_BOOL, .flags = ATTR_RW | ATTR_FILTER, .default_json = "true"},
    {.name = "mtu", .type = ATTR_INT, .flags = ATTR_RW | ATTR_FS, .min = 68, .max = 65535},
    {.name = "provider:network_type", .type = ATTR_TEXT, .flags = ATTR_CREATE | ATTR_FS | ATTR_ADMIN_SET | ATTR_ADMIN_SEE, .column = "network_type", .values = network_types},
    {.name = "provider:physical_network", .type = ATTR_TEXT, .flags = ATTR_CREATE | ATTR_NULLABLE | ATTR_FS | ATTR_ADMIN_SET | ATTR_ADMIN_SEE, .column = "physical_network", .min = 1, .max = 64},
    {.name = "provider:segmentation_id", .type = ATTR_INT, .flags = ATTR_CREATE | ATTR_NULLABLE | ATTR_FS | ATTR_ADMIN_SET | ATTR_ADMIN_SEE, .column = "segmentation_id", .min = 1, .max = 16777215},
    {.name = "availability_zone_hints", .type = ATTR_ARRAY, .flags = ATTR_CREATE, .default_json = "[]"},
    {.name = "availability_zones", .type = ATTR_ARRAY, .flags = ATTR_VIRTUAL,
     .select = "(CASE WHEN EXISTS (SELECT 1 FROM subnet s WHERE s.network_id = r.id) THEN '[\"nova\"]'::jsonb ELSE '[]'::jsonb END)"},
    {.name = "ipv4_address_scope", .type = ATTR_UUID, .flags = ATTR_VIRTUAL,
     .select = "(SELECT max(sp.address_scope_id::text) FROM subnet s JOIN subnetpool sp ON sp.id = s.subnetpool_id WHERE s.network_id = r.id AND s.ip_version = 4)"},
    {.name = "ipv6_address_scope", .type = ATTR_UUID, .flags = ATTR_VIRTUAL,
     .select = "(SELECT max(sp.address_scope_id::text) FROM subnet s JOIN subnetpool sp ON sp.id = s.subnetpool_id WHERE s.network_id = r.id AND s.ip_version = 6)"},
    ATTRIBUTES_TAGS,
    {0},
};
// clang-format on

static enum rc
check_provider(const char *type, const char *physical, json_t *segment, struct err *err)
{
    bool is_physical = g_str_equal(type, "flat") || g_str_equal(type, "vlan");
    if (is_physical && !physical) {
        return fault_typed(
            err, RC_INVALID, "InvalidInput",
            "Invalid input for operation: physical_network required for %s provider network.",
            type);
    }
    if (!is_physical && physical) {
        return fault_typed(
            err, RC_INVALID, "InvalidInput",
            "Invalid input for operation: provider:physical_network specified for %s network.",
            type);
    }
    if (g_str_equal(type, "flat") && json_is_integer(segment)) {
        return fault_typed(
            err, RC_INVALID, "InvalidInput",
            "Invalid input for operation: provider:segmentation_id specified for flat network.");
    }
    if (g_str_equal(type, "vlan") &&
        (!json_is_integer(segment) || json_integer_value(segment) > 4094)) {
        return fault_typed(
            err, RC_INVALID, "InvalidInput",
            "Invalid input for operation: provider:segmentation_id must be a VLAN from 1 to 4094.");
    }
    return RC_OK;
}

static enum rc
before_create(struct resource_op *op, struct err *err)
{
    struct neutron *neutron = request_context(op->request);
    enum rc rc = neutron_claim(op, err);
    if (rc == RC_OK) {
        rc = network_quota_check(op->db, op->project_id, "network", 1, err);
    }
    const char *physical = input_text(op, "provider:physical_network");
    const char *type = input_text(op, "provider:network_type");
    json_t *segment = json_object_get(op->values, "segmentation_id");
    type = type ? type : physical ? "flat" : "geneve";
    if (rc == RC_OK) {
        rc = neutron_check_zones(op, err);
    }
    if (rc == RC_OK) {
        rc = check_provider(type, physical, segment, err);
    }
    if (rc != RC_OK) {
        return rc;
    }
    value_set(op, "network_type", json_string(type));
    if (!physical && !json_is_integer(segment)) {
        int64_t next;
        rc = network_db_next_segment(op->db, &next, err);
        if (rc != RC_OK) {
            return rc;
        }
        value_set(op, "segmentation_id", json_integer(next));
    }
    if (!json_is_integer(json_object_get(op->values, "mtu"))) {
        value_set(op, "mtu", json_integer(neutron->mtu - (physical ? 0 : TUNNEL_OVERHEAD)));
    }
    return RC_OK;
}

static enum rc
after_create(struct resource_op *op, struct err *err)
{
    return work_add(op->db, NB_NETWORK, op->id, err);
}

static bool
turns_off(const struct resource_op *op, const char *column)
{
    return json_is_true(json_object_get(op->old, column)) &&
           json_is_false(json_object_get(op->values, column));
}

static enum rc
before_update(struct resource_op *op, struct err *err)
{
    bool is_used = false;
    enum rc rc = RC_OK;
    if (turns_off(op, "shared")) {
        rc = network_db_is_used_by_others(op->db, op->id, &is_used, err);
        if (rc == RC_OK && is_used) {
            return fault_typed(err, RC_CONFLICT, "InvalidSharedSetting",
                               "Unable to reconfigure sharing settings for network %s. Multiple "
                               "tenants are using it.",
                               op->id);
        }
    }
    if (rc == RC_OK && turns_off(op, "external")) {
        rc = network_db_is_used_externally(op->db, op->id, &is_used, err);
        if (rc == RC_OK && is_used) {
            return fault_typed(err, RC_CONFLICT, "ExternalNetworkInUse",
                               "External network %s cannot be updated to be made non-external, "
                               "since it has existing gateway ports.",
                               op->id);
        }
    }
    return rc;
}

static enum rc
after_update(struct resource_op *op, struct err *err)
{
    enum rc rc = work_add(op->db, NB_NETWORK, op->id, err);
    if (rc == RC_OK && json_object_get(op->values, "mtu")) {
        rc = work_add_each(op->db, NB_SUBNET,
                           "SELECT id FROM subnet WHERE network_id = $1 ORDER BY id", op->id, err);
    }
    return rc;
}

static enum rc
before_delete(struct resource_op *op, struct err *err)
{
    struct network_row row;
    enum rc rc = network_db_lock(op->db, op->id, true, NULL, &row, err);
    return rc == RC_OK ? network_db_empty(op->db, op->id, err) : rc;
}

const struct resource network_resource = {
    .singular = "network",
    .plural = "networks",
    .path = "/v2.0/networks",
    .table = "network",
    .not_found_type = "NetworkNotFound",
    .not_found_format = "Network %s could not be found.",
    .style = NEUTRON_STYLE,
    .visible =
        "(r.project_id = $1 OR r.shared OR r.external OR EXISTS (SELECT 1 FROM rbac_policy b "
        "WHERE b.object_type = 'network' AND b.object_id = r.id AND b.target_tenant IN ($1, '*')))",
    .writable = "r.project_id = $1",
    .default_sort = "id",
    .attributes = attributes,
    .before_create = before_create,
    .after_create = after_create,
    .before_update = before_update,
    .after_update = after_update,
    .before_delete = before_delete,
    .after_delete = after_create,
};
