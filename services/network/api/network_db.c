// SPDX-License-Identifier: Apache-2.0
#include "services/network/api/network_db.h"

#include "common/base/util.h"
#include "services/network/api/floatingip_db.h"
#include "services/network/api/neutron.h"
#include "services/network/api/work.h"

enum rc
network_db_lock(struct db *db, const char *id, bool for_update, const char *project_id,
                struct network_row *ret_row, struct err *err)
{
    g_autoptr(db_result) row = NULL;
    const char *sql = for_update ? "SELECT project_id, shared, external, port_security_enabled "
                                   "FROM network r WHERE id = $1 FOR UPDATE"
                                 : "SELECT project_id, shared, external, port_security_enabled "
                                   "FROM network r WHERE id = $1 FOR SHARE";
    if (!uuid_is_valid(id)) {
        return resource_not_found(&network_resource, id, err);
    }
    enum rc rc = db_run(db, sql, DB_ARGS(db_s(id)), &row, err);
    if (rc != RC_OK) {
        return rc;
    }
    g_autoptr(db_result) grant = NULL;
    bool is_visible =
        db_n_rows(row) && (!project_id || g_str_equal(db_text(row, 0, "project_id"), project_id) ||
                           db_bool(row, 0, "shared") || db_bool(row, 0, "external"));
    if (db_n_rows(row) && !is_visible) {
        rc = db_run(db,
                    "SELECT 1 FROM rbac_policy WHERE object_type = 'network' AND object_id = $1 "
                    "AND target_tenant IN ($2, '*')",
                    DB_ARGS(db_s(id), db_s(project_id)), &grant, err);
        is_visible = rc == RC_OK && db_n_rows(grant);
    }
    if (rc != RC_OK) {
        return rc;
    }
    if (!is_visible) {
        return resource_not_found(&network_resource, id, err);
    }
    g_strlcpy(ret_row->project_id, db_text(row, 0, "project_id"), sizeof ret_row->project_id);
    ret_row->shared = db_bool(row, 0, "shared") || grant;
    ret_row->external = db_bool(row, 0, "external");
    ret_row->port_security = db_bool(row, 0, "port_security_enabled");
    return RC_OK;
}

enum rc
network_db_next_segment(struct db *db, int64_t *ret_segment, struct err *err)
{
    g_autoptr(db_result) row = NULL;
    enum rc rc = db_run_one(db, "SELECT nextval('network_segment') AS segment", DB_NONE, &row, err);
    if (rc == RC_OK) {
        *ret_segment = db_int(row, 0, "segment");
    }
    return rc;
}

enum rc
network_db_is_used_by_others(struct db *db, const char *id, bool *ret_used, struct err *err)
{
    return db_run_any(db,
                      "SELECT 1 FROM port p JOIN network n ON n.id = p.network_id WHERE n.id = $1 "
                      "AND p.project_id NOT IN (n.project_id, '') LIMIT 1",
                      DB_ARGS(db_s(id)), ret_used, err);
}

enum rc
network_db_is_used_externally(struct db *db, const char *id, bool *ret_used, struct err *err)
{
    return db_run_any(
        db,
        "SELECT 1 FROM port WHERE network_id = $1 "
        "AND device_owner IN ('network:router_gateway', 'network:floatingip') LIMIT 1",
        DB_ARGS(db_s(id)), ret_used, err);
}

static enum rc
remove_free_floatingips(struct db *db, const char *id, struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc = db_run(
        db,
        "SELECT id FROM floatingip WHERE floating_network_id = $1 AND port_id IS NULL ORDER BY id "
        "FOR UPDATE",
        DB_ARGS(db_s(id)), &rows, err);
    for (int i = 0; rc == RC_OK && i < db_n_rows(rows); i++) {
        rc = floatingip_db_remove(db, db_text(rows, i, "id"), err);
    }
    return rc;
}

enum rc
network_db_empty(struct db *db, const char *id, struct err *err)
{
    enum rc rc = remove_free_floatingips(db, id, err);
    bool is_used = false;
    if (rc == RC_OK) {
        rc = db_run_any(db,
                        "SELECT 1 FROM port WHERE network_id = $1 "
                        "AND device_owner NOT IN ('network:distributed', 'network:dhcp') LIMIT 1",
                        DB_ARGS(db_s(id)), &is_used, err);
    }
    if (rc == RC_OK && is_used) {
        return fault_typed(err, RC_CONFLICT, "NetworkInUse",
                           "Unable to complete operation on network %s. "
                           "There are one or more ports still in use on the network.",
                           id);
    }
    if (rc == RC_OK) {
        rc = work_add_each(db, NB_PORT, "SELECT id FROM port WHERE network_id = $1 ORDER BY id", id,
                           err);
    }
    if (rc == RC_OK) {
        rc = work_add_each(db, NB_SUBNET, "SELECT id FROM subnet WHERE network_id = $1 ORDER BY id",
                           id, err);
    }
    if (rc == RC_OK) {
        rc = db_run(db, "DELETE FROM port WHERE network_id = $1", DB_ARGS(db_s(id)), NULL, err);
    }
    if (rc == RC_OK) {
        rc = db_run(db, "DELETE FROM subnet WHERE network_id = $1", DB_ARGS(db_s(id)), NULL, err);
    }
    return rc == RC_OK ? db_run(db, "DELETE FROM rbac_policy WHERE object_id = $1",
                                DB_ARGS(db_s(id)), NULL, err)
                       : rc;
}
