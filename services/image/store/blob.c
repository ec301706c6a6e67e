// SPDX-License-Identifier: Apache-2.0
#include "services/image/store/blob.h"

#include "common/log/log.h"
#include "services/image/store/driver.h"
#include "services/image/store/location_db.h"
#include "services/image/store/recipe_db.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static bool
is_named(const GPtrArray *names, const char *name)
{
    for (guint i = 0; i < names->len; i++) {
        if (!strcmp(names->pdata[i], name)) {
            return true;
        }
    }
    return false;
}

enum rc
blob_places_find(const struct stores *stores, struct db *db, const image_row *image,
                 struct blob_places *ret_places, struct err *err)
{
    g_autoptr(GPtrArray) names = NULL;
    struct blob_places places = {.n = 0};
    enum rc rc = location_db_list(db, image->id, true, &names, err);
    if (rc != RC_OK) {
        return rc;
    }
    for (int remote = 0; remote <= 1; remote++) {
        for (guint i = 0; i < stores_count(stores) && places.n < MAX_PLACES; i++) {
            struct store *store = stores_at(stores, i);
            if (store_is_remote(store) == remote && is_named(names, store_name(store))) {
                places.stores[places.n++] = store;
            }
        }
    }
    if (places.n == 0) {
        return fault(err, RC_UNAVAILABLE, "The data of image %s is damaged in every store.",
                     image->id);
    }
    *ret_places = places;
    return recipe_db_load(db, image->digest, &ret_places->recipe, err);
}

void
blob_places_clear(struct blob_places *places)
{
    g_clear_pointer(&places->recipe, g_array_unref);
}

enum rc
blob_open(const struct blob_places *places, const char *digest, int *ret_fd, struct err *err)
{
    enum rc rc = RC_NOT_IMPLEMENTED;
    for (unsigned i = 0; rc != RC_OK && i < places->n; i++) {
        if (store_is_remote(places->stores[i])) {
            return fault(err, RC_NOT_IMPLEMENTED, "no local store has blob '%.16s…'", digest);
        }
        rc = store_open(places->stores[i], digest, ret_fd, err);
        if (rc != RC_OK) {
            log_warn("cannot open a blob", kv("store", store_name(places->stores[i])),
                     kv("message", err->message));
        }
    }
    // That a row names bytes which are not there is nothing the client did.
    return rc == RC_NOT_FOUND ? fault(err, RC_INTERNAL, "blob '%.16s…' is missing", digest) : rc;
}

struct fetching {
    int fd;
    int64_t written;
};

static enum rc
write_bytes(void *context, const void *data, size_t size, struct err *err)
{
    struct fetching *fetching = context;
    const char *next = data;
    while (size > 0) {
        ssize_t n = pwrite(fetching->fd, next, size, fetching->written);
        if (n < 0 && errno != EINTR) {
            return fault(err, RC_UNAVAILABLE, "cannot write a copy: %s", g_strerror(errno));
        }
        n = MAX(n, 0);
        next += n;
        size -= (size_t)n;
        fetching->written += n;
    }
    return RC_OK;
}

static enum rc
ignore_bytes(void *context, const void *data, size_t size, struct err *err)
{
    return RC_OK;
}

enum rc
blob_fetch(const struct blob_places *places, const char *digest, int64_t size, int fd,
           struct err *err)
{
    enum rc rc = RC_UNAVAILABLE;
    const struct blob_source copy = {.fd = fd, .digest = digest, .size = size, .is_temp = true};
    for (unsigned i = 0; rc != RC_OK && i < places->n; i++) {
        struct fetching fetching = {fd, 0};
        rc = size ? recipe_get(places->stores[i], places->recipe, digest, 0, size - 1, write_bytes,
                               &fetching, err)
                  : RC_OK;
        if (rc == RC_OK) {
            rc = blob_source_read(&copy, ignore_bytes, NULL, err);
        }
        if (rc != RC_OK) {
            log_warn("cannot fetch a blob", kv("store", store_name(places->stores[i])),
                     kv("message", err->message));
        }
    }
    if (rc == RC_OK && fsync(fd) < 0) {
        rc = fault(err, RC_UNAVAILABLE, "cannot sync a copy: %s", g_strerror(errno));
    }
    return rc;
}
