// SPDX-License-Identifier: Apache-2.0
#include "services/image/catalog/task_db.h"

#include "services/image/catalog/image_sql.h"

#include <glib.h>

#define KEEP "interval '" TASK_KEEP_HOURS " hours'"
#define EXPIRES_AT \
    "CASE status WHEN 'processing' THEN NULL ELSE " SQL_TIME("(updated_at + " KEEP ")") " END"

// What lists tell of a task.
#define TASK_BRIEF                                                                             \
    "jsonb_build_object('id', id, 'type', type, 'status', status, 'owner', owner, 'user_id', " \
    "user_id, 'request_id', request_id, 'image_id', image_id, 'expires_at', " EXPIRES_AT       \
    ", 'created_at', " SQL_TIME("created_at") ", 'updated_at', " SQL_TIME(                     \
        "updated_at") ", 'self', '/v2/tasks/' || id, 'schema', '/v2/schemas/task')"
#define TASK_VIEW                                                                           \
    TASK_BRIEF " || jsonb_build_object('input', input, 'message', message, 'result', CASE " \
               "WHEN type = 'import' AND status = 'success' THEN "                          \
               "jsonb_build_object('image_id', image_id) END)"

const char *const task_sort_keys[] = {"created_at", "updated_at", "id",       "type",
                                      "status",     "owner",      "image_id", NULL};
// Two columns in one direction: the key and the id.
static const char *const orders[][2] = {
    {"created_at ASC, id ASC", "created_at DESC, id DESC"},
    {"updated_at ASC, id ASC", "updated_at DESC, id DESC"},
    {"id ASC", "id DESC"},
    {"type ASC, id ASC", "type DESC, id DESC"},
    {"status ASC, id ASC", "status DESC, id DESC"},
    {"owner ASC, id ASC", "owner DESC, id DESC"},
    {"image_id ASC, id ASC", "image_id DESC, id DESC"},
};
G_STATIC_ASSERT(G_N_ELEMENTS(orders) == G_N_ELEMENTS(task_sort_keys) - 1);

enum rc
task_db_of_image(struct db *db, const char *image_id, const char *owner, char **ret_json,
                 struct err *err)
{
    return db_run_text(db,
                       "SELECT COALESCE(jsonb_agg(" TASK_VIEW
                       " || '{\"deleted\": false, \"deleted_at\": null}' ORDER BY created_at, "
                       "id), '[]')::text AS items FROM image_task WHERE image_id = $1::uuid "
                       "AND ($2::text IS NULL OR owner = $2)",
                       DB_ARGS(db_s(image_id), db_s(owner)), ret_json, err);
}

static enum rc
check_marker(struct db *db, const struct task_query *query, struct err *err)
{
    g_autoptr(db_result) result = NULL;
    enum rc rc = db_run_one(db,
                            "SELECT EXISTS (SELECT FROM image_task WHERE id = $1::uuid AND "
                            "($2::text IS NULL OR owner = $2)) AS found",
                            DB_ARGS(db_s(query->marker), db_s(query->owner)), &result, err);
    return rc == RC_OK && !db_bool(result, 0, "found")
               ? fault(err, RC_INVALID, "No task found with ID %s", query->marker)
               : rc;
}

enum rc
task_db_list(struct db *db, const struct task_query *query, char **ret_json, char **ret_last,
             struct err *err)
{
    g_autoptr(db_result) result = NULL;
    const char *key = task_sort_keys[query->sort];
    const char *order = orders[query->sort][query->descending];
    g_autofree char *sql = g_strdup_printf(
        "SELECT COALESCE(jsonb_agg(item ORDER BY n), '[]')::text AS items, count(*) AS n_items, "
        "(array_agg(id ORDER BY n DESC))[1] AS last FROM (SELECT id, row_number() OVER (ORDER BY "
        "%s) AS n, " TASK_BRIEF
        " AS item FROM (SELECT * FROM image_task WHERE ($1::text IS NULL OR "
        "owner = $1) AND ($2::text IS NULL OR status = $2) AND ($3::text IS NULL OR type = $3) AND "
        "($4::uuid IS NULL OR image_id = $4) AND ($5::uuid IS NULL OR (%s, id) %s (SELECT %s, id "
        "FROM image_task WHERE id = $5)) ORDER BY %s LIMIT $6::int) t) page",
        order, key, query->descending ? "<" : ">", key, order);
    enum rc rc = query->marker ? check_marker(db, query, err) : RC_OK;
    if (rc == RC_OK) {
        rc = db_run_one(db, sql,
                        DB_ARGS(db_s(query->owner), db_s(query->status), db_s(query->type),
                                db_s(query->image_id), db_s(query->marker), db_i(query->limit)),
                        &result, err);
    }
    if (rc == RC_OK) {
        bool full = query->limit > 0 && db_int(result, 0, "n_items") == query->limit;
        *ret_json = g_strdup(db_text(result, 0, "items"));
        *ret_last = full ? g_strdup(db_text(result, 0, "last")) : NULL;
    }
    return rc;
}

enum rc
task_db_show(struct db *db, const char *id, const char *owner, char **ret_json, struct err *err)
{
    g_autoptr(db_result) result = NULL;
    enum rc rc = db_run(db,
                        "SELECT (" TASK_VIEW ")::text AS item FROM image_task WHERE id = "
                        "$1::uuid AND ($2::text IS NULL OR owner = $2)",
                        DB_ARGS(db_s(id), db_s(owner)), &result, err);
    if (rc == RC_OK && db_n_rows(result) == 0) {
        return fault(err, RC_NOT_FOUND, "No task found with ID %.64s", id);
    }
    if (rc == RC_OK) {
        *ret_json = g_strdup(db_text(result, 0, "item"));
    }
    return rc;
}

enum rc
task_db_sweep(struct db *db, struct err *err)
{
    return db_run(db,
                  "DELETE FROM image_task WHERE status <> 'processing' AND updated_at < now() "
                  "- " KEEP,
                  DB_NONE, NULL, err);
}
