// SPDX-License-Identifier: Apache-2.0
// Ports. The address work is in ipam_db, the checks of their lists in port_plan.
#include "services/network/api/port.h"
#include "services/network/api/attributes.h"
#include "services/network/api/network_db.h"
#include "services/network/api/neutron.h"
#include "services/network/api/port_db.h"
#include "services/network/api/port_plan.h"
#include "services/network/api/port_tombstone_db.h"
#include "services/network/api/security_group_db.h"
#include "services/network/api/work.h"

#include <string.h>

static const char *const vnic_types[] = {
    "normal", "direct", "macvtap", "baremetal", "direct-physical", "virtio-forwarder", NULL};

// clang-format off
static const struct attribute attributes[] = {
    {.name = "id", .type = ATTR_UUID, .flags = ATTR_CREATE | ATTR_FS | ATTR_ADMIN_SET},
    ATTRIBUTE_NAME,
    ATTRIBUTE_DESCRIPTION,
    {.name = "network_id", .type = ATTR_UUID, .flags = ATTR_CREATE | ATTR_REQUIRED | ATTR_FS},
    ATTRIBUTE_ADMIN_STATE,
    {.name = "mac_address", .type = ATTR_TEXT, .flags = ATTR_RW | ATTR_FS, .max = 64, .filter = "r.mac_address::text = ANY(%s)"},
    {.name = "fixed_ips", .type = ATTR_ARRAY, .flags = ATTR_RW | ATTR_VIRTUAL | ATTR_FILTER, .max = 50, .filter = "port_has_fixed_ips(r.id, %s)",
     .select = "(SELECT coalesce(json_agg(json_build_object('subnet_id', f.subnet_id, 'ip_address', host(f.ip)) ORDER BY f.position), '[]') FROM fixed_ip f WHERE f.port_id = r.id)"},
    {.name = "device_id", .type = ATTR_TEXT, .flags = ATTR_RW | ATTR_FS | ATTR_BLANK, .max = 255, .default_json = "\"\""},
    {.name = "device_owner", .type = ATTR_TEXT, .flags = ATTR_RW | ATTR_FS | ATTR_BLANK, .max = 255, .default_json = "\"\""},
    {.name = "status", .type = ATTR_TEXT, .flags = ATTR_FS},
    {.name = "security_groups", .type = ATTR_ARRAY, .flags = ATTR_RW | ATTR_VIRTUAL | ATTR_FILTER | ATTR_NULLABLE,
     .filter = "EXISTS (SELECT 1 FROM port_security_group g WHERE g.port_id = r.id AND g.security_group_id::text = ANY(%s))",
     .select = "(SELECT coalesce(json_agg(g.security_group_id ORDER BY g.security_group_id), '[]') FROM port_security_group g WHERE g.port_id = r.id)"},
    {.name = "port_security_enabled", .type = ATTR_BOOL, .flags = ATTR_RW | ATTR_FILTER},
    {.name = "allowed_address_pairs", .type = ATTR_ARRAY, .flags = ATTR_RW | ATTR_NULLABLE, .default_json = "[]"},
    {.name = "extra_dhcp_opts", .type = ATTR_ARRAY, .flags = ATTR_RW | ATTR_NULLABLE, .max = 100, .default_json = "[]"},
    {.name = "binding:host_id", .type = ATTR_TEXT, .flags = ATTR_RW | ATTR_FS | ATTR_NULLABLE | ATTR_BLANK | ATTR_ADMIN_SEE | ATTR_ADMIN_SET, .column = "host_id", .max = 255},
    {.name = "binding:vnic_type", .type = ATTR_TEXT, .flags = ATTR_RW | ATTR_FS, .column = "vnic_type", .values = vnic_types, .default_json = "\"normal\""},
    {.name = "binding:profile", .type = ATTR_OBJECT, .flags = ATTR_RW | ATTR_NULLABLE | ATTR_ADMIN_SEE | ATTR_ADMIN_SET, .column = "profile"},
    {.name = "binding:vif_type", .type = ATTR_TEXT, .flags = ATTR_VIRTUAL | ATTR_ADMIN_SEE, .select = "CASE WHEN r.host_id = '' THEN 'unbound' ELSE 'ovs' END"},
    {.name = "binding:vif_details", .type = ATTR_OBJECT, .flags = ATTR_VIRTUAL | ATTR_ADMIN_SEE,
     .select = "CASE WHEN r.host_id = '' THEN '{}'::jsonb ELSE '{\"port_filter\": true, \"connectivity\": \"l2\", \"bridge_name\": \"br-int\", \"datapath_type\": \"netdev\"}'::jsonb END"},
    {.name = "router_id", .type = ATTR_TEXT, .flags = ATTR_VIRTUAL | ATTR_HIDDEN | ATTR_FILTER, .filter = "r.device_id = ANY(%s)"},
    {.name = "ip_allocation", .type = ATTR_TEXT, .flags = ATTR_VIRTUAL, .select = "CASE WHEN EXISTS (SELECT 1 FROM fixed_ip f WHERE f.port_id = r.id) THEN 'immediate' ELSE 'none' END"},
    ATTRIBUTES_TAGS,
    {0},
};
// clang-format on

