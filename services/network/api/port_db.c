// SPDX-License-Identifier: Apache-2.0
#include "services/network/api/port_db.h"

#include "common/base/util.h"
#include "common/db/outbox.h"
#include "common/log/log.h"
#include "services/network/api/lookup_db.h"
#include "services/network/api/neutron.h"
#include "services/network/api/work.h"

#include <string.h>

static const char *
or_blank(const char *text)
{
    return text ? text : "";
}

enum rc
port_db_insert(struct db *db, const struct port_new *port, struct err *err)
{
    char mac[MAC_SIZE];
    enum rc rc = port_db_free_mac(db, port->network_id, mac, err);
    if (rc == RC_OK) {
        rc = db_run(db,
                    "INSERT INTO port (id, project_id, network_id, name, mac_address, device_id, "
                    "device_owner, status, "
                    "port_security_enabled) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, false)",
                    DB_ARGS(db_s(port->id), db_s(or_blank(port->project_id)),
                            db_s(port->network_id), db_s(or_blank(port->name)), db_s(mac),
                            db_s(or_blank(port->device_id)), db_s(or_blank(port->device_owner)),
                            db_s(port->status ? port->status : "DOWN")),
                    NULL, err);
    }
    const struct ipam_port ipam = {port->id, port->network_id, mac, or_blank(port->device_owner)};
    if (rc == RC_OK) {
        rc = ipam_allocate(db, &ipam, port->fixed_ips, err);
    }
    return rc == RC_OK ? work_add(db, NB_PORT, port->id, err) : rc;
}

enum rc
port_db_remove(struct db *db, const char *id, struct err *err)
{
    enum rc rc = port_db_drop_floatingips(db, id, true, err);
    g_autoptr(db_result) gone = NULL;
    if (rc == RC_OK) {
        rc = db_run(db, "DELETE FROM port WHERE id = $1 RETURNING id", DB_ARGS(db_s(id)), &gone,
                    err);
    }
    return rc == RC_OK && db_n_rows(gone) ? work_add(db, NB_PORT, id, err) : rc;
}

enum rc
port_db_free_mac(struct db *db, const char *network_id, char ret_mac[MAC_SIZE], struct err *err)
{
    for (int attempt = 0; attempt < 16; attempt++) {
        char mac[MAC_SIZE];
        mac_generate(mac);
        g_autoptr(db_result) taken = NULL;
        enum rc rc = db_run(db, "SELECT 1 FROM port WHERE network_id = $1 AND mac_address = $2",
                            DB_ARGS(db_s(network_id), db_s(mac)), &taken, err);
        if (rc != RC_OK) {
            return rc;
        }
        if (db_n_rows(taken) == 0) {
            memcpy(ret_mac, mac, MAC_SIZE);
            return RC_OK;
        }
    }
    return fault_typed(err, RC_UNAVAILABLE, "NetworkMacAddressGenerationFailure",
                       "Unable to generate unique mac on network %s.", network_id);
}

enum rc
port_db_check_mac(struct db *db, const char *network_id, const char *mac, struct err *err)
{
    g_autoptr(db_result) taken = NULL;
    enum rc rc = db_run(db, "SELECT 1 FROM port WHERE network_id = $1 AND mac_address = $2",
                        DB_ARGS(db_s(network_id), db_s(mac)), &taken, err);
    if (rc == RC_OK && db_n_rows(taken)) {
        return fault_typed(
            err, RC_CONFLICT, "MacAddressInUse",
            "Unable to complete operation for network %s. The mac address %s is in use.",
            network_id, mac);
    }
    return rc;
}

static enum rc
group_missing(const char *id, struct err *err)
{
    return fault_typed(err, RC_NOT_FOUND, "SecurityGroupNotFound",
                       "Security group %.100s does not exist", id);
}

// One statement, however many groups.
enum rc
port_db_write_groups(struct db *db, const char *id, json_t *groups, const char *project_id,
                     struct err *err)
{
    size_t i;
    json_t *item;
    json_array_foreach(groups, i, item)
    {
        const char *group = json_string_value(item);
        if (!group || !uuid_is_valid(group)) {
            return group_missing(or_blank(group), err);
        }
    }
    g_autoptr(db_result) missing = NULL;
    g_autofree char *list = json_is_array(groups) ? json_dumps(groups, JSON_COMPACT) : NULL;
    enum rc rc =
        db_run(db,
               "WITH wanted AS (SELECT DISTINCT w::uuid AS id FROM "
               "jsonb_array_elements_text(coalesce($2::jsonb, '[]')) w), "
               "found AS (SELECT g.id FROM security_group g WHERE g.id IN (SELECT id FROM wanted) "
               "AND ($3::text IS NULL OR g.project_id = $3) ORDER BY g.id FOR SHARE), "
               "gone AS (DELETE FROM port_security_group WHERE port_id = $1 AND "
               "security_group_id NOT IN (SELECT id FROM found)), "
               "added AS (INSERT INTO port_security_group (port_id, security_group_id) "
               "SELECT $1, id FROM found ON CONFLICT DO NOTHING) "
               "SELECT id FROM wanted WHERE id NOT IN (SELECT id FROM found) ORDER BY id LIMIT 1",
               DB_ARGS(db_s(id), db_s(list), db_s(project_id)), &missing, err);
    return rc == RC_OK && db_n_rows(missing) ? group_missing(db_text(missing, 0, "id"), err) : rc;
}

