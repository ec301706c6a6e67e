// SPDX-License-Identifier: Apache-2.0
#include "common/db/quota.h"

#include <inttypes.h>

static int64_t
unit_of(const struct quota_resource *resource)
{
    return resource->unit ? resource->unit : 1;
}

enum rc
quota_limit(struct db *db, const struct quota_resource *resource, const char *project_id,
            int64_t *ret_limit, struct err *err)
{
    g_autoptr(db_result) result = NULL;
    enum rc rc = db_run(db,
                        "SELECT value FROM quota_limit WHERE project_id IN ($1, '') AND resource = "
                        "$2 AND value IS NOT NULL ORDER BY project_id DESC LIMIT 1",
                        DB_ARGS(db_s(project_id), db_s(quota_limit_name(resource))), &result, err);
    if (rc == RC_OK) {
        int64_t limit = db_n_rows(result) ? db_int(result, 0, "value") : resource->default_limit;
        *ret_limit = limit < 0 ? -1 : limit * unit_of(resource);
    }
    return rc;
}

// SELECT name, limit or NULL, used — a row per resource, in order. $1 is the project's id.
static void
append_resource_sql(GString *sql, const struct quota_resource *resource, int position)
{
    g_string_append_printf(sql,
                           "%sSELECT %d AS position, (SELECT value FROM quota_limit WHERE "
                           "project_id IN ($1, '') AND resource = '%s' AND value IS NOT NULL ORDER "
                           "BY project_id DESC LIMIT 1) AS own, (%s) AS used",
                           position ? " UNION ALL " : "", position, quota_limit_name(resource),
                           resource->used_sql);
}

// As identity has it, without the unit.
static int64_t
limit_in(const db_result *rows, int row, const struct quota_resource *resource)
{
    return db_text(rows, row, "own") ? db_int(rows, row, "own") : resource->default_limit;
}

static enum rc
check_row(const db_result *rows, int row, const struct quota_request *request, struct err *err)
{
    int64_t limit = limit_in(rows, row, request->resource);
    int64_t used = db_int(rows, row, "used");
    limit *= limit < 0 ? 1 : unit_of(request->resource);
    if (limit < 0 || request->amount <= limit - used + request->tolerance) {
        return RC_OK;
    }
    return fault_typed(err, RC_QUOTA, request->resource->name,
                       "Quota exceeded for %s: Requested %" PRId64 ", but already used %" PRId64
                       " of %" PRId64 " %s",
                       request->resource->name, request->amount, used, limit,
                       request->resource->name);
}

enum rc
quota_check(struct db *db, const char *project_id, const struct quota_request *requests,
            size_t n_requests, struct err *err)
{
    g_assert(db_is_in_tx(db));
    // Two statements in one round of work: the lock must be held before the rows are counted (READ
    // COMMITTED sees what committed before each statement began).
    enum rc rc = db_lock_text(db, "quota", project_id, err);
    if (rc != RC_OK) {
        return rc;
    }
    g_autoptr(GString) sql = g_string_new(NULL);
    for (size_t i = 0; i < n_requests; i++) {
        append_resource_sql(sql, requests[i].resource, (int)i);
    }
    g_string_append(sql, " ORDER BY position");
    g_autoptr(db_result) rows = NULL;
    rc = db_run(db, sql->str, DB_ARGS(db_s(project_id)), &rows, err);
    for (size_t i = 0; rc == RC_OK && i < n_requests; i++) {
        rc = check_row(rows, (int)i, &requests[i], err);
    }
    return rc;
}

enum rc
quota_room(struct db *db, const struct quota_resource *resource, const char *project_id,
           int64_t *ret_room, struct err *err)
{
    g_autoptr(GString) sql = g_string_new(NULL);
    append_resource_sql(sql, resource, 0);
    g_autoptr(db_result) rows = NULL;
    enum rc rc = db_run_one(db, sql->str, DB_ARGS(db_s(project_id)), &rows, err);
    if (rc == RC_OK) {
        int64_t limit = limit_in(rows, 0, resource);
        *ret_room = limit < 0 ? INT64_MAX : limit * unit_of(resource) - db_int(rows, 0, "used");
    }
    return rc;
}

enum rc
quota_report(struct db *db, const struct quota_resource *resources, const char *project_id,
             json_t **ret_report, struct err *err)
{
    g_autoptr(GString) sql = g_string_new(NULL);
    for (int i = 0; resources[i].name; i++) {
        append_resource_sql(sql, &resources[i], i);
    }
    g_string_append(sql, " ORDER BY position");
    g_autoptr(db_result) rows = NULL;
    enum rc rc = db_run(db, sql->str, DB_ARGS(db_s(project_id)), &rows, err);
    if (rc != RC_OK) {
        return rc;
    }
    json_t *report = json_object();
    for (int i = 0; resources[i].name; i++) {
        int64_t used = db_int(rows, i, "used") / unit_of(&resources[i]);
        json_object_set_new(report, resources[i].name,
                            json_pack("{s:I, s:I}", "limit",
                                      (json_int_t)limit_in(rows, i, &resources[i]), "used",
                                      (json_int_t)used));
    }
    *ret_report = report;
    return RC_OK;
}

enum rc
quota_store(struct db *db, json_t *events, int64_t after, struct err *err)
{
    g_autofree char *text = json_dumps(events, JSON_COMPACT);
    return db_run(
        db,
        "INSERT INTO quota_limit (project_id, resource, value, n) SELECT DISTINCT ON (project_id, "
        "resource) project_id, resource, value, n FROM jsonb_to_recordset($1::jsonb) AS "
        "l(project_id text, resource text, value bigint, n bigint) WHERE n > $2::bigint ORDER BY "
        "project_id, resource, n DESC ON CONFLICT (project_id, resource) DO UPDATE SET value = "
        "excluded.value, n = excluded.n WHERE quota_limit.n <= excluded.n",
        DB_ARGS(db_s(text), db_i(after)), NULL, err);
}

// The feed moves the cursor under its lock: what it stored meanwhile is seen, and what it has
// stored and collected is not stored again.
static enum rc
store_told(struct db *db, void *events, struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc =
        db_run(db, "SELECT cursor FROM feed_cursor WHERE id = 1 FOR SHARE", DB_NONE, &rows, err);
    return rc ? rc : quota_store(db, events, db_n_rows(rows) ? db_int(rows, 0, "cursor") : 0, err);
}

enum rc
quota_store_told(struct db *db, json_t *events, struct err *err)
{
    return db_tx(db, store_told, events, err);
}

enum rc
quota_collect(struct db *db, int64_t cursor, struct err *err)
{
    return db_run(db, "DELETE FROM quota_limit WHERE value IS NULL AND n <= $1::bigint",
                  DB_ARGS(db_i(cursor)), NULL, err);
}

enum rc
quota_forget(struct db *db, struct err *err)
{
    return db_run(db, "DELETE FROM quota_limit", DB_NONE, NULL, err);
}
