// SPDX-License-Identifier: Apache-2.0
// Subnets: cidr, gateway and pools are planned as Neutron does (subnet_plan.h) and kept consistent
// under the network's lock.
#include "services/network/api/attributes.h"
#include "services/network/api/network_db.h"
#include "services/network/api/neutron.h"
#include "services/network/api/subnet_db.h"
#include "services/network/api/subnetpool_db.h"
#include "services/network/api/work.h"

static const char *const ipv6_modes[] = {"slaac", "dhcpv6-stateful", "dhcpv6-stateless", NULL};

// clang-format off
static const struct attribute attributes[] = {
    ATTRIBUTE_ID,
    ATTRIBUTE_NAME,
    ATTRIBUTE_DESCRIPTION,
    {.name = "network_id", .type = ATTR_UUID, .flags = ATTR_CREATE | ATTR_REQUIRED | ATTR_FS},
    {.name = "ip_version", .type = ATTR_INT, .flags = ATTR_CREATE | ATTR_FS, .min = 4, .max = 6},
    {.name = "cidr", .type = ATTR_TEXT, .flags = ATTR_CREATE | ATTR_FS, .max = 64, .filter = "r.cidr::text = ANY(%s)"},
    {.name = "gateway_ip", .type = ATTR_TEXT, .flags = ATTR_RW | ATTR_NULLABLE | ATTR_FS, .max = 64, .select = "host(r.gateway_ip)", .filter = "host(r.gateway_ip) = ANY(%s)"},
    {.name = "allocation_pools", .type = ATTR_ARRAY, .flags = ATTR_RW | ATTR_VIRTUAL, .max = SUBNET_MAX_POOLS,
     .select = "(SELECT coalesce(json_agg(json_build_object('start', host(p.first), 'end', host(p.last)) ORDER BY p.first), '[]') FROM allocation_pool p WHERE p.subnet_id = r.id)"},
    {.name = "enable_dhcp", .type = ATTR_BOOL, .flags = ATTR_RW | ATTR_FS, .default_json = "true"},
    {.name = "ipv6_ra_mode", .type = ATTR_TEXT, .flags = ATTR_CREATE | ATTR_NULLABLE | ATTR_FS, .values = ipv6_modes},
    {.name = "ipv6_address_mode", .type = ATTR_TEXT, .flags = ATTR_CREATE | ATTR_NULLABLE | ATTR_FS, .values = ipv6_modes},
    {.name = "dns_nameservers", .type = ATTR_ARRAY, .flags = ATTR_RW, .max = 5, .default_json = "[]"},
    {.name = "host_routes", .type = ATTR_ARRAY, .flags = ATTR_RW, .max = 20, .default_json = "[]"},
    {.name = "service_types", .type = ATTR_ARRAY, .flags = ATTR_RW, .max = 20, .default_json = "[]"},
    {.name = "subnetpool_id", .type = ATTR_UUID, .flags = ATTR_CREATE | ATTR_NULLABLE | ATTR_FS},
    {.name = "use_default_subnetpool", .type = ATTR_BOOL, .flags = ATTR_CREATE | ATTR_VIRTUAL | ATTR_HIDDEN},
    {.name = "prefixlen", .type = ATTR_INT, .flags = ATTR_CREATE | ATTR_VIRTUAL | ATTR_HIDDEN, .min = 0, .max = 128},
    {.name = "router:external", .type = ATTR_BOOL, .flags = ATTR_VIRTUAL | ATTR_HIDDEN | ATTR_FILTER,
     .filter = "EXISTS (SELECT 1 FROM network n WHERE n.id = r.network_id AND n.external = ANY(%s::boolean[]))"},
    ATTRIBUTES_TAGS,
    {0},
};
// clang-format on

static enum rc
check_lists(const struct resource_op *op, struct err *err)
{
    enum rc rc = subnet_check_nameservers(json_object_get(op->values, "dns_nameservers"), err);
    return rc == RC_OK
               ? subnet_check_routes(json_object_get(op->values, "host_routes"), "host_routes", err)
               : rc;
}

// The network must be there, visible, and the requester's own.
static enum rc
lock_network(const struct resource_op *op, const char *network_id, struct err *err)
{
    struct network_row row;
    const char *viewer = neutron_is_admin(op->request) ? NULL : request_project(op->request);
    enum rc rc = network_db_lock(op->db, network_id, true, viewer, &row, err);
    if (rc == RC_OK && viewer && !g_str_equal(row.project_id, viewer)) {
        return fault(err, RC_FORBIDDEN, "Tenant %s not allowed to create subnet on this network",
                     viewer);
    }
    return rc;
}

