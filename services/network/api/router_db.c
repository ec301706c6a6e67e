// SPDX-License-Identifier: Apache-2.0
#include "services/network/api/router_db.h"

#include "common/base/util.h"
#include "services/network/api/lookup_db.h"
#include "services/network/api/neutron.h"
#include "services/network/api/work.h"

#include <string.h>

#define COPY(target_, rows_, row_, column_)                                                \
    g_strlcpy(target_, db_text(rows_, row_, column_) ? db_text(rows_, row_, column_) : "", \
              sizeof(target_))

enum rc
router_db_lock(struct db *db, const char *id, const char *project_id, struct router_row *ret_router,
               struct err *err)
{
    g_autoptr(db_result) row = NULL;
    const struct lookup lookup = {
        .resource = &router_resource,
        .sql = "SELECT r.id, r.project_id, r.name, r.gw_port_id, p.network_id FROM router r "
               "LEFT JOIN port p ON p.id = r.gw_port_id WHERE r.id = $1 AND ($2::text IS NULL "
               "OR r.project_id = $2) "
               "FOR UPDATE OF r",
        .id = id,
        .project_id = project_id};
    enum rc rc = lookup_db_get(db, &lookup, &row, err);
    if (rc != RC_OK) {
        return rc;
    }
    COPY(ret_router->id, row, 0, "id");
    COPY(ret_router->project_id, row, 0, "project_id");
    COPY(ret_router->name, row, 0, "name");
    COPY(ret_router->gw_port_id, row, 0, "gw_port_id");
    COPY(ret_router->gw_network_id, row, 0, "network_id");
    return RC_OK;
}

enum rc
router_db_find_subnet(struct db *db, const char *id, const char *project_id,
                      struct router_subnet *ret_subnet, struct err *err)
{
    g_autoptr(db_result) row = NULL;
    const struct lookup lookup = {
        .resource = &subnet_resource,
        .sql =
            "SELECT s.id, s.network_id, s.cidr::text AS cidr, host(s.gateway_ip) AS gateway_ip, "
            "s.ip_version, "
            "(s.ipv6_address_mode IS NOT NULL AND s.ipv6_ra_mode IS NULL) AS foreign_ra "
            "FROM subnet s JOIN network n ON n.id = s.network_id "
            "WHERE s.id = $1 AND ($2::text IS NULL OR s.project_id = $2 OR n.project_id = $2 OR "
            "n.shared "
            "OR EXISTS (SELECT 1 FROM rbac_policy b WHERE b.object_type = 'network' AND "
            "b.object_id = n.id "
            "AND b.action = 'access_as_shared' AND b.target_tenant IN ($2, '*'))) FOR SHARE OF s",
        .id = id,
        .project_id = project_id};
    enum rc rc = lookup_db_get(db, &lookup, &row, err);
    if (rc != RC_OK) {
        return rc;
    }
    COPY(ret_subnet->id, row, 0, "id");
    COPY(ret_subnet->network_id, row, 0, "network_id");
    COPY(ret_subnet->cidr, row, 0, "cidr");
    COPY(ret_subnet->gateway_ip, row, 0, "gateway_ip");
    ret_subnet->ip_version = (int)db_int(row, 0, "ip_version");
    ret_subnet->has_gateway = db_text(row, 0, "gateway_ip") != NULL;
    ret_subnet->is_foreign_ra = db_bool(row, 0, "foreign_ra");
    return RC_OK;
}

enum rc
router_db_check_overlap(struct db *db, const struct router_row *router,
                        const struct router_subnet *subnet, struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc = db_run(db,
                        "SELECT s.id, s.cidr::text AS cidr FROM router_port x JOIN fixed_ip f ON "
                        "f.port_id = x.port_id "
                        "JOIN subnet s ON s.id = f.subnet_id WHERE x.router_id = $1 AND "
                        "s.cidr::inet && $2::inet LIMIT 1",
                        DB_ARGS(db_s(router->id), db_s(subnet->cidr)), &rows, err);
    if (rc != RC_OK || db_n_rows(rows) == 0) {
        return rc;
    }
    const char *other = db_text(rows, 0, "id");
    if (strcmp(other, subnet->id) == 0) {
        return fault_typed(err, RC_INVALID, "BadRequest",
                           "Bad router request: Router already has a port on subnet %s.", other);
    }
    return fault_typed(
        err, RC_INVALID, "BadRequest",
        "Bad router request: Cidr %s of subnet %s overlaps with cidr %s of subnet %s.",
        subnet->cidr, subnet->id, db_text(rows, 0, "cidr"), other);
}

