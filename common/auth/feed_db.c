// SPDX-License-Identifier: Apache-2.0
// Limits in the service's own schema, so that a quota check never leaves its transaction. Several
// processes share a schema: the cursor's row serialises them, and an older event never overwrites a
// newer one.
#include "common/auth/feed.h"
#include "common/db/db.h"

struct store {
    const struct feed_limit *limits;
    size_t n_limits;
    int64_t cursor;
    bool is_reset;
};

static enum rc
lock_cursor(struct db *db, int64_t *ret_cursor, struct err *err)
{
    g_autoptr(db_result) result = NULL;
    enum rc rc =
        db_run(db, "INSERT INTO feed_cursor (id, cursor) VALUES (1, 0) ON CONFLICT DO NOTHING",
               DB_NONE, NULL, err);
    rc = rc ? rc
            : db_run_one(db, "SELECT cursor FROM feed_cursor WHERE id = 1 FOR UPDATE", DB_NONE,
                         &result, err);
    if (rc == RC_OK) {
        *ret_cursor = db_int(result, 0, "cursor");
    }
    return rc;
}

static enum rc
store_limit(struct db *db, const struct feed_limit *limit, struct err *err)
{
    if (limit->is_default) {
        return db_run(db, "DELETE FROM quota_limit WHERE project_id = $1 AND resource = $2",
                      DB_ARGS(db_s(limit->project_id), db_s(limit->resource)), NULL, err);
    }
    struct db_arg value = db_i(limit->value);
    return db_run(
        db,
        "INSERT INTO quota_limit (project_id, resource, value) VALUES ($1, $2, $3::bigint) "
        "ON CONFLICT (project_id, resource) DO UPDATE SET value = EXCLUDED.value",
        DB_ARGS(db_s(limit->project_id), db_s(limit->resource), value), NULL, err);
}

static enum rc
store_tx(struct db *db, void *argument, struct err *err)
{
    const struct store *store = argument;
    int64_t known = 0;
    enum rc rc = lock_cursor(db, &known, err);
    if (store->is_reset) {
        known = 0;
    } else if (rc == RC_OK && known >= store->cursor) {
        return RC_OK;
    }
    for (size_t i = 0; rc == RC_OK && i < store->n_limits; i++) {
        if (store->limits[i].n > known) {
            rc = store_limit(db, &store->limits[i], err);
        }
    }
    return rc ? rc
              : db_run(db, "UPDATE feed_cursor SET cursor = $1::bigint WHERE id = 1",
                       DB_ARGS(db_i(store->cursor)), NULL, err);
}

enum rc
feed_db_store(struct db_pool *pool, const struct feed_limit *limits, size_t n_limits,
              int64_t cursor, bool is_reset, struct err *err)
{
    struct store store = {limits, n_limits, cursor, is_reset};
    struct db *db = NULL;
    enum rc rc = db_get(pool, &db, err);
    return rc ? rc : db_tx(db, store_tx, &store, err);
}
