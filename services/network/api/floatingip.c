// SPDX-License-Identifier: Apache-2.0
// Floating IPs: an address on an external network, held by a port of the service, optionally
// associated with a port.
#include "services/network/api/attributes.h"
#include "services/network/api/floatingip_db.h"
#include "services/network/api/network_db.h"
#include "services/network/api/neutron.h"
#include "services/network/api/port_db.h"
#include "services/network/api/work.h"

#include "common/base/util.h"
#include "common/db/usage.h"

// clang-format off
static const struct attribute attributes[] = {
    ATTRIBUTE_ID,
    ATTRIBUTE_DESCRIPTION,
    {.name = "floating_network_id", .type = ATTR_UUID, .flags = ATTR_CREATE | ATTR_REQUIRED | ATTR_FS},
    {.name = "floating_ip_address", .type = ATTR_TEXT, .flags = ATTR_CREATE | ATTR_NULLABLE | ATTR_FS, .max = 64, .filter = "host(r.floating_ip_address) = ANY(%s)"},
    {.name = "port_id", .type = ATTR_UUID, .flags = ATTR_RW | ATTR_NULLABLE | ATTR_FS},
    {.name = "fixed_ip_address", .type = ATTR_TEXT, .flags = ATTR_RW | ATTR_NULLABLE | ATTR_FS, .max = 64, .filter = "host(r.fixed_ip_address) = ANY(%s)"},
    {.name = "router_id", .type = ATTR_UUID, .flags = ATTR_FS},
    {.name = "status", .type = ATTR_TEXT, .flags = ATTR_FS},
    {.name = "subnet_id", .type = ATTR_UUID, .flags = ATTR_CREATE | ATTR_NULLABLE | ATTR_VIRTUAL | ATTR_HIDDEN},
    {.name = "port_details", .type = ATTR_OBJECT, .flags = ATTR_VIRTUAL, .select =
        "(SELECT json_build_object('name', p.name, 'network_id', p.network_id, 'mac_address', p.mac_address, 'admin_state_up', p.admin_state_up,"
        " 'status', p.status, 'device_id', p.device_id, 'device_owner', p.device_owner) FROM port p WHERE p.id = r.port_id)"},
    ATTRIBUTES_TAGS,
    {0},
};
// clang-format on

// Takes the port's owner into account, then finds address and router. port_id null: not associated.
static enum rc
associate(struct resource_op *op, const char *network_id, struct err *err)
{
    const char *port_id = value_text(op, "port_id");
    if (!port_id) {
        value_set(op, "port_id", json_null());
        value_set(op, "fixed_ip_address", json_null());
        value_set(op, "router_id", json_null());
        value_set(op, "status", json_string("DOWN"));
        return RC_OK;
    }
    const char *viewer = neutron_is_admin(op->request) ? NULL : request_project(op->request);
    struct port_owner owner;
    struct association association;
    const struct association_wish wish = {op->id, network_id, port_id,
                                          input_text(op, "fixed_ip_address")};
    enum rc rc = port_db_lock(op->db, port_id, viewer, &owner, err);
    if (rc == RC_OK) {
        rc = floatingip_db_associate(op->db, &wish, &association, err);
    }
    if (rc == RC_OK) {
        value_set(op, "fixed_ip_address", json_string(association.fixed_ip));
        value_set(op, "router_id", json_string(association.router_id));
        value_set(op, "status", json_string("ACTIVE"));
    }
    return rc;
}

static enum rc
check_network(struct resource_op *op, const char *network_id, struct err *err)
{
    struct network_row network;
    bool has_ipv4 = false;
    const char *viewer = neutron_is_admin(op->request) ? NULL : request_project(op->request);
    enum rc rc = network_db_lock(op->db, network_id, false, viewer, &network, err);
    if (rc == RC_OK && !network.external) {
        return fault_typed(err, RC_INVALID, "BadRequest",
                           "Bad floatingip request: Network %s is not a valid external network.",
                           network_id);
    }
    if (rc == RC_OK) {
        rc = floatingip_db_has_ipv4_subnet(op->db, network_id, &has_ipv4, err);
    }
    if (rc == RC_OK && !has_ipv4) {
        return fault_typed(err, RC_INVALID, "BadRequest",
                           "Bad floatingip request: Network %s does not contain any IPv4 subnet.",
                           network_id);
    }
    if (rc == RC_OK && viewer && input_text(op, "floating_ip_address")) {
        return fault(err, RC_FORBIDDEN,
                     "rule:create_floatingip:floating_ip_address is disallowed by policy");
    }
    return rc;
}

