// SPDX-License-Identifier: Apache-2.0
#include "services/image/store/sweep.h"

#include "common/log/log.h"
#include "services/image/catalog/image_db.h"

#define ADOPT_AGE_S 600

// Files are listed before the rows are read: a file of an upload that began in between is not
// judged.
static enum rc
sweep_temps(struct image_service *image, struct db *db, struct err *err)
{
    g_autoptr(GPtrArray) names = store_temp_list(image->store);
    if (names->len == 0) {
        return RC_OK;
    }
    g_autoptr(GHashTable) live = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    enum rc rc = sweep_db_live_uploads(db, live, err);
    for (guint i = 0; rc == RC_OK && i < names->len; i++) {
        if (!g_hash_table_contains(live, names->pdata[i])) {
            store_temp_remove(image->store, names->pdata[i]);
        }
    }
    return rc;
}

static enum rc
sweep_all(struct image_service *image, struct err *err)
{
    struct db *db;
    int64_t n_failed = 0, n_removed = 0, n_staged = 0;
    enum rc rc = db_get(service_db(image->service), &db, err);
    if (rc == RC_OK) {
        rc = sweep_db_uploads(db, &n_failed, err);
    }
    if (rc == RC_OK) {
        rc = sweep_db_staged(db, image->stage_ttl_s, &n_staged, err);
    }
    if (rc == RC_OK) {
        rc = sweep_temps(image, db, err);
    }
    if (rc == RC_OK) {
        rc = sweep_db_blobs(db, image->store, &n_removed, err);
    }
    if (n_failed || n_removed || n_staged) {
        log_info("swept the image store", kv_int("uploads", n_failed), kv_int("staged", n_staged),
                 kv_int("blobs", n_removed));
    }
    return rc;
}

void
sweep(void *context)
{
    struct err err = {0};
    if (sweep_all(context, &err) != RC_OK) {
        log_warn("cannot sweep the image store", kv("message", err.message));
    }
}

static void
adopt_one(const char *sha512, int64_t size, void *context)
{
    struct db *db = context;
    struct err err;
    rc_ignore(sweep_db_adopt(db, sha512, size, &err));
}

void
sweep_adopt(void *context)
{
    struct image_service *image = context;
    struct db *db;
    struct err err;
    if (db_get(service_db(image->service), &db, &err) == RC_OK) {
        store_blob_each(image->store, ADOPT_AGE_S, adopt_one, db);
    }
}