// The cidr given, or one from the pool.
static enum rc
choose_cidr(struct resource_op *op, struct subnet_plan *plan, int *ret_version, struct err *err)
{
    const char *cidr = input_text(op, "cidr");
    const char *pool = input_text(op, "subnetpool_id");
    bool use_default = json_is_true(input_get(op, "use_default_subnetpool"));
    json_t *version = json_object_get(op->values, "ip_version");
    if (json_is_integer(version) && json_integer_value(version) == 5) {
        return fault(err, RC_INVALID,
                     "Invalid input for ip_version. Reason: '5' is not in [4, 6].");
    }
    if (pool || use_default) {
        const struct subnetpool_wish wish = {
            .pool_id = pool,
            .project_id = neutron_is_admin(op->request) ? NULL : request_project(op->request),
            .ip_version = (int)json_integer_value(version),
            .cidr = cidr,
            .prefix_length = json_is_integer(input_get(op, "prefixlen"))
                                 ? (int)json_integer_value(input_get(op, "prefixlen"))
                                 : -1,
        };
        struct subnetpool_choice choice;
        enum rc rc = subnetpool_db_allocate(op->db, &wish, &choice, err);
        if (rc != RC_OK) {
            return rc;
        }
        value_set(op, "subnetpool_id", json_string(choice.pool_id));
        *ret_version = choice.ip_version;
        return subnet_plan_cidr(choice.cidr, choice.ip_version, plan, err);
    }
    if (!cidr) {
        return fault_typed(
            err, RC_INVALID, "BadRequest",
            "Bad subnets request: a subnetpool must be specified in the absence of a cidr.");
    }
    if (!json_is_integer(version)) {
        return fault_typed(err, RC_INVALID, "InvalidInput",
                           "Invalid input for operation: ip_version must be specified.");
    }
    *ret_version = (int)json_integer_value(version);
    return subnet_plan_cidr(cidr, *ret_version, plan, err);
}

static enum rc
plan_addresses(struct resource_op *op, struct subnet_plan *plan, struct err *err)
{
    int version = 0;
    enum rc rc = choose_cidr(op, plan, &version, err);
    if (rc == RC_OK) {
        rc = subnet_plan_check_modes(version, value_bool(op, "enable_dhcp"),
                                     value_text(op, "ipv6_ra_mode"),
                                     value_text(op, "ipv6_address_mode"), err);
    }
    if (rc == RC_OK) {
        rc = subnet_plan_gateway(input_get(op, "gateway_ip"), plan, err);
    }
    json_t *pools = input_get(op, "allocation_pools");
    if (rc == RC_OK) {
        rc = subnet_plan_pools(json_is_array(pools) ? pools : NULL, plan, err);
    }
    if (rc == RC_OK) {
        rc = subnet_plan_check_gateway(plan, err);
    }
    value_set(op, "ip_version", json_integer(version));
    return rc;
}

static enum rc
before_create(struct resource_op *op, struct err *err)
{
    const char *network_id = input_text(op, "network_id");
    enum rc rc = neutron_claim(op, err);
    if (rc == RC_OK) {
        rc = lock_network(op, network_id, err);
    }
    if (rc == RC_OK) {
        rc = network_quota_check(op->db, op->project_id, "subnet", 1, err);
    }
    if (rc == RC_OK) {
        rc = check_lists(op, err);
    }
    struct subnet_plan *plan = g_new0(struct subnet_plan, 1);
    g_free(op->scratch);
    op->scratch = plan;
    if (rc == RC_OK) {
        rc = plan_addresses(op, plan, err);
    }
    if (rc != RC_OK) {
        return rc;
    }
    char cidr[PREFIX_SIZE], gateway[ADDRESS_SIZE];
    prefix_format(&plan->cidr, cidr);
    address_format(&plan->gateway, gateway);
    value_set(op, "cidr", json_string(cidr));
    value_set(op, "gateway_ip", plan->has_gateway ? json_string(gateway) : json_null());
    return subnet_db_check_overlap(op->db, network_id, cidr, err);
}

// Ports that exist already get an automatic address in a new subnet of that kind only when they ask
// for it.
static enum rc
after_create(struct resource_op *op, struct err *err)
{
    enum rc rc = subnet_db_write_pools(op->db, op->id, op->scratch, err);
    if (rc == RC_OK) {
        rc = subnet_db_sync_metadata(op->db, value_text(op, "network_id"), err);
    }
    return rc == RC_OK ? work_add(op->db, NB_SUBNET, op->id, err) : rc;
}

