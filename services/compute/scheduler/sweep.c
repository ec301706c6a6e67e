// SPDX-License-Identifier: Apache-2.0
// What nobody reminded us of: due work, and our own sign of life.
#include "common/log/log.h"
#include "services/compute/scheduler/work_db.h"

void
sweep_due(void *context)
{
    struct scheduler *scheduler = context;
    struct db *db;
    struct err err = {0};
    g_autoptr(db_result) rows = NULL;
    static struct log_limit limit; // this thread's only
    enum rc rc = db_get(scheduler->pool, &db, &err);
    if (rc == RC_OK) {
        rc = work_db_due(db, &rows, &err);
    }
    if (rc != RC_OK) {
        if (log_limit_allows(&limit, 1)) {
            log_warn("due work not found", kv("error", err.message));
        }
        return;
    }
    for (int i = 0; i < db_n_rows(rows); i++) {
        work_advance(scheduler, db_text(rows, i, "id"));
    }
}

void
sign_of_life(void *context)
{
    struct scheduler *scheduler = context;
    struct db *db;
    struct err err = {0};
    if (db_get(scheduler->pool, &db, &err) == RC_OK &&
        work_db_heartbeat(db, g_get_host_name(), &err) != RC_OK) {
        log_debug("no sign of life stored", kv("error", err.message));
    }
}