enum rc
port_db_has_groups(struct db *db, const char *id, bool *ret_has, struct err *err)
{
    return db_run_any(db, "SELECT 1 FROM port_security_group WHERE port_id = $1 LIMIT 1",
                      DB_ARGS(db_s(id)), ret_has, err);
}

enum rc
port_db_drop_floatingips(struct db *db, const char *id, bool all, struct err *err)
{
    return db_run(
        db,
        "WITH x AS (UPDATE floatingip x SET port_id = NULL, fixed_ip_address = NULL, router_id = "
        "NULL, "
        "status = 'DOWN', revision_number = revision_number + 1, updated_at = now() "
        "WHERE port_id = $1 AND ($2::boolean OR NOT EXISTS (SELECT 1 FROM fixed_ip f "
        "WHERE f.port_id = x.port_id AND f.ip = x.fixed_ip_address)) RETURNING id) "
        "SELECT ovn_work_add($3, id, $4) FROM x",
        DB_ARGS(db_s(id), db_b(all), db_s(nb_kind_name(NB_FLOATINGIP)), db_s(log_request_id())),
        NULL, err);
}

enum rc
port_db_add_work(struct db *db, const char *id, const char *device_owner, const char *device_id,
                 struct err *err)
{
    enum rc rc = work_add(db, NB_PORT, id, err);
    if (rc == RC_OK && g_str_has_prefix(or_blank(device_owner), "network:router_")) {
        rc = work_add(db, NB_ROUTER, device_id, err);
    }
    if (rc == RC_OK && g_str_equal(or_blank(device_owner), "network:distributed")) {
        rc = work_add_each(
            db, NB_SUBNET,
            "SELECT DISTINCT subnet_id AS id FROM fixed_ip WHERE port_id = $1 ORDER BY id", id,
            err);
    }
    return rc;
}

enum rc
port_db_set_status(struct db *db, const char *id, bool up, struct err *err)
{
    g_autoptr(db_result) row = NULL;
    const char *status = up ? "ACTIVE" : "DOWN";
    if (!uuid_is_valid(id)) {
        return RC_OK;
    }
    enum rc rc = db_run(
        db,
        "UPDATE port SET status = $2, revision_number = revision_number + 1, updated_at = now() "
        "WHERE id = $1 AND status <> $2 AND status <> 'N/A' RETURNING device_id",
        DB_ARGS(db_s(id), db_s(status)), &row, err);
    if (rc != RC_OK || db_n_rows(row) == 0) {
        return rc;
    }
    json_auto_t *body = json_pack("{s:s, s:s, s:s}", "port_id", id, "device_id",
                                  db_text(row, 0, "device_id"), "status", status);
    return outbox_add(db, "network.port", "port.status", body, err);
}

enum rc
port_db_list_statuses(struct db *db, db_result **ret_rows, struct err *err)
{
    return db_run(db,
                  "SELECT id, status = 'ACTIVE' AS active FROM port WHERE status IN ('ACTIVE', "
                  "'DOWN') ORDER BY id",
                  DB_NONE, ret_rows, err);
}

enum rc
port_db_find_device(struct db *db, const char *id, char **ret_device_id, struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    if (!uuid_is_valid(id)) {
        *ret_device_id = NULL;
        return RC_OK;
    }
    enum rc rc =
        db_run(db, "SELECT device_id FROM port WHERE id = $1", DB_ARGS(db_s(id)), &rows, err);
    if (rc == RC_OK) {
        *ret_device_id = db_n_rows(rows) ? g_strdup(db_text(rows, 0, "device_id")) : NULL;
    }
    return rc;
}

enum rc
port_db_lock(struct db *db, const char *id, const char *project_id, struct port_owner *ret_owner,
             struct err *err)
{
    g_autoptr(db_result) row = NULL;
    const struct lookup lookup = {
        .resource = &port_resource,
        .sql = "SELECT p.project_id, p.network_id, p.device_id FROM port p JOIN network n ON "
               "n.id = p.network_id "
               "WHERE p.id = $1 AND ($2::text IS NULL OR $2 IN (p.project_id, n.project_id)) "
               "FOR UPDATE OF p",
        .id = id,
        .project_id = project_id};
    enum rc rc = lookup_db_get(db, &lookup, &row, err);
    if (rc != RC_OK) {
        return rc;
    }
    g_strlcpy(ret_owner->project_id, db_text(row, 0, "project_id"), sizeof ret_owner->project_id);
    g_strlcpy(ret_owner->network_id, db_text(row, 0, "network_id"), sizeof ret_owner->network_id);
    g_strlcpy(ret_owner->device_id, db_text(row, 0, "device_id"), sizeof ret_owner->device_id);
    return RC_OK;
}

enum rc
port_db_release(struct db *db, const char *id, const char *subnet_id, struct err *err)
{
    enum rc rc = db_run(db, "DELETE FROM fixed_ip WHERE port_id = $1 AND subnet_id = $2",
                        DB_ARGS(db_s(id), db_s(subnet_id)), NULL, err);
    return rc == RC_OK ? work_add(db, NB_PORT, id, err) : rc;
}

enum rc
port_db_move(struct db *db, const char *id, const char *host, struct err *err)
{
    g_autoptr(db_result) moved = NULL;
    enum rc rc = db_run(db,
                        "UPDATE port SET host_id = $2, status = 'DOWN', revision_number = "
                        "revision_number + 1, updated_at = now() WHERE id = $1 AND host_id <> $2 "
                        "RETURNING id",
                        DB_ARGS(db_s(id), db_s(host)), &moved, err);
    return rc == RC_OK && db_n_rows(moved) ? work_add(db, NB_PORT, id, err) : rc;
}