enum rc
router_db_find_ipv6_port(struct db *db, const struct router_row *router, const char *network_id,
                         char ret_port_id[40], struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc = db_run(
        db,
        "SELECT p.id FROM router_port x JOIN port p ON p.id = x.port_id WHERE x.router_id = $1 "
        "AND p.network_id = $2 AND NOT EXISTS (SELECT 1 FROM fixed_ip f WHERE f.port_id = p.id "
        "AND family(f.ip) = 4) ORDER BY p.id LIMIT 1",
        DB_ARGS(db_s(router->id), db_s(network_id)), &rows, err);
    if (rc == RC_OK) {
        g_strlcpy(ret_port_id, db_n_rows(rows) ? db_text(rows, 0, "id") : "", 40);
    }
    return rc;
}

enum rc
router_db_find_interface(struct db *db, const struct router_row *router, const char *subnet_id,
                         const char *port_id, char ret_port_id[40], struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc = RC_OK;
    if ((!subnet_id || uuid_is_valid(subnet_id)) && (!port_id || uuid_is_valid(port_id))) {
        rc = db_run(
            db,
            "SELECT x.port_id FROM router_port x WHERE x.router_id = $1 AND ($2::uuid IS NULL OR "
            "x.port_id = $2) "
            "AND ($3::uuid IS NULL OR EXISTS (SELECT 1 FROM fixed_ip f WHERE f.port_id = x.port_id "
            "AND f.subnet_id = $3)) ORDER BY x.port_id LIMIT 1",
            DB_ARGS(db_s(router->id), db_s(port_id), db_s(subnet_id)), &rows, err);
    }
    if (rc != RC_OK) {
        return rc;
    }
    if (rows && db_n_rows(rows)) {
        g_strlcpy(ret_port_id, db_text(rows, 0, "port_id"), 40);
        return RC_OK;
    }
    if (port_id) {
        return fault_typed(err, RC_NOT_FOUND, "RouterInterfaceNotFound",
                           "Router %s does not have an interface with id %.100s", router->id,
                           port_id);
    }
    return fault_typed(err, RC_NOT_FOUND, "RouterInterfaceNotFoundForSubnet",
                       "Router %s has no interface on subnet %.100s", router->id, subnet_id);
}

