// SPDX-License-Identifier: Apache-2.0
#include "services/network/api/router_interface.h"

#include "common/base/util.h"
#include "services/network/api/neutron.h"
#include "services/network/api/port_db.h"
#include "services/network/api/router_db.h"
#include "services/network/api/work.h"

struct change {
    struct request *request;
    const char *owner; // project that must own what is named; NULL: an administrator
    const char *subnet_id, *port_id;
    struct router_row router;
    char changed_port[40], changed_subnet[40], network_id[40];
    json_t *subnet_ids;
};

static enum rc
bad(struct err *err, const char *message)
{
    return fault_typed(err, RC_INVALID, "BadRequest", "Bad router request: %s.", message);
}

static enum rc
read_body(struct request *request, struct change *change, struct err *err)
{
    json_t *body = request_json(request);
    json_t *subnet = json_object_get(body, "subnet_id"), *port = json_object_get(body, "port_id");
    if (!json_is_object(body) || (!subnet && !port)) {
        return bad(err, "Either subnet_id or port_id must be specified");
    }
    if ((subnet && (!json_is_string(subnet) || !uuid_is_valid(json_string_value(subnet)))) ||
        (port && (!json_is_string(port) || !uuid_is_valid(json_string_value(port))))) {
        return fault(err, RC_INVALID, "Invalid input for %s. Reason: it is not a valid UUID.",
                     subnet && !(json_is_string(subnet) && uuid_is_valid(json_string_value(subnet)))
                         ? "subnet_id"
                         : "port_id");
    }
    *change = (struct change){
        .request = request,
        .owner = neutron_is_admin(request) ? NULL : request_project(request),
        .subnet_id = json_string_value(subnet),
        .port_id = json_string_value(port),
    };
    return RC_OK;
}

// Subnets of the port that changed; the first one, or the one named, is the reply's subnet_id.
static enum rc
describe(struct db *db, struct change *change, struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc = router_db_port_subnets(db, change->changed_port, &rows, err);
    if (rc != RC_OK) {
        return rc;
    }
    json_decref(change->subnet_ids);
    change->subnet_ids = json_array();
    for (int i = 0; i < db_n_rows(rows); i++) {
        json_array_append_new(change->subnet_ids, json_string(db_text(rows, i, "subnet_id")));
    }
    if (db_n_rows(rows)) {
        g_strlcpy(change->changed_subnet,
                  change->subnet_id ? change->subnet_id : db_text(rows, 0, "subnet_id"),
                  sizeof change->changed_subnet);
        g_strlcpy(change->network_id, db_text(rows, 0, "network_id"), sizeof change->network_id);
    }
    return RC_OK;
}

static enum rc
check_subnet(struct db *db, struct change *change, const char *subnet_id,
             struct router_subnet *ret_subnet, struct err *err)
{
    enum rc rc = router_db_find_subnet(db, subnet_id, change->owner, ret_subnet, err);
    if (rc == RC_OK && ret_subnet->is_foreign_ra) {
        return bad(err, "IPv6 subnet configured to receive RAs from an external router cannot be "
                        "added to a router");
    }
    return rc == RC_OK ? router_db_check_overlap(db, &change->router, ret_subnet, err) : rc;
}

static enum rc
make_port(struct db *db, struct change *change, const struct router_subnet *subnet, struct err *err)
{
    uuid_new(change->changed_port);
    json_auto_t *ips =
        json_pack("[{s:s, s:s}]", "subnet_id", subnet->id, "ip_address", subnet->gateway_ip);
    const struct port_new port = {.id = change->changed_port,
                                  .project_id = change->router.project_id,
                                  .network_id = subnet->network_id,
                                  .device_id = change->router.id,
                                  .device_owner = "network:router_interface",
                                  .fixed_ips = ips};
    enum rc rc = network_quota_check(db, change->router.project_id, "port", 1, err);
    return rc == RC_OK ? port_db_insert(db, &port, err) : rc;
}

// A further IPv6 subnet of a network goes on the router's port there.
static enum rc
extend_port(struct db *db, const struct change *change, const struct router_subnet *subnet,
            struct err *err)
{
    json_auto_t *ips =
        json_pack("[{s:s, s:s}]", "subnet_id", subnet->id, "ip_address", subnet->gateway_ip);
    const struct ipam_port port = {change->changed_port, subnet->network_id, "",
                                   "network:router_interface"};
    return ipam_allocate(db, &port, ips, err);
}

static enum rc
add_subnet(struct db *db, struct change *change, struct err *err)
{
    struct router_subnet subnet;
    enum rc rc = check_subnet(db, change, change->subnet_id, &subnet, err);
    if (rc == RC_OK && !subnet.has_gateway) {
        return bad(err, "Subnet for router interface must have a gateway IP");
    }
    change->changed_port[0] = 0;
    if (rc == RC_OK && subnet.ip_version == 6) {
        rc = router_db_find_ipv6_port(db, &change->router, subnet.network_id, change->changed_port,
                                      err);
    }
    if (rc == RC_OK) {
        rc = change->changed_port[0] ? extend_port(db, change, &subnet, err)
                                     : make_port(db, change, &subnet, err);
    }
    return rc == RC_OK ? router_db_attach(db, &change->router, change->changed_port, err) : rc;
}