static enum rc
change_gateway(struct resource_op *op, struct subnet_plan *plan, struct err *err)
{
    char port_id[40] = "";
    const char *old = json_string_value(json_object_get(op->old, "gateway_ip"));
    const char *new = json_string_value(json_object_get(op->values, "gateway_ip"));
    enum rc rc = RC_OK;
    if (old && g_strcmp0(old, new) != 0) {
        rc = subnet_db_find_ip(op->db, op->id, old, port_id, err);
    }
    if (rc == RC_OK && port_id[0]) {
        return fault_typed(err, RC_CONFLICT, "GatewayIpInUse",
                           "Current gateway ip %s already in use by port %s. Unable to update.",
                           old, port_id);
    }
    return rc == RC_OK ? subnet_plan_check_gateway(plan, err) : rc;
}

static enum rc
before_update(struct resource_op *op, struct err *err)
{
    struct subnet_plan plan = {0};
    json_t *pools = input_get(op, "allocation_pools");
    json_t *gateway = json_object_get(op->values, "gateway_ip");
    enum rc rc = check_lists(op, err);
    if (rc == RC_OK) {
        rc = subnet_db_lock(op->db, op->id, err);
    }
    if (rc == RC_OK) {
        rc = subnet_plan_cidr(value_text(op, "cidr"),
                              (int)json_integer_value(json_object_get(op->old, "ip_version")),
                              &plan, err);
    }
    if (rc == RC_OK) {
        json_t *wanted = gateway ? gateway : json_object_get(op->old, "gateway_ip");
        rc = subnet_plan_gateway(wanted ? wanted : json_null(), &plan, err);
    }
    if (rc == RC_OK) {
        rc = json_is_array(pools) ? subnet_plan_pools(pools, &plan, err)
                                  : subnet_db_read_pools(op->db, op->id, &plan, err);
    }
    if (rc == RC_OK) {
        rc = change_gateway(op, &plan, err);
    }
    return rc == RC_OK && json_is_array(pools) ? subnet_db_write_pools(op->db, op->id, &plan, err)
                                               : rc;
}

static enum rc
after_update(struct resource_op *op, struct err *err)
{
    enum rc rc = subnet_db_sync_metadata(op->db, value_text(op, "network_id"), err);
    if (rc == RC_OK) {
        rc = work_add(op->db, NB_SUBNET, op->id, err);
    }
    // A switch port says itself whether it is answered by DHCP, and a router where its default
    // route goes.
    if (rc == RC_OK && json_object_get(op->values, "enable_dhcp")) {
        rc = work_add_each(
            op->db, NB_PORT,
            "SELECT DISTINCT port_id AS id FROM fixed_ip WHERE subnet_id = $1 ORDER BY id", op->id,
            err);
    }
    if (rc == RC_OK && json_object_get(op->values, "gateway_ip")) {
        rc = work_add_each(op->db, NB_ROUTER,
                           "SELECT r.id FROM router r JOIN fixed_ip f ON f.port_id = r.gw_port_id "
                           "WHERE f.subnet_id = $1 "
                           "ORDER BY r.id",
                           op->id, err);
    }
    return rc;
}

static enum rc
before_delete(struct resource_op *op, struct err *err)
{
    enum rc rc = subnet_db_lock(op->db, op->id, err);
    return rc == RC_OK ? subnet_db_empty(op->db, op->id, err) : rc;
}

static enum rc
after_delete(struct resource_op *op, struct err *err)
{
    enum rc rc = work_add(op->db, NB_SUBNET, op->id, err);
    return rc == RC_OK ? subnet_db_sync_metadata(op->db, value_text(op, "network_id"), err) : rc;
}

const struct resource subnet_resource = {
    .singular = "subnet",
    .plural = "subnets",
    .path = "/v2.0/subnets",
    .table = "subnet",
    .not_found_type = "SubnetNotFound",
    .not_found_format = "Subnet %s could not be found.",
    .style = NEUTRON_STYLE,
    .visible = "(r.project_id = $1 OR EXISTS (SELECT 1 FROM network n WHERE n.id = r.network_id "
               "AND (n.project_id = $1 OR n.shared "
               "OR EXISTS (SELECT 1 FROM rbac_policy b WHERE b.object_type = 'network' AND "
               "b.object_id = n.id "
               "AND b.action = 'access_as_shared' AND b.target_tenant IN ($1, '*')))))",
    .writable = "(r.project_id = $1 OR EXISTS (SELECT 1 FROM network n WHERE n.id = r.network_id "
                "AND n.project_id = $1))",
    .default_sort = "id",
    .attributes = attributes,
    .before_create = before_create,
    .after_create = after_create,
    .before_update = before_update,
    .after_update = after_update,
    .before_delete = before_delete,
    .after_delete = after_delete,
};
