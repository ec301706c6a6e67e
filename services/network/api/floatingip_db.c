// SPDX-License-Identifier: Apache-2.0
#include "services/network/api/floatingip_db.h"

#include "common/db/usage.h"
#include "services/network/api/port_db.h"
#include "services/network/api/work.h"

#include <string.h>

enum rc
floatingip_db_remove(struct db *db, const char *id, struct err *err)
{
    g_autoptr(db_result) row = NULL;
    enum rc rc = db_run(db, "DELETE FROM floatingip WHERE id = $1 RETURNING floating_port_id",
                        DB_ARGS(db_s(id)), &row, err);
    return rc == RC_OK && db_n_rows(row)
               ? floatingip_db_finish(db, id, db_text(row, 0, "floating_port_id"), err)
               : rc;
}

enum rc
floatingip_db_finish(struct db *db, const char *id, const char *floating_port_id, struct err *err)
{
    enum rc rc = port_db_remove(db, floating_port_id, err);
    if (rc == RC_OK) {
        rc = usage_close(db, id, err);
    }
    return rc == RC_OK ? work_add(db, NB_FLOATINGIP, id, err) : rc;
}

// ret_subnet_id: where the chosen address is.
static enum rc
choose_address(struct db *db, const struct association_wish *wish, char ret_ip[64],
               char ret_subnet_id[40], struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc = db_run(db,
                        "SELECT host(ip) AS ip, subnet_id FROM fixed_ip WHERE port_id = $1 AND "
                        "family(ip) = 4 ORDER BY position",
                        DB_ARGS(db_s(wish->port_id)), &rows, err);
    if (rc != RC_OK) {
        return rc;
    }
    int found = -1;
    for (int i = 0; i < db_n_rows(rows); i++) {
        if (!wish->fixed_ip || strcmp(db_text(rows, i, "ip"), wish->fixed_ip) == 0) {
            found = found < 0 ? i : found;
        }
    }
    if (wish->fixed_ip && found < 0) {
        return fault_typed(err, RC_INVALID, "BadRequest",
                           "Bad floatingip request: Port %s does not have fixed ip %.60s.",
                           wish->port_id, wish->fixed_ip);
    }
    if (found < 0) {
        return fault_typed(err, RC_INVALID, "BadRequest",
                           "Bad floatingip request: Cannot add floating IP to port %s that has no "
                           "fixed IPv4 addresses.",
                           wish->port_id);
    }
    if (!wish->fixed_ip && db_n_rows(rows) > 1) {
        return fault_typed(err, RC_INVALID, "BadRequest",
                           "Bad floatingip request: Port %s has multiple fixed IPv4 addresses.  "
                           "Must provide a specific IPv4 "
                           "address when assigning a floating IP.",
                           wish->port_id);
    }
    g_strlcpy(ret_ip, db_text(rows, found, "ip"), 64);
    g_strlcpy(ret_subnet_id, db_text(rows, found, "subnet_id"), 40);
    return RC_OK;
}

static enum rc
check_free(struct db *db, const struct association_wish *wish, const char *ip, struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc = db_run(db,
                        "SELECT host(floating_ip_address) AS ip FROM floatingip WHERE port_id = $1 "
                        "AND fixed_ip_address = $2 "
                        "AND id <> $3",
                        DB_ARGS(db_s(wish->port_id), db_s(ip), db_s(wish->fip_id)), &rows, err);
    if (rc == RC_OK && db_n_rows(rows)) {
        return fault_typed(err, RC_CONFLICT, "FloatingIPPortAlreadyAssociated",
                           "Cannot associate floating IP with port %s using fixed IP %s, as that "
                           "fixed IP already has the "
                           "floating IP %s on external network %s.",
                           wish->port_id, ip, db_text(rows, 0, "ip"), wish->floating_network_id);
    }
    return rc;
}

enum rc
floatingip_db_associate(struct db *db, const struct association_wish *wish, struct association *ret,
                        struct err *err)
{
    char ip[64], subnet_id[40];
    enum rc rc = choose_address(db, wish, ip, subnet_id, err);
    if (rc == RC_OK) {
        rc = check_free(db, wish, ip, err);
    }
    g_autoptr(db_result) row = NULL;
    if (rc == RC_OK) {
        // A router whose interface there is the subnet's gateway comes first.
        rc = db_run(db,
                    "SELECT r.id FROM router r JOIN port g ON g.id = r.gw_port_id JOIN router_port "
                    "x ON x.router_id = r.id "
                    "JOIN fixed_ip f ON f.port_id = x.port_id JOIN subnet s ON s.id = f.subnet_id "
                    "WHERE g.network_id = $1 AND f.subnet_id = $2 ORDER BY (f.ip = s.gateway_ip) "
                    "DESC, r.id LIMIT 1",
                    DB_ARGS(db_s(wish->floating_network_id), db_s(subnet_id)), &row, err);
    }
    if (rc == RC_OK && db_n_rows(row) == 0) {
        return fault_typed(err, RC_NOT_FOUND, "ExternalGatewayForFloatingIPNotFound",
                           "External network %s is not reachable from subnet %s.  Therefore, "
                           "cannot associate Port %s with a "
                           "Floating IP.",
                           wish->floating_network_id, subnet_id, wish->port_id);
    }
    if (rc == RC_OK) {
        g_strlcpy(ret->fixed_ip, ip, sizeof ret->fixed_ip);
        g_strlcpy(ret->router_id, db_text(row, 0, "id"), sizeof ret->router_id);
    }
    return rc;
}

enum rc
floatingip_db_port_address(struct db *db, const char *port_id, char ret_address[64],
                           struct err *err)
{
    g_autoptr(db_result) row = NULL;
    enum rc rc = db_run_one(db,
                            "SELECT host(ip) AS ip FROM fixed_ip WHERE port_id = $1 AND family(ip) "
                            "= 4 ORDER BY position LIMIT 1",
                            DB_ARGS(db_s(port_id)), &row, err);
    if (rc == RC_OK) {
        g_strlcpy(ret_address, db_text(row, 0, "ip"), 64);
    }
    return rc;
}

enum rc
floatingip_db_has_ipv4_subnet(struct db *db, const char *network_id, bool *ret_has, struct err *err)
{
    return db_run_any(db, "SELECT 1 FROM subnet WHERE network_id = $1 AND ip_version = 4 LIMIT 1",
                      DB_ARGS(db_s(network_id)), ret_has, err);
}
