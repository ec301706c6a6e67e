// SPDX-License-Identifier: Apache-2.0
#include "services/network/api/lookup_db.h"

#include "common/base/util.h"

enum rc
lookup_db_get(struct db *db, const struct lookup *lookup, db_result **ret_row, struct err *err)
{
    g_autoptr(db_result) row = NULL;
    if (!uuid_is_valid(lookup->id)) {
        return resource_not_found(lookup->resource, lookup->id, err);
    }
    enum rc rc =
        db_run(db, lookup->sql, DB_ARGS(db_s(lookup->id), db_s(lookup->project_id)), &row, err);
    if (rc == RC_OK && db_n_rows(row) == 0) {
        return resource_not_found(lookup->resource, lookup->id, err);
    }
    if (rc == RC_OK) {
        *ret_row = g_steal_pointer(&row);
    }
    return rc;
}
