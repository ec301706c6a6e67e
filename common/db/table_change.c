// SPDX-License-Identifier: Apache-2.0
#include "common/db/table_change.h"

// More changes than this since the last look count as one of these tables' own.
#define LOOKED_AT 500

// Ordered and limited, so that it is planned as a look at the end of the index.
#define CHANGES                                                                         \
    "(SELECT tx, name FROM table_change WHERE tx >= pg_snapshot_xmin($1::pg_snapshot) " \
    "ORDER BY tx, name LIMIT " G_STRINGIFY(LOOKED_AT) ") c"
// SELECT without a row to judge is false; without `since` it is not asked.
#define IS_CHANGED                                                                      \
    "coalesce((SELECT count(*) = " G_STRINGIFY(                                         \
        LOOKED_AT) " OR bool_or(name = ANY "                                            \
                   "($2::text[]) AND NOT pg_visible_in_snapshot(tx, $1::pg_snapshot)) " \
                   "FROM " CHANGES "), false)"

enum rc
table_change_look(struct db *db, const char *tables, const char *since, struct table_look *ret_look,
                  struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc = db_run_one(
        db,
        "SELECT pg_current_snapshot()::text AS now, $1::pg_snapshot IS NULL OR " IS_CHANGED
        " AS is_changed",
        DB_ARGS(db_s(since), db_s(tables)), &rows, err);
    if (rc == RC_OK) {
        *ret_look =
            (struct table_look){g_strdup(db_text(rows, 0, "now")), db_bool(rows, 0, "is_changed")};
    }
    return rc;
}

enum rc
table_change_prune(struct db *db, struct err *err)
{
    return db_run(db,
                  "DELETE FROM table_change WHERE changed_at < now() - $1::bigint * interval "
                  "'1 second'",
                  DB_ARGS(db_i(TABLE_CHANGE_KEPT_S)), NULL, err);
}