static bool
is_service_port(const struct resource_op *op)
{
    return g_str_has_prefix(value_text(op, "device_owner"), "network:");
}

// Whose network it is decides what may be asked for.
static enum rc
check_network(struct resource_op *op, struct network_row *ret_network, struct err *err)
{
    const char *viewer = neutron_is_admin(op->request) ? NULL : request_project(op->request);
    enum rc rc =
        network_db_lock(op->db, input_text(op, "network_id"), false, viewer, ret_network, err);
    if (rc != RC_OK || !viewer || g_str_equal(ret_network->project_id, viewer)) {
        return rc;
    }
    if (!ret_network->shared) {
        return fault(err, RC_FORBIDDEN, "Tenant %s not allowed to create port on this network",
                     viewer);
    }
    static const char *const owners_only[] = {"mac_address", "port_security_enabled",
                                              "allowed_address_pairs"};
    for (size_t i = 0; i < G_N_ELEMENTS(owners_only); i++) {
        if (input_get(op, owners_only[i])) {
            return fault(err, RC_FORBIDDEN, "rule:create_port:%s is disallowed by policy",
                         owners_only[i]);
        }
    }
    return RC_OK;
}

static enum rc
choose_mac(struct resource_op *op, struct err *err)
{
    char mac[MAC_SIZE];
    const char *given = input_text(op, "mac_address"), *network_id = input_text(op, "network_id");
    if (given && !mac_parse(given, mac)) {
        return fault(err, RC_INVALID,
                     "Invalid input for mac_address. Reason: '%.80s' is not a valid MAC address.",
                     given);
    }
    enum rc rc = given ? port_db_check_mac(op->db, network_id, mac, err)
                       : port_db_free_mac(op->db, network_id, mac, err);
    if (rc == RC_OK) {
        value_set(op, "mac_address", json_string(mac));
    }
    return rc;
}

// Nulls mean the default.
static void
replace_nulls(struct resource_op *op)
{
    static const struct {
        const char *column, *value;
    } blanks[] = {{"host_id", "\"\""},
                  {"profile", "{}"},
                  {"allowed_address_pairs", "[]"},
                  {"extra_dhcp_opts", "[]"}};
    for (size_t i = 0; i < G_N_ELEMENTS(blanks); i++) {
        if (json_is_null(json_object_get(op->values, blanks[i].column))) {
            value_set(op, blanks[i].column, json_loads(blanks[i].value, JSON_DECODE_ANY, NULL));
        }
    }
}

static enum rc
check_lists(struct resource_op *op, struct err *err)
{
    json_t *pairs = json_object_get(op->values, "allowed_address_pairs");
    enum rc rc = pairs ? port_plan_address_pairs(pairs, value_text(op, "mac_address"), err) : RC_OK;
    json_t *options = json_object_get(op->values, "extra_dhcp_opts");
    if (rc == RC_OK && options) {
        json_t *merged = NULL;
        rc = port_plan_dhcp_options(json_object_get(op->old, "extra_dhcp_opts"), options, &merged,
                                    err);
        if (rc == RC_OK) {
            value_set(op, "extra_dhcp_opts", merged);
        }
    }
    return rc;
}

static enum rc
check_security(const struct resource_op *op, bool has_groups, struct err *err)
{
    json_t *pairs = json_object_get(op->values, "allowed_address_pairs");
    bool has_pairs =
        json_array_size(pairs ? pairs : json_object_get(op->old, "allowed_address_pairs")) > 0;
    if (value_bool(op, "port_security_enabled")) {
        return RC_OK;
    }
    if (has_groups && op->old && !input_get(op, "security_groups")) {
        return fault_typed(err, RC_CONFLICT, "PortSecurityPortHasSecurityGroup",
                           "Port has security group associated. Cannot disable port security or IP "
                           "address until security "
                           "group is removed.");
    }
    if (has_groups) {
        return fault_typed(err, RC_INVALID, "PortSecurityAndIPRequiredForSecurityGroups",
                           "Port security must be enabled and port must have an IP address in "
                           "order to use security groups.");
    }
    if (has_pairs) {
        return fault_typed(
            err, RC_CONFLICT, "AddressPairAndPortSecurityRequired",
            "Port Security must be enabled in order to have allowed address pairs on a port.");
    }
    return RC_OK;
}