enum rc
router_db_attach(struct db *db, const struct router_row *router, const char *port_id,
                 struct err *err)
{
    enum rc rc = db_run(
        db, "INSERT INTO router_port (port_id, router_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        DB_ARGS(db_s(port_id), db_s(router->id)), NULL, err);
    if (rc == RC_OK) {
        rc = db_run(db, "DELETE FROM port_security_group WHERE port_id = $1",
                    DB_ARGS(db_s(port_id)), NULL, err);
    }
    if (rc == RC_OK) {
        rc = db_run(db,
                    "UPDATE port SET device_id = $2, device_owner = 'network:router_interface', "
                    "port_security_enabled = false, revision_number = revision_number + 1, "
                    "updated_at = now() WHERE id = $1",
                    DB_ARGS(db_s(port_id), db_s(router->id)), NULL, err);
    }
    if (rc == RC_OK) {
        rc = work_add(db, NB_PORT, port_id, err);
    }
    return rc == RC_OK ? work_add(db, NB_ROUTER, router->id, err) : rc;
}

enum rc
router_db_check_detach(struct db *db, const struct router_row *router, const char *port_id,
                       const char *subnet_id, struct err *err)
{
    g_autoptr(db_result) fips = NULL;
    g_autoptr(db_result) routes = NULL;
    enum rc rc = db_run(db,
                        "SELECT i.subnet_id FROM floatingip x "
                        "JOIN fixed_ip g ON g.port_id = x.port_id AND g.ip = x.fixed_ip_address "
                        "JOIN fixed_ip i ON i.subnet_id = g.subnet_id AND i.port_id = $2 "
                        "WHERE x.router_id = $1 AND ($3::uuid IS NULL OR i.subnet_id = $3) LIMIT 1",
                        DB_ARGS(db_s(router->id), db_s(port_id), db_s(subnet_id)), &fips, err);
    if (rc == RC_OK && db_n_rows(fips)) {
        return fault_typed(err, RC_CONFLICT, "RouterInterfaceInUseByFloatingIP",
                           "Router interface for subnet %s on router %s cannot be deleted, as it "
                           "is required by one or more "
                           "floating IPs.",
                           db_text(fips, 0, "subnet_id"), router->id);
    }
    if (rc == RC_OK) {
        rc = db_run(db,
                    "SELECT s.id FROM router r, jsonb_array_elements(r.routes) e, fixed_ip f JOIN "
                    "subnet s ON s.id = f.subnet_id "
                    "WHERE r.id = $1 AND f.port_id = $2 AND ($3::uuid IS NULL OR s.id = $3) "
                    "AND (e->>'nexthop')::inet <<= s.cidr::inet LIMIT 1",
                    DB_ARGS(db_s(router->id), db_s(port_id), db_s(subnet_id)), &routes, err);
    }
    if (rc == RC_OK && db_n_rows(routes)) {
        return fault_typed(err, RC_CONFLICT, "RouterInterfaceInUseByRoute",
                           "Router interface for subnet %s on router %s cannot be deleted, as it "
                           "is required by one or more "
                           "routes.",
                           db_text(routes, 0, "id"), router->id);
    }
    return rc;
}

enum rc
router_db_port_subnets(struct db *db, const char *port_id, db_result **ret_rows, struct err *err)
{
    return db_run(db,
                  "SELECT f.subnet_id, f.network_id, family(f.ip) AS version FROM fixed_ip f WHERE "
                  "f.port_id = $1 ORDER BY f.position",
                  DB_ARGS(db_s(port_id)), ret_rows, err);
}

enum rc
router_db_has_interfaces(struct db *db, const char *id, bool *ret_has, struct err *err)
{
    return db_run_any(db, "SELECT 1 FROM router_port WHERE router_id = $1 LIMIT 1",
                      DB_ARGS(db_s(id)), ret_has, err);
}

enum rc
router_db_check_gateway_unused(struct db *db, const struct router_row *router, struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc = db_run(db, "SELECT 1 FROM floatingip WHERE router_id = $1 LIMIT 1",
                        DB_ARGS(db_s(router->id)), &rows, err);
    if (rc == RC_OK && db_n_rows(rows)) {
        return fault_typed(err, RC_CONFLICT, "RouterExternalGatewayInUseByFloatingIp",
                           "Gateway cannot be updated for router %s, since a gateway to external "
                           "network %s is required by one "
                           "or more floating IPs.",
                           router->id, router->gw_network_id);
    }
    return rc;
}

enum rc
router_db_set_gateway(struct db *db, const char *id, const char *port_id, struct err *err)
{
    return db_run(db, "UPDATE router SET gw_port_id = $2 WHERE id = $1",
                  DB_ARGS(db_s(id), db_s(port_id)), NULL, err);
}

enum rc
router_db_set_snat(struct db *db, const char *id, bool enable, struct err *err)
{
    return db_run(db, "UPDATE router SET enable_snat = $2 WHERE id = $1",
                  DB_ARGS(db_s(id), db_b(enable)), NULL, err);
}

enum rc
router_db_reaches(struct db *db, const char *id, const char *nexthop, bool *ret_reaches,
                  struct err *err)
{
    return db_run_any(
        db,
        "WITH own AS (SELECT f.ip, s.cidr FROM fixed_ip f JOIN subnet s ON s.id = f.subnet_id "
        "WHERE f.port_id IN (SELECT port_id FROM router_port WHERE router_id = $1 "
        "UNION ALL SELECT gw_port_id FROM router WHERE id = $1 AND gw_port_id IS NOT NULL)) "
        "SELECT 1 WHERE EXISTS (SELECT 1 FROM own WHERE $2::inet <<= cidr::inet) "
        "AND NOT EXISTS (SELECT 1 FROM own WHERE ip = $2::inet)",
        DB_ARGS(db_s(id), db_s(nexthop)), ret_reaches, err);
}

enum rc
router_db_read_routes(struct db *db, const char *id, json_t **ret_routes, struct err *err)
{
    return db_run_json(db, "SELECT routes FROM router WHERE id = $1", DB_ARGS(db_s(id)), ret_routes,
                       err);
}
