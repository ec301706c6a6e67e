// SPDX-License-Identifier: Apache-2.0
#include "services/compute/api/action_log_db.h"

#include "services/compute/api/api.h"

#define ISO(column) "to_char(" column " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US')"
#define ACTION                                                                                    \
    "jsonb_build_object('action', a.action, 'instance_uuid', a.server_id, 'message', a.message, " \
    "'project_id',"                                                                               \
    " a.project_id, 'request_id', a.request_id, 'start_time', " ISO(                              \
        "a.started_at") ", 'user_id', a.user_id)"

static enum rc
find_server(struct db *db, const struct action_query *query, struct err *err)
{
    enum rc rc = db_run_one(
        db,
        "SELECT id FROM server WHERE id = $1 AND ($2::text IS NULL OR project_id = $2)"
        " AND ($3::boolean OR deleted_at IS NULL)",
        DB_ARGS(db_s(query->server_id), db_s(query->project_id), db_b(query->version >= 21)), NULL,
        err);
    return rc == RC_NOT_FOUND
               ? fault(err, rc, "Instance %.64s could not be found.", query->server_id)
               : rc;
}

enum rc
action_log_db_list(struct db *db, const struct action_query *query, db_result **ret_rows,
                   struct err *err)
{
    enum rc rc = find_server(db, query, err);
    if (rc != RC_OK) {
        return rc;
    }
    return db_run_one(db,
                      "SELECT coalesce(json_agg(" ACTION
                      " || CASE WHEN $2::int >= 58 THEN jsonb_build_object('updated_at', " ISO(
                          "a.updated_at") ") ELSE '{}' END ORDER BY a.id DESC), '[]')::text AS "
                                          "items, count(*) AS n,"
                                          " (array_agg(a.request_id ORDER BY a.id))[1] AS last "
                                          "FROM (SELECT * FROM instance_action a"
                                          " WHERE a.server_id = $1 AND ($3::text IS NULL OR a.id < "
                                          "(SELECT max(m.id) FROM instance_action m"
                                          " WHERE m.server_id = $1 AND m.request_id = $3))"
                                          " AND ($5::timestamptz IS NULL OR a.updated_at >= $5) "
                                          "ORDER BY a.id DESC LIMIT $4::bigint) a",
                      DB_ARGS(db_s(query->server_id), db_i(query->version), db_s(query->marker),
                              db_i(query->limit), db_s(query->changes_since)),
                      ret_rows, err);
}

enum rc
action_log_db_show(struct db *db, const struct action_query *query, db_result **ret_rows,
                   struct err *err)
{
    enum rc rc = find_server(db, query, err);
    if (rc != RC_OK) {
        return rc;
    }
    rc = db_run_one(
        db,
        "SELECT (" ACTION " || CASE WHEN $3::int >= 58 THEN jsonb_build_object('updated_at', " ISO(
            "a.updated_at") ")"
                            " ELSE '{}' END || CASE WHEN NOT $4::boolean AND $3::int < 51 THEN "
                            "'{}' ELSE jsonb_build_object('events',"
                            " (SELECT coalesce(jsonb_agg(jsonb_build_object('event', e.event, "
                            "'start_time', " ISO(
                                "e.started_at") ","
                                                " 'finish_time', " ISO(
                                                    "e.finished_at") ", 'result', e.result)"
                                                                     " || CASE WHEN $4::boolean "
                                                                     "THEN "
                                                                     "jsonb_build_object('"
                                                                     "traceback', NULL) ELSE '{}' "
                                                                     "END"
                                                                     " || CASE WHEN $3::int >= 62 "
                                                                     "THEN "
                                                                     "jsonb_build_object('hostId', "
                                                                     "coalesce(encode(sha224("
                                                                     "convert_to(a.project_id ||"
                                                                     " e.host, 'UTF8')), 'hex'), "
                                                                     "'')) ELSE '{}' END"
                                                                     " || CASE WHEN $3::int >= 62 "
                                                                     "AND $4::boolean THEN "
                                                                     "jsonb_build_object('host', "
                                                                     "e.host) ELSE '{}' END"
                                                                     " || CASE WHEN $3::int >= 84 "
                                                                     "THEN "
                                                                     "jsonb_build_object('details',"
                                                                     " e.details) ELSE '{}' END"
                                                                     " ORDER BY e.id), '[]') FROM "
                                                                     "instance_action_event e "
                                                                     "WHERE e.action_id = a.id)) "
                                                                     "END)::text AS item"
                                                                     " FROM instance_action a "
                                                                     "WHERE a.server_id = $1 AND "
                                                                     "a.request_id = $2 ORDER BY "
                                                                     "a.id DESC LIMIT 1",
        DB_ARGS(db_s(query->server_id), db_s(query->request_id), db_i(query->version),
                db_b(query->is_admin)),
        ret_rows, err);
    return rc == RC_NOT_FOUND ? fault(err, rc, "Action %.100s not found", query->request_id) : rc;
}