// The port that holds the address; its id is derived, so that nothing else can own it.
static enum rc
make_port(struct resource_op *op, const char *network_id, struct err *err)
{
    char port_id[UUID_SIZE], address[64];
    const char *wanted = input_text(op, "floating_ip_address"),
               *subnet_id = input_text(op, "subnet_id");
    uuid_derive(op->id, "floating", port_id);
    json_auto_t *item = json_object();
    if (wanted) {
        json_object_set_new(item, "ip_address", json_string(wanted));
    }
    if (subnet_id) {
        json_object_set_new(item, "subnet_id", json_string(subnet_id));
    }
    json_auto_t *ips = json_object_size(item) ? json_pack("[O]", item) : NULL;
    const struct port_new port = {.id = port_id,
                                  .network_id = network_id,
                                  .device_id = op->id,
                                  .device_owner = "network:floatingip",
                                  .status = "N/A",
                                  .fixed_ips = ips};
    enum rc rc = port_db_insert(op->db, &port, err);
    if (rc == RC_OK) {
        rc = floatingip_db_port_address(op->db, port_id, address, err);
    }
    if (rc == RC_OK) {
        value_set(op, "floating_port_id", json_string(port_id));
        value_set(op, "floating_ip_address", json_string(address));
    }
    return rc;
}

static enum rc
before_create(struct resource_op *op, struct err *err)
{
    const char *network_id = input_text(op, "floating_network_id");
    enum rc rc = neutron_claim(op, err);
    if (rc == RC_OK) {
        rc = network_quota_check(op->db, op->project_id, "floatingip", 1, err);
    }
    if (rc == RC_OK) {
        rc = check_network(op, network_id, err);
    }
    if (rc == RC_OK) {
        rc = associate(op, network_id, err);
    }
    return rc == RC_OK ? make_port(op, network_id, err) : rc;
}

static enum rc
after_create(struct resource_op *op, struct err *err)
{
    const struct usage usage = {.project_id = op->project_id,
                                .resource_type = "floatingip",
                                .resource_id = op->id,
                                .resource_name = value_text(op, "floating_ip_address"),
                                .meter = "floatingip",
                                .quantity = 1};
    enum rc rc = usage_open(op->db, &usage, 1, err);
    return rc == RC_OK ? work_add(op->db, NB_FLOATINGIP, op->id, err) : rc;
}

static enum rc
before_update(struct resource_op *op, struct err *err)
{
    json_t *port = input_get(op, "port_id");
    if (!port && json_is_string(input_get(op, "fixed_ip_address")) &&
        json_is_null(json_object_get(op->old, "port_id"))) {
        return fault_typed(
            err, RC_INVALID, "BadRequest",
            "Bad floatingip request: fixed_ip_address cannot be specified without a port_id.");
    }
    json_object_del(op->values, "fixed_ip_address");
    return port || input_get(op, "fixed_ip_address")
               ? associate(op, value_text(op, "floating_network_id"), err)
               : RC_OK;
}

static enum rc
after_update(struct resource_op *op, struct err *err)
{
    return work_add(op->db, NB_FLOATINGIP, op->id, err);
}

static enum rc
after_delete(struct resource_op *op, struct err *err)
{
    return floatingip_db_finish(op->db, op->id, value_text(op, "floating_port_id"), err);
}

const struct resource floatingip_resource = {
    .singular = "floatingip",
    .plural = "floatingips",
    .path = "/v2.0/floatingips",
    .table = "floatingip",
    .not_found_type = "FloatingIPNotFound",
    .not_found_format = "Floating IP %s could not be found",
    .style = NEUTRON_STYLE,
    .visible = "r.project_id = $1",
    .default_sort = "id",
    .attributes = attributes,
    .before_create = before_create,
    .after_create = after_create,
    .before_update = before_update,
    .after_update = after_update,
    .after_delete = after_delete,
};
