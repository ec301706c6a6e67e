// SPDX-License-Identifier: Apache-2.0
#include "services/billing/bill.h"

enum rc
interval_db_list(struct db *db, const struct interval_query *query, db_result **ret_rows,
                 struct err *err)
{
    return db_run(
        db,
        "SELECT id, service, resource_type, resource_id, resource_name, meter, quantity, from_us, "
        "to_us"
        " FROM interval WHERE project_id = $1 AND from_us < $3 AND (to_us IS NULL OR to_us > $2)"
        " AND ($4::text IS NULL OR resource_id = $4)"
        " AND ($6::uuid IS NULL OR (from_us, id) > ($5::bigint, $6::uuid)) ORDER BY from_us, id "
        "LIMIT $7",
        DB_ARGS(db_s(query->project_id), db_i(query->from_us), db_i(query->to_us),
                db_s(query->resource_id), db_i(query->after_us), db_s(query->after_id),
                db_i(query->limit)),
        ret_rows, err);
}

enum rc
interval_db_now(struct db *db, int64_t *ret_now_us, struct err *err)
{
    g_autoptr(db_result) row = NULL;
    enum rc rc =
        db_run_one(db, "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now_us",
                   DB_NONE, &row, err);
    if (!rc) {
        *ret_now_us = db_int(row, 0, "now_us");
    }
    return rc;
}

enum rc
interval_db_projects(struct db *db, int64_t from_us, int64_t to_us, db_result **ret_rows,
                     struct err *err)
{
    return db_run(db,
                  "SELECT DISTINCT project_id FROM interval WHERE from_us < $2 AND (to_us IS NULL "
                  "OR to_us > $1)"
                  " ORDER BY project_id LIMIT 10000",
                  DB_ARGS(db_i(from_us), db_i(to_us)), ret_rows, err);
}