enum rc
interface_db_list(struct db *db, const char *server_id, const char *port_id, unsigned version,
                  db_result **ret_rows, struct err *err)
{
    return db_run_one(
        db,
        "SELECT coalesce(json_agg(jsonb_build_object('fixed_ips', (SELECT "
        "coalesce(jsonb_agg(jsonb_build_object("
        "'ip_address', f->>'ip', 'subnet_id', f->>'subnet_id')), '[]') FROM "
        "jsonb_array_elements(p.fixed_ips) f),"
        " 'mac_addr', p.mac, 'net_id', p.network_id, 'port_id', p.port_id, 'port_state', p.status)"
        " || CASE WHEN $3::int >= 70 THEN jsonb_build_object('tag', p.tag) ELSE '{}' END ORDER BY "
        "p.position),"
        " '[]')::text AS items, count(*) AS n FROM server_port p WHERE p.server_id = $1 AND p.mac "
        "IS NOT NULL"
        " AND ($2::text IS NULL OR p.port_id::text = $2)",
        DB_ARGS(db_s(server_id), db_s(port_id), db_i(version)), ret_rows, err);
}

static enum rc
create_group_in_tx(struct db *db, void *argument, struct err *err)
{
    const struct group_new *group = argument;
    struct quota_request wanted = {&compute_quotas[QUOTA_SERVER_GROUPS], 1};
    enum rc rc = quota_check(db, group->project_id, &wanted, 1, err);
    if (rc != RC_OK) {
        return rc == RC_QUOTA ? fault(err, rc, "Quota exceeded, too many server groups.") : rc;
    }
    return db_run(db,
                  "INSERT INTO server_group (id, project_id, user_id, name, policy, rules)"
                  " VALUES ($1, $2, $3, $4, $5, $6::jsonb)",
                  DB_ARGS(db_s(group->id), db_s(group->project_id), db_s(group->user_id),
                          db_s(group->name), db_s(group->policy), db_s(group->rules_json)),
                  NULL, err);
}

enum rc
group_db_create(struct db *db, const struct group_new *group, struct err *err)
{
    return db_tx(db, create_group_in_tx, (void *)group, err);
}

enum rc
group_db_list(struct db *db, const char *project_id, const char *id, unsigned version,
              int64_t limit, db_result **ret_rows, struct err *err)
{
    return db_run_one(
        db,
        "SELECT coalesce(json_agg(jsonb_build_object('id', g.id, 'name', g.name, 'members', (SELECT"
        " coalesce(jsonb_agg(s.id ORDER BY s.number), '[]') FROM server s WHERE s.group_id = g.id "
        "AND s.deleted_at IS NULL))"
        " || CASE WHEN $3::int >= 64 THEN jsonb_build_object('policy', g.policy, 'rules', g.rules)"
        " ELSE jsonb_build_object('policies', jsonb_build_array(g.policy), 'metadata', "
        "'{}'::jsonb) END"
        " || CASE WHEN $3::int >= 13 THEN jsonb_build_object('project_id', g.project_id, "
        "'user_id', g.user_id)"
        " ELSE '{}' END ORDER BY g.created_at, g.id), '[]')::text AS items, count(*) AS n FROM "
        "(SELECT * FROM server_group g"
        " WHERE ($1::text IS NULL OR g.project_id = $1) AND ($2::uuid IS NULL OR g.id = $2)"
        " ORDER BY g.created_at, g.id LIMIT $4::bigint) g",
        DB_ARGS(db_s(project_id), db_s(id), db_i(version), db_i(limit)), ret_rows, err);
}

enum rc
group_db_delete(struct db *db, const char *project_id, const char *id, struct err *err)
{
    bool is_changed = false;
    enum rc rc = db_run_any(
        db, "DELETE FROM server_group WHERE id = $1 AND ($2::text IS NULL OR project_id = $2)",
        DB_ARGS(db_s(id), db_s(project_id)), &is_changed, err);
    return rc == RC_OK && !is_changed
               ? fault(err, RC_NOT_FOUND, "Instance group %.64s could not be found.", id)
               : rc;
}
