// SPDX-License-Identifier: Apache-2.0
#include "services/network/api/port_tombstone_db.h"

#include "common/base/util.h"

enum rc
port_tombstone_db_add(struct db *db, const char *id, struct err *err)
{
    g_assert(db_is_in_tx(db));
    return uuid_is_valid(id)
               ? db_run(db, "SELECT port_tombstone_add($1)", DB_ARGS(db_s(id)), NULL, err)
               : RC_OK;
}

enum rc
port_tombstone_db_check(struct db *db, const char *id, struct err *err)
{
    g_autoptr(db_result) row = NULL;
    g_assert(db_is_in_tx(db));
    enum rc rc =
        db_run_one(db, "SELECT port_tombstone_has($1) AS deleted", DB_ARGS(db_s(id)), &row, err);
    return rc == RC_OK && db_bool(row, 0, "deleted")
               ? fault_typed(err, RC_CONFLICT, "PortDeleted",
                             "Port %s was deleted; its id is not used again.", id)
               : rc;
}

enum rc
port_tombstone_db_sweep(struct db *db, int64_t *ret_n, struct err *err)
{
    return db_run_count(db,
                        "DELETE FROM port_tombstone WHERE id IN (SELECT id FROM port_tombstone "
                        "WHERE deleted_at < now() - interval '25 hours' ORDER BY deleted_at "
                        "LIMIT 1000 FOR UPDATE SKIP LOCKED)",
                        DB_NONE, ret_n, err);
}