static enum rc
before_create(struct resource_op *op, struct err *err)
{
    struct network_row network;
    const char *id = input_text(op, "id");
    enum rc rc = id ? port_tombstone_db_check(op->db, id, err) : neutron_claim(op, err);
    if (rc == RC_OK) {
        rc = check_network(op, &network, err);
    }
    if (rc == RC_OK && op->project_id[0]) {
        rc = network_quota_check(op->db, op->project_id, "port", 1, err);
    }
    if (rc == RC_OK) {
        rc = choose_mac(op, err);
    }
    if (rc != RC_OK) {
        return rc;
    }
    if (id) {
        g_strlcpy(op->id, id, sizeof op->id);
    }
    replace_nulls(op);
    json_object_del(op->values, "status");
    if (!input_get(op, "port_security_enabled")) {
        value_set(op, "port_security_enabled",
                  json_boolean(network.port_security && !is_service_port(op)));
    }
    rc = check_lists(op, err);
    return rc == RC_OK
               ? check_security(op, json_array_size(input_get(op, "security_groups")) > 0, err)
               : rc;
}

static enum rc
give_groups(struct resource_op *op, struct err *err)
{
    const char *owner = neutron_is_admin(op->request) ? NULL : op->project_id;
    json_t *groups = input_get(op, "security_groups");
    if (groups && !json_is_null(groups)) {
        return port_db_write_groups(op->db, op->id, groups, owner, err);
    }
    if (!value_bool(op, "port_security_enabled") || is_service_port(op) || !op->project_id[0]) {
        return RC_OK;
    }
    char group[40];
    enum rc rc = security_group_db_ensure_default(op->db, op->project_id, group, err);
    json_auto_t *list = json_pack("[s]", group);
    return rc == RC_OK ? port_db_write_groups(op->db, op->id, list, NULL, err) : rc;
}

static struct ipam_port
ipam_port_of(const struct resource_op *op)
{
    return (struct ipam_port){op->id, value_text(op, "network_id"), value_text(op, "mac_address"),
                              value_text(op, "device_owner")};
}

static enum rc
add_work(struct resource_op *op, struct err *err)
{
    return port_db_add_work(op->db, op->id, value_text(op, "device_owner"),
                            value_text(op, "device_id"), err);
}

static enum rc
after_create(struct resource_op *op, struct err *err)
{
    const struct ipam_port port = ipam_port_of(op);
    enum rc rc = ipam_allocate(op->db, &port, input_get(op, "fixed_ips"), err);
    if (rc == RC_OK) {
        rc = give_groups(op, err);
    }
    return rc == RC_OK ? work_add(op->db, NB_PORT, op->id, err) : rc;
}

static enum rc
change_mac(struct resource_op *op, struct err *err)
{
    char mac[MAC_SIZE];
    const char *given = input_text(op, "mac_address"),
               *old = json_string_value(json_object_get(op->old, "mac_address"));
    if (!given) {
        return RC_OK;
    }
    if (!mac_parse(given, mac)) {
        return fault(err, RC_INVALID,
                     "Invalid input for mac_address. Reason: '%.80s' is not a valid MAC address.",
                     given);
    }
    value_set(op, "mac_address", json_string(mac));
    return g_strcmp0(old, mac) == 0
               ? RC_OK
               : port_db_check_mac(op->db, value_text(op, "network_id"), mac, err);
}

static enum rc
before_update(struct resource_op *op, struct err *err)
{
    bool has_groups = false;
    json_t *groups = input_get(op, "security_groups");
    replace_nulls(op);
    enum rc rc = change_mac(op, err);
    if (rc == RC_OK) {
        rc = check_lists(op, err);
    }
    if (rc == RC_OK && !groups) {
        rc = port_db_has_groups(op->db, op->id, &has_groups, err);
    }
    if (rc == RC_OK) {
        rc = check_security(op, groups ? json_array_size(groups) > 0 : has_groups, err);
    }
    // A port that moves or loses its host is not up there.
    const char *host = json_string_value(json_object_get(op->values, "host_id"));
    if (rc == RC_OK && host &&
        g_strcmp0(host, json_string_value(json_object_get(op->old, "host_id"))) != 0 &&
        !is_service_port(op)) {
        value_set(op, "status", json_string("DOWN"));
    }
    return rc;
}

