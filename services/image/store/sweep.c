// SPDX-License-Identifier: Apache-2.0
#include "services/image/store/sweep.h"

#include "common/log/log.h"
#include "services/image/catalog/task_db.h"
#include "services/image/store/location_db.h"

#define ADOPT_AGE_S 600
#define MAX_ROUNDS 16   // of places in one sweep
#define REMOTE_EVERY 12 // sweeps: unfinished writes of remote stores are asked for that rarely

// What is there is listed before the rows are read: what began in between is not judged.
static enum rc
sweep_temps(struct image_service *image, struct db *db, struct err *err)
{
    g_autoptr(GPtrArray) names = stores_temp_list(image->stores);
    if (names->len == 0) {
        return RC_OK;
    }
    g_autoptr(GHashTable) live = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    enum rc rc = sweep_db_live_temps(db, live, err);
    for (guint i = 0; rc == RC_OK && i < names->len; i++) {
        if (!g_hash_table_contains(live, names->pdata[i])) {
            stores_temp_remove(image->stores, names->pdata[i]);
        }
    }
    return rc;
}

static enum rc
sweep_partials(struct store *store, struct db *db, struct err *err)
{
    g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GHashTable) live = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    enum rc rc = store_partials(store, names, err);
    if (rc == RC_OK && g_hash_table_size(names) > 0) {
        rc = sweep_db_live_blobs(db, live, err);
    }
    GHashTableIter iterator;
    gpointer name;
    g_hash_table_iter_init(&iterator, names);
    while (rc == RC_OK && g_hash_table_iter_next(&iterator, &name, NULL)) {
        if (!g_hash_table_contains(live, name)) {
            rc = store_partial_remove(store, name, err);
        }
    }
    return rc;
}

static char *
stores_literal(const struct image_service *image)
{
    return g_strdup_printf("{%s}", stores_ids(image->stores));
}

static enum rc
remove_place(struct image_service *image, struct db *db, const struct place *place,
             int64_t *n_removed, struct err *err)
{
    g_autofree char *claim = NULL;
    enum rc rc = sweep_db_claim(db, place, &claim, err);
    if (rc != RC_OK || !claim) {
        return rc;
    }
    rc = store_remove(stores_find(image->stores, place->store), place->digest, err);
    if (rc == RC_OK) {
        rc = sweep_db_removed(db, place, claim, err);
    }
    *n_removed += rc == RC_OK;
    return rc;
}

// A store that does not answer does not keep the others from being swept: it is asked once, or each
// of its blobs would wait for its tries.
static enum rc
sweep_some(struct image_service *image, struct db *db, GHashTable *silent, int64_t *n_removed,
           struct err *err)
{
    g_autofree char *stores = stores_literal(image);
    g_autoptr(GPtrArray) places = NULL;
    enum rc rc = sweep_db_unwanted(db, stores, &places, err);
    for (guint i = 0; rc == RC_OK && i < places->len; i++) {
        const struct place *place = places->pdata[i];
        struct err failure = {0};
        if (g_hash_table_contains(silent, place->store) ||
            remove_place(image, db, place, n_removed, &failure) == RC_OK) {
            continue;
        }
        log_warn("cannot remove a blob", kv("message", failure.message));
        g_hash_table_add(silent, g_strdup(place->store));
    }
    return rc;
}

// The parts of what went may go now, too.
static enum rc
sweep_places(struct image_service *image, struct db *db, int64_t *n_removed, struct err *err)
{
    g_autoptr(GHashTable) silent = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    enum rc rc = RC_OK;
    int64_t before = -1;
    for (int i = 0; rc == RC_OK && i<MAX_ROUNDS && * n_removed> before; i++) {
        before = *n_removed;
        rc = sweep_some(image, db, silent, n_removed, err);
    }
    return rc;
}

static void
sweep_unfinished(struct image_service *image, struct db *db)
{
    bool remote_too = image->n_sweeps++ % REMOTE_EVERY == 0;
    for (guint i = 0; i < stores_count(image->stores); i++) {
        struct store *store = stores_at(image->stores, i);
        struct err err = {0};
        if ((remote_too || !store_is_remote(store)) && sweep_partials(store, db, &err) != RC_OK) {
            log_warn("cannot sweep unfinished writes", kv("store", store_name(store)),
                     kv("message", err.message));
        }
    }
}

static enum rc
sweep_rows(struct image_service *image, struct err *err)
{
    struct db *db;
    int64_t n_failed = 0, n_staged = 0;
    enum rc rc = db_get(service_db(image->service), &db, err);
    if (rc == RC_OK) {
        rc = sweep_db_uploads(db, &n_failed, err);
    }
    if (rc == RC_OK) {
        rc = sweep_db_staged(db, image->stage_ttl_s, &n_staged, err);
    }
    if (rc == RC_OK) {
        rc = task_db_sweep(db, err);
    }
    if (rc == RC_OK) {
        rc = sweep_temps(image, db, err);
    }
    if (n_failed || n_staged) {
        log_info("swept uploads", kv_int("uploads", n_failed), kv_int("staged", n_staged));
    }
    return rc;
}

void
sweep(void *context)
{
    struct err err = {0};
    if (sweep_rows(context, &err) != RC_OK) {
        log_warn("cannot sweep uploads", kv("message", err.message));
    }
}

void
sweep_stores(void *context)
{
    struct image_service *image = context;
    struct db *db;
    struct err err = {0};
    int64_t n_removed = 0;
    enum rc rc = db_get(service_db(image->service), &db, &err);
    if (rc == RC_OK) {
        rc = sweep_places(image, db, &n_removed, &err);
    }
    if (rc == RC_OK) {
        sweep_unfinished(image, db);
    } else {
        log_warn("cannot sweep the image stores", kv("message", err.message));
    }
    if (n_removed) {
        log_info("swept the image stores", kv_int("blobs", n_removed));
    }
}

struct adoption {
    struct db *db;
    const struct store *store;
};

static void
adopt_one(void *context, const char *digest, int64_t size)
{
    const struct adoption *adoption = context;
    const struct place place = {(char *)digest, (char *)store_name(adoption->store)};
    struct err err;
    rc_ignore(sweep_db_adopt(adoption->db, &place, size, &err));
}

void
sweep_adopt(void *context)
{
    struct image_service *image = context;
    struct db *db;
    struct err err = {0};
    enum rc rc = db_get(service_db(image->service), &db, &err);
    for (guint i = 0; rc == RC_OK && i < stores_count(image->stores); i++) {
        struct adoption adoption = {db, stores_at(image->stores, i)};
        if (store_each(stores_at(image->stores, i), ADOPT_AGE_S, adopt_one, &adoption, &err) !=
            RC_OK) {
            log_warn("cannot list a store", kv("store", store_name(adoption.store)),
                     kv("message", err.message));
        }
    }
    if (rc != RC_OK) {
        log_warn("cannot look for orphans", kv("message", err.message));
    }
}
