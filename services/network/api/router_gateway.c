// SPDX-License-Identifier: Apache-2.0
#include "services/network/api/router_gateway.h"

#include "common/base/util.h"
#include "services/network/api/network_db.h"
#include "services/network/api/neutron.h"
#include "services/network/api/port_db.h"
#include "services/network/api/work.h"

#include <string.h>
#include <strings.h>

static enum rc
check_info(const struct request *request, json_t *info, struct err *err)
{
    static const char *const known[] = {"network_id", "enable_snat", "external_fixed_ips",
                                        "qos_policy_id"};
    const char *name;
    json_t *value;
    json_object_foreach(info, name, value)
    {
        size_t i = 0;
        while (i < G_N_ELEMENTS(known) && strcmp(known[i], name) != 0) {
            i++;
        }
        if (i == G_N_ELEMENTS(known)) {
            return fault(
                err, RC_INVALID,
                "Invalid input for external_gateway_info. Reason: '%.80s' is not a known key.",
                name);
        }
        if ((i == 1 || i == 2) && !neutron_is_admin(request)) {
            return fault(err, RC_FORBIDDEN,
                         "rule:update_router:external_gateway_info:%s is disallowed by policy",
                         name);
        }
    }
    const char *network_id = json_string_value(json_object_get(info, "network_id"));
    json_t *snat = json_object_get(info, "enable_snat"),
           *ips = json_object_get(info, "external_fixed_ips");
    if (!network_id || !uuid_is_valid(network_id)) {
        return fault(
            err, RC_INVALID,
            "Invalid input for external_gateway_info. Reason: network_id is not a valid UUID.");
    }
    if (snat && !json_is_boolean(snat)) {
        return fault(
            err, RC_INVALID,
            "Invalid input for external_gateway_info. Reason: enable_snat is not a boolean.");
    }
    if (ips && !json_is_null(ips) && !json_is_array(ips)) {
        return fault(
            err, RC_INVALID,
            "Invalid input for external_gateway_info. Reason: external_fixed_ips is not a list.");
    }
    return RC_OK;
}

static enum rc
make_port(struct db *db, const struct router_row *router, json_t *info, struct err *err)
{
    char port_id[UUID_SIZE];
    uuid_new(port_id);
    const char *network_id = json_string_value(json_object_get(info, "network_id"));
    json_t *ips = json_object_get(info, "external_fixed_ips");
    const struct port_new port = {.id = port_id,
                                  .network_id = network_id,
                                  .device_id = router->id,
                                  .device_owner = "network:router_gateway",
                                  .status = "DOWN",
                                  .fixed_ips = json_array_size(ips) ? ips : NULL};
    enum rc rc = port_db_insert(db, &port, err);
    g_autoptr(db_result) subnets = NULL;
    if (rc == RC_OK) {
        rc = router_db_port_subnets(db, port_id, &subnets, err);
    }
    if (rc == RC_OK && db_n_rows(subnets) == 0) {
        return fault_typed(err, RC_INVALID, "BadRequest",
                           "Bad router request: No IPs available for external network %s.",
                           network_id);
    }
    return rc == RC_OK ? router_db_set_gateway(db, router->id, port_id, err) : rc;
}

enum rc
router_gateway_remove(struct db *db, const struct router_row *router, struct err *err)
{
    if (!router->gw_port_id[0]) {
        return RC_OK;
    }
    enum rc rc = router_db_check_gateway_unused(db, router, err);
    if (rc == RC_OK) {
        rc = router_db_set_gateway(db, router->id, NULL, err);
    }
    return rc == RC_OK ? port_db_remove(db, router->gw_port_id, err) : rc;
}

static enum rc
change_addresses(struct db *db, const struct router_row *router, json_t *ips, struct err *err)
{
    const struct ipam_port port = {router->gw_port_id, router->gw_network_id, "",
                                   "network:router_gateway"};
    enum rc rc = ipam_change(db, &port, ips, err);
    return rc == RC_OK ? work_add(db, NB_PORT, router->gw_port_id, err) : rc;
}

enum rc
router_gateway_apply(const struct request *request, struct db *db, const char *router_id,
                     json_t *info, struct err *err)
{
    struct router_row router;
    struct network_row network;
    enum rc rc = router_db_lock(db, router_id, NULL, &router, err);
    if (rc != RC_OK) {
        return rc;
    }
    if (json_object_size(info) == 0) {
        rc = router_gateway_remove(db, &router, err);
        return rc == RC_OK ? router_db_set_snat(db, router_id, true, err) : rc;
    }
    rc = check_info(request, info, err);
    const char *network_id = json_string_value(json_object_get(info, "network_id"));
    json_t *ips = json_object_get(info, "external_fixed_ips"),
           *snat = json_object_get(info, "enable_snat");
    if (rc == RC_OK) {
        rc = network_db_lock(db, network_id, false,
                             neutron_is_admin(request) ? NULL : request_project(request), &network,
                             err);
    }
    if (rc == RC_OK && !network.external) {
        return fault_typed(err, RC_INVALID, "BadRequest",
                           "Bad router request: Network %s is not an external network.",
                           network_id);
    }
    if (rc == RC_OK && strcasecmp(router.gw_network_id, network_id) != 0) {
        rc = router_gateway_remove(db, &router, err);
        if (rc == RC_OK) {
            rc = make_port(db, &router, info, err);
        }
    } else if (rc == RC_OK && json_array_size(ips)) {
        rc = change_addresses(db, &router, ips, err);
    }
    return rc == RC_OK ? router_db_set_snat(db, router_id, snat ? json_is_true(snat) : true, err)
                       : rc;
}
