// SPDX-License-Identifier: Apache-2.0
#include "services/network/api/security_group_db.h"

#include "common/base/util.h"
#include "services/network/api/work.h"

static enum rc
find_default(struct db *db, const char *project_id, char ret_id[40], struct err *err)
{
    g_autoptr(db_result) row = NULL;
    enum rc rc = db_run(db, "SELECT id FROM security_group WHERE project_id = $1 AND is_default",
                        DB_ARGS(db_s(project_id)), &row, err);
    if (rc == RC_OK) {
        g_strlcpy(ret_id, db_n_rows(row) ? db_text(row, 0, "id") : "", 40);
    }
    return rc;
}

// Two requests may come here at once: the unique index lets one in, the other waits for it and
// finds its row.
enum rc
security_group_db_ensure_default(struct db *db, const char *project_id, char ret_id[40],
                                 struct err *err)
{
    enum rc rc = find_default(db, project_id, ret_id, err);
    if (rc != RC_OK || ret_id[0]) {
        return rc;
    }
    g_autoptr(db_result) made = NULL;
    char id[UUID_SIZE];
    uuid_new(id);
    rc = db_run(db,
                "INSERT INTO security_group (id, project_id, name, description, is_default) "
                "VALUES ($1, $2, 'default', 'Default security group', true) ON CONFLICT DO NOTHING",
                DB_ARGS(db_s(id), db_s(project_id)), &made, err);
    if (rc == RC_OK && db_n_affected(made) == 0) {
        return find_default(db, project_id, ret_id, err);
    }
    if (rc == RC_OK) {
        rc = security_group_db_add_first_rules(db, id, project_id, true, err);
    }
    if (rc == RC_OK) {
        g_strlcpy(ret_id, id, 40);
    }
    return rc;
}

enum rc
security_group_db_add_first_rules(struct db *db, const char *id, const char *project_id,
                                  bool is_default, struct err *err)
{
    enum rc rc = db_run(
        db,
        "INSERT INTO security_group_rule (id, project_id, security_group_id, direction, ethertype, "
        "remote_group_id) SELECT gen_random_uuid(), $2, $1, d.direction, e.ethertype, "
        "CASE d.direction WHEN 'ingress' THEN $1::uuid END "
        "FROM (VALUES ('egress'), ('ingress')) d (direction), (VALUES ('IPv4'), ('IPv6')) e "
        "(ethertype) "
        "WHERE d.direction = 'egress' OR $3::boolean",
        DB_ARGS(db_s(id), db_s(project_id), db_b(is_default)), NULL, err);
    return rc == RC_OK ? work_add(db, NB_SECURITY_GROUP, id, err) : rc;
}

enum rc
security_group_db_check_unused(struct db *db, const char *id, struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc =
        db_run(db, "SELECT 1 FROM port_security_group WHERE security_group_id = $1 LIMIT 1",
               DB_ARGS(db_s(id)), &rows, err);
    if (rc == RC_OK && db_n_rows(rows)) {
        return fault_typed(err, RC_CONFLICT, "SecurityGroupInUse", "Security Group %s in use.", id);
    }
    return rc;
}

enum rc
security_group_db_lock(struct db *db, const char *id, const char *project_id, struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc = RC_OK;
    if (id && uuid_is_valid(id)) {
        rc = db_run(db,
                    "SELECT 1 FROM security_group WHERE id = $1 AND ($2::text IS NULL OR "
                    "project_id = $2) FOR SHARE",
                    DB_ARGS(db_s(id), db_s(project_id)), &rows, err);
    }
    if (rc == RC_OK && (!rows || db_n_rows(rows) == 0)) {
        return fault_typed(err, RC_NOT_FOUND, "SecurityGroupNotFound",
                           "Security group %.100s does not exist", id ? id : "");
    }
    return rc;
}

enum rc
security_group_db_find_rule(struct db *db, json_t *columns, char ret_id[40], struct err *err)
{
    g_autofree char *text = json_dumps(columns, JSON_COMPACT);
    g_autoptr(db_result) rows = NULL;
    enum rc rc = db_run(
        db,
        "SELECT r.id FROM security_group_rule r, "
        "jsonb_populate_record(NULL::security_group_rule, $1::jsonb) n "
        "WHERE r.security_group_id = n.security_group_id AND r.direction = n.direction "
        "AND r.ethertype = n.ethertype AND r.protocol_number IS NOT DISTINCT FROM "
        "n.protocol_number "
        "AND r.port_range_min IS NOT DISTINCT FROM n.port_range_min "
        "AND r.port_range_max IS NOT DISTINCT FROM n.port_range_max "
        "AND r.remote_group_id IS NOT DISTINCT FROM n.remote_group_id "
        "AND CASE WHEN masklen(r.remote_ip_prefix) > 0 THEN network(r.remote_ip_prefix) END IS NOT "
        "DISTINCT FROM "
        "CASE WHEN masklen(n.remote_ip_prefix) > 0 THEN network(n.remote_ip_prefix) END LIMIT 1",
        DB_ARGS(db_s(text)), &rows, err);
    if (rc == RC_OK) {
        g_strlcpy(ret_id, db_n_rows(rows) ? db_text(rows, 0, "id") : "", 40);
    }
    return rc;
}

enum rc
security_group_db_touch(struct db *db, const char *id, struct err *err)
{
    enum rc rc = db_run(db,
                        "UPDATE security_group SET revision_number = revision_number + 1, "
                        "updated_at = now() WHERE id = $1",
                        DB_ARGS(db_s(id)), NULL, err);
    return rc == RC_OK ? work_add(db, NB_SECURITY_GROUP, id, err) : rc;
}