static enum rc
check_port_free(struct db *db, struct change *change, struct err *err)
{
    struct port_owner port;
    enum rc rc = port_db_lock(db, change->port_id, change->owner, &port, err);
    if (rc == RC_OK && port.device_id[0]) {
        return fault_typed(err, RC_CONFLICT, "PortInUse",
                           "Unable to complete operation on port %s for network %s. Port already "
                           "has an attached device %s.",
                           change->port_id, port.network_id, port.device_id);
    }
    return rc;
}

static enum rc
add_port(struct db *db, struct change *change, struct err *err)
{
    enum rc rc = check_port_free(db, change, err);
    g_autoptr(db_result) rows = NULL;
    if (rc == RC_OK) {
        rc = router_db_port_subnets(db, change->port_id, &rows, err);
    }
    if (rc == RC_OK && db_n_rows(rows) == 0) {
        return bad(err, "Router port must have at least one fixed IP");
    }
    int n_ipv4 = 0;
    for (int i = 0; rc == RC_OK && i < db_n_rows(rows); i++) {
        struct router_subnet subnet;
        rc = check_subnet(db, change, db_text(rows, i, "subnet_id"), &subnet, err);
        n_ipv4 += db_int(rows, i, "version") == 4;
    }
    if (rc == RC_OK && n_ipv4 > 1) {
        return bad(err, "Cannot have multiple IPv4 subnets on router port");
    }
    g_strlcpy(change->changed_port, change->port_id, sizeof change->changed_port);
    return rc == RC_OK ? router_db_attach(db, &change->router, change->port_id, err) : rc;
}

static enum rc
add(struct db *db, void *argument, struct err *err)
{
    struct change *change = argument;
    if (change->subnet_id && change->port_id) {
        return bad(err, "Cannot specify both subnet-id and port-id");
    }
    enum rc rc = router_db_lock(db, request_param(change->request, "id"), change->owner,
                                &change->router, err);
    if (rc == RC_OK) {
        rc = change->subnet_id ? add_subnet(db, change, err) : add_port(db, change, err);
    }
    return rc == RC_OK ? describe(db, change, err) : rc;
}

// Takes one subnet from a port that has several, or the port itself.
static enum rc
detach(struct db *db, struct change *change, struct err *err)
{
    enum rc rc;
    if (change->subnet_id && json_array_size(change->subnet_ids) > 1) {
        rc = port_db_release(db, change->changed_port, change->subnet_id, err);
        json_decref(change->subnet_ids);
        change->subnet_ids = json_pack("[s]", change->subnet_id);
    } else {
        rc = port_db_remove(db, change->changed_port, err);
    }
    return rc == RC_OK ? work_add(db, NB_ROUTER, change->router.id, err) : rc;
}

static enum rc
remove_one(struct db *db, void *argument, struct err *err)
{
    struct change *change = argument;
    enum rc rc = router_db_lock(db, request_param(change->request, "id"), change->owner,
                                &change->router, err);
    if (rc == RC_OK) {
        rc = router_db_find_interface(db, &change->router, change->subnet_id, change->port_id,
                                      change->changed_port, err);
    }
    if (rc == RC_OK) {
        rc = router_db_check_detach(db, &change->router, change->changed_port, change->subnet_id,
                                    err);
    }
    if (rc == RC_OK) {
        rc = describe(db, change, err);
    }
    return rc == RC_OK ? detach(db, change, err) : rc;
}

static enum rc
run(struct request *request, db_tx_fn fn, struct reply *reply, struct err *err)
{
    struct change change = {0};
    struct db *db;
    enum rc rc = request_db(request, &db, err);
    if (rc == RC_OK) {
        rc = read_body(request, &change, err);
    }
    if (rc == RC_OK) {
        rc = db_tx(db, fn, &change, err);
    }
    if (rc == RC_OK) {
        const struct neutron *neutron = request_context(request);
        reply->json =
            json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:O}", "id", change.router.id, "tenant_id",
                      change.router.project_id, "project_id", change.router.project_id, "port_id",
                      change.changed_port, "network_id", change.network_id, "subnet_id",
                      change.changed_subnet, "subnet_ids", change.subnet_ids);
        work_apply_request(neutron->work, db, request_id(request));
    }
    json_decref(change.subnet_ids);
    return rc;
}

enum rc
router_interface_add(struct request *request, struct reply *reply, struct err *err)
{
    return run(request, add, reply, err);
}

enum rc
router_interface_remove(struct request *request, struct reply *reply, struct err *err)
{
    return run(request, remove_one, reply, err);
}
