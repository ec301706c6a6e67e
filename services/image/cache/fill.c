// SPDX-License-Identifier: Apache-2.0
#include "services/image/cache/fill.h"

#include "common/log/log.h"
#include "services/image/cache/cache.h"
#include "services/image/cache/cache_db.h"
#include "services/image/store/blob.h"

#include <string.h>
#include <unistd.h>

#define TIDY_EVERY 10 // calls of cache_fill

static const struct viewer everybody = {.project_id = "", .is_admin = true};

static enum rc
bring(struct image_service *image, struct db *db, const image_row *row, struct err *err)
{
    struct blob_places places = {.n = 0};
    int fd = -1;
    cache_prune(image->cache, row->size);
    enum rc rc = blob_places_find(image->stores, db, row, &places, err);
    if (rc == RC_OK) {
        rc = cache_part(image->cache, row->id, &fd, err);
    }
    if (rc == RC_OK) {
        rc = blob_fetch(&places, row->digest, row->size, fd, err);
        close(fd);
    }
    blob_places_clear(&places);
    return rc == RC_OK ? cache_keep(image->cache, row->id, err) : rc;
}

static enum rc
fill_one(struct image_service *image, struct db *db, const char *id, struct err *err)
{
    g_autoptr(image_row) row = NULL;
    enum rc rc = image_db_find(db, &everybody, id, false, &row, err);
    if (rc == RC_OK && (!row->has_data || !cache_fits(image->cache, row->size))) {
        return fault(err, RC_NOT_FOUND, "it has no data, or more than the cache may hold");
    }
    return rc == RC_OK ? bring(image, db, row, err) : rc;
}

// Images that are gone take their files with them.
static void
forget_gone(struct image_service *image, struct db *db)
{
    json_auto_t *list = cache_list(image->cache);
    json_auto_t *gone = NULL;
    struct err err = {0};
    json_t *each;
    size_t i;
    if (cache_db_gone(db, json_object_get(list, "cached_images"), &gone, &err) != RC_OK) {
        log_warn("cannot tidy the image cache", kv("message", err.message));
    }
    json_array_foreach(gone, i, each)
    {
        cache_remove(image->cache, json_string_value(each));
    }
}

static void
fill_queued(struct image_service *image, struct db *db)
{
    json_auto_t *list = cache_list(image->cache);
    json_t *queued = json_object_get(list, "queued_images"), *each;
    size_t i;
    json_array_foreach(queued, i, each)
    {
        const char *id = json_string_value(each);
        struct err err = {0};
        if (service_is_stopping(image->service)) {
            return;
        }
        if (fill_one(image, db, id, &err) != RC_OK) {
            log_warn("cannot cache an image", kv("image", id), kv("message", err.message));
            cache_remove(image->cache, id);
        }
    }
}

bool
cache_tidy(struct image_service *image)
{
    struct err err = {0};
    struct db *db;
    if (!cache_lead(image->cache)) {
        return false;
    }
    cache_clean(image->cache);
    if (db_get(service_db(image->service), &db, &err) == RC_OK) {
        forget_gone(image, db);
    }
    cache_follow(image->cache);
    return true;
}

void
cache_fill(void *context)
{
    struct image_service *image = context;
    struct err err = {0};
    struct db *db;
    if (!image->cache) {
        return;
    }
    if (image->n_fills++ % TIDY_EVERY == 0) {
        cache_tidy(image);
    }
    if (cache_lead(image->cache)) {
        if (db_get(service_db(image->service), &db, &err) == RC_OK) {
            fill_queued(image, db);
        }
        cache_follow(image->cache);
    }
}
