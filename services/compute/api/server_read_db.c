// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "services/compute/api/server_db.h"

enum { FIXED_ARGS = 4 }; // base URL, project, marker, limit

static void
append_where(GString *sql, const struct server_query *query)
{
    g_string_append(sql, " WHERE ($2::text IS NULL OR s.project_id = $2)");
    if (strcmp(query->deleted, "any") != 0) {
        g_string_append_printf(sql, " AND s.deleted_at IS %s",
                               strcmp(query->deleted, "live") == 0 ? "NULL" : "NOT NULL");
    }
    for (unsigned i = 0; i < query->n_filters; i++) {
        g_autofree char *parameter =
            g_strdup_printf("(SELECT jsonb_array_elements_text($%u::jsonb))", FIXED_ARGS + 1 + i);
        g_auto(GStrv) parts = g_strsplit(query->filters[i]->sql, "%s", 2);
        g_string_append_printf(sql, " AND %s%s%s", parts[0], parameter, parts[1] ? parts[1] : "");
    }
    g_string_append_printf(sql,
                           " AND ($3::uuid IS NULL OR (%s, s.number) %s (SELECT %s, s.number FROM "
                           "server s WHERE s.id = $3::uuid))",
                           query->sort_sql, query->is_descending ? "<" : ">", query->sort_sql);
}

enum rc
server_db_list(struct db *db, const struct server_query *query, db_result **ret_rows,
               struct err *err)
{
    const char *direction = query->is_descending ? "DESC" : "ASC";
    struct db_arg args[FIXED_ARGS + SERVER_MAX_FILTERS] = {
        db_s(query->base_url), db_s(query->project_id), db_s(query->marker), db_i(query->limit)};
    for (unsigned i = 0; i < query->n_filters; i++) {
        args[FIXED_ARGS + i] = db_s(query->filter_values[i]);
    }
    g_autoptr(GString) sql = g_string_new("WITH page AS (SELECT s.*, row_number() OVER (ORDER BY ");
    g_string_append_printf(sql, "%s %s, s.number %s) AS place FROM server s", query->sort_sql,
                           direction, direction);
    append_where(sql, query);
    g_string_append_printf(
        sql, " ORDER BY %s %s, s.number %s LIMIT $4::bigint) SELECT '[' || coalesce(string_agg(",
        query->sort_sql, direction, direction);
    server_view_append(sql, query->view, query->version, query->is_admin);
    g_string_append(
        sql, ", ',' ORDER BY s.place), '') || ']' AS items, count(*) AS n,"
             " (array_agg(s.id ORDER BY s.place DESC))[1] AS last,"
             " $3::uuid IS NULL OR EXISTS (SELECT FROM server m WHERE m.id = $3::uuid"
             " AND ($2::text IS NULL OR m.project_id = $2)) AS marked, $1::text FROM page s");
    enum rc rc = db_run(db, sql->str, args, FIXED_ARGS + query->n_filters, ret_rows, err);
    if (rc == RC_OK && !db_bool(*ret_rows, 0, "marked")) {
        g_clear_pointer(ret_rows, db_result_free);
        return fault(err, RC_INVALID, "marker [%.100s] not found", query->marker);
    }
    return rc;
}

enum rc
server_db_show(struct db *db, const struct server_query *query, const char *id,
               db_result **ret_rows, struct err *err)
{
    g_autoptr(GString) sql = g_string_new("SELECT ");
    server_view_append(sql, query->view, query->version, query->is_admin);
    g_string_append(
        sql, " AS item, $1::text FROM server s WHERE s.id = $3::uuid AND s.deleted_at IS NULL"
             " AND ($2::text IS NULL OR s.project_id = $2)");
    enum rc rc =
        db_run_one(db, sql->str, DB_ARGS(db_s(query->base_url), db_s(query->project_id), db_s(id)),
                   ret_rows, err);
    return rc == RC_NOT_FOUND ? fault(err, rc, "Instance %.64s could not be found.", id) : rc;
}

enum rc
server_db_brief(struct db *db, const char *id, const char *project_id, bool for_update,
                struct server_brief *ret_server, struct err *err)
{
    static const char locked[] =
        "SELECT s.id, s.project_id, s.user_id, s.host, s.vm_state, s.task_state, s.locked,"
        " coalesce((SELECT NOT h.forced_down AND h.lease_until > now() FROM compute_host h WHERE "
        "h.host = s.host), false) AS up"
        " FROM server s WHERE s.id = $1 AND ($2::text IS NULL OR s.project_id = $2) AND "
        "s.deleted_at IS NULL FOR UPDATE OF s";
    static const char plain[] =
        "SELECT s.id, s.project_id, s.user_id, s.host, s.vm_state, s.task_state, s.locked,"
        " coalesce((SELECT NOT h.forced_down AND h.lease_until > now() FROM compute_host h WHERE "
        "h.host = s.host), false) AS up"
        " FROM server s WHERE s.id = $1 AND ($2::text IS NULL OR s.project_id = $2) AND "
        "s.deleted_at IS NULL";
    g_autoptr(db_result) row = NULL;
    enum rc rc =
        db_run_one(db, for_update ? locked : plain, DB_ARGS(db_s(id), db_s(project_id)), &row, err);
    if (rc != RC_OK) {
        return rc == RC_NOT_FOUND ? fault(err, rc, "Instance %.64s could not be found.", id) : rc;
    }
    g_strlcpy(ret_server->id, db_text(row, 0, "id"), sizeof(ret_server->id));
    g_strlcpy(ret_server->project_id, db_text(row, 0, "project_id"),
              sizeof(ret_server->project_id));
    g_strlcpy(ret_server->user_id, db_text(row, 0, "user_id"), sizeof(ret_server->user_id));
    const char *host = db_text(row, 0, "host");
    g_strlcpy(ret_server->host, host ? host : "", sizeof(ret_server->host));
    ret_server->state = life_state_from(db_text(row, 0, "vm_state"), db_text(row, 0, "task_state"));
    ret_server->is_locked = db_bool(row, 0, "locked");
    ret_server->host_is_up = db_bool(row, 0, "up");
    return RC_OK;
}

enum rc
server_db_addresses(struct db *db, const char *id, const char *network, db_result **ret_rows,
                    struct err *err)
{
    g_autofree char *sql =
        g_strdup_printf("SELECT CASE WHEN $2::text IS NULL THEN a.item ELSE (SELECT "
                        "json_build_object($2::text, a.item::json->$2)::text"
                        " WHERE a.item::jsonb ? $2) END AS item FROM (SELECT %s AS item FROM "
                        "server s WHERE s.id = $1) a",
                        server_view_addresses);
    enum rc rc = db_run_one(db, sql, DB_ARGS(db_s(id), db_s(network)), ret_rows, err);
    if (rc == RC_OK && !db_text(*ret_rows, 0, "item")) {
        g_clear_pointer(ret_rows, db_result_free);
        return fault(err, RC_NOT_FOUND, "Network not found");
    }
    return rc;
}