static enum rc
after_update(struct resource_op *op, struct err *err)
{
    json_t *groups = input_get(op, "security_groups"), *fixed_ips = input_get(op, "fixed_ips");
    const char *owner = neutron_is_admin(op->request)
                            ? NULL
                            : json_string_value(json_object_get(op->old, "project_id"));
    const struct ipam_port port = ipam_port_of(op);
    enum rc rc = groups ? port_db_write_groups(op->db, op->id, groups, owner, err) : RC_OK;
    if (rc == RC_OK && fixed_ips) {
        rc = ipam_change(op->db, &port, fixed_ips, err);
    }
    if (rc == RC_OK && fixed_ips) {
        rc = port_db_drop_floatingips(op->db, op->id, false, err);
    }
    return rc == RC_OK ? add_work(op, err) : rc;
}

static enum rc
before_delete(struct resource_op *op, struct err *err)
{
    const char *owner = value_text(op, "device_owner");
    bool is_metadata = g_str_equal(owner, "network:distributed") && !neutron_is_admin(op->request);
    if (is_metadata || g_str_has_prefix(owner, "network:router_") ||
        g_str_equal(owner, "network:floatingip")) {
        return fault_typed(
            err, RC_CONFLICT, "ServicePortInUse",
            "Port %s cannot be deleted directly via the port API: has device owner %s.", op->id,
            owner);
    }
    enum rc rc = g_str_equal(owner, "network:distributed") ? add_work(op, err) : RC_OK;
    return rc == RC_OK ? port_db_drop_floatingips(op->db, op->id, true, err) : rc;
}

static enum rc
after_delete(struct resource_op *op, struct err *err)
{
    return work_add(op->db, NB_PORT, op->id, err);
}

const struct resource port_resource = {
    .singular = "port",
    .plural = "ports",
    .path = "/v2.0/ports",
    .table = "port",
    .not_found_type = "PortNotFound",
    .not_found_format = "Port %s could not be found.",
    .style = NEUTRON_STYLE,
    .visible = "(r.project_id = $1 OR EXISTS (SELECT 1 FROM network n WHERE n.id = r.network_id "
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

// A service asks again for the port that it made before for the same device: it is moved when the
// host is another one.
struct repeat {
    const char *id, *device_id;
    const char *host; // NULL: not said
    bool is_same;
};

static enum rc
repeat_port(struct db *db, void *argument, struct err *err)
{
    struct repeat *repeat = argument;
    g_autofree char *device = NULL;
    enum rc rc = port_db_find_device(db, repeat->id, &device, err);
    repeat->is_same = rc == RC_OK && device && strcmp(device, repeat->device_id) == 0;
    return repeat->is_same && repeat->host ? port_db_move(db, repeat->id, repeat->host, err) : rc;
}

static bool
reply_existing(struct request *request, json_t *input, struct reply *reply)
{
    const char *device_id = json_string_value(json_object_get(input, "device_id"));
    struct repeat repeat = {.id = json_string_value(json_object_get(input, "id")),
                            .device_id = device_id ? device_id : "",
                            .host = json_string_value(json_object_get(input, "binding:host_id"))};
    struct db *db;
    struct err ignored;
    g_autofree char *item = NULL;
    if (!repeat.id || !neutron_is_admin(request) || request_db(request, &db, &ignored) != RC_OK ||
        db_tx(db, repeat_port, &repeat, &ignored) != RC_OK || !repeat.is_same ||
        resource_item(request, db, &port_resource, repeat.id, &item, &ignored) != RC_OK) {
        return false;
    }
    const struct neutron *neutron = request_context(request);
    work_apply_request(neutron->work, db, request_id(request));
    reply->status = 200;
    reply->text = g_strdup_printf("{\"port\":%s}", item);
    return true;
}

// Other services give the ids of their ports, so that doing it again finds the same port.
enum rc
port_create(struct request *request, struct reply *reply, struct err *err)
{
    json_t *input = json_object_get(request_json(request), "port");
    if (reply_existing(request, input, reply)) {
        return RC_OK;
    }
    enum rc rc = neutron_create(request, reply, err);
    return rc == RC_CONFLICT && reply_existing(request, input, reply) ? RC_OK : rc;
}
