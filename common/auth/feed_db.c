// SPDX-License-Identifier: Apache-2.0
// Limits in the service's own schema, so that a quota check never leaves its transaction. Several
// processes share a schema: the cursor's row serialises them, and an older event never overwrites a
// newer one.
#include "common/auth/feed.h"
#include "common/db/quota.h"

struct store {
    json_t *limits;
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
store_tx(struct db *db, void *argument, struct err *err)
{
    const struct store *store = argument;
    int64_t known = 0;
    enum rc rc = lock_cursor(db, &known, err);
    if (store->is_reset) {
        known = 0;
        rc = rc ? rc : quota_forget(db, err);
    } else if (rc == RC_OK && known >= store->cursor) {
        return RC_OK;
    }
    rc = rc ? rc : quota_store(db, store->limits, known, err);
    rc = rc ? rc : quota_collect(db, store->cursor, err);
    return rc ? rc
              : db_run(db, "UPDATE feed_cursor SET cursor = $1::bigint WHERE id = 1",
                       DB_ARGS(db_i(store->cursor)), NULL, err);
}

enum rc
feed_db_store(struct db_pool *pool, json_t *limits, int64_t cursor, bool is_reset, struct err *err)
{
    struct store store = {limits, cursor, is_reset};
    struct db *db = NULL;
    enum rc rc = db_get(pool, &db, err);
    return rc ? rc : db_tx(db, store_tx, &store, err);
}
