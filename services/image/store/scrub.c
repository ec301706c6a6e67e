// SPDX-License-Identifier: Apache-2.0
#include "services/image/store/scrub.h"

#include "common/base/digest.h"
#include "common/log/log.h"
#include "services/image/image.h"
#include "services/image/store/blob.h"
#include "services/image/store/driver.h"
#include "services/image/store/location_db.h"

#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

static struct {
    _Atomic int64_t n_verified, n_corrupt, n_repaired, n_waiting;
} counts;
static const struct metric metrics[] = {
    // clang-format off
    {"haneul_image_scrub_verified_total", "counter", "blobs that were read and found whole", NULL, &counts.n_verified},
    {"haneul_image_scrub_corrupt_total",  "counter", "blobs that were found damaged or missing", NULL, &counts.n_corrupt},
    {"haneul_image_scrub_repaired_total", "counter", "damaged blobs written again from another store", NULL, &counts.n_repaired},
    {"haneul_image_corrupt_blobs",        "gauge",   "damaged blobs that wait for a repair", NULL, &counts.n_waiting},
    // clang-format on
};

void
scrub_register_metrics(void)
{
    metrics_register(metrics, G_N_ELEMENTS(metrics));
}

struct reading {
    struct image_service *image;
    EVP_MD_CTX *digest;
    int64_t started_ms, n_read;
};

// Waits for as long as the rate asks; gives up when the service stops.
static enum rc
sum_bytes(void *context, const void *data, size_t size, struct err *err)
{
    struct reading *reading = context;
    struct service *service = reading->image->service;
    EVP_DigestUpdate(reading->digest, data, size);
    reading->n_read += (int64_t)size;
    int64_t due_ms = reading->n_read / MAX(reading->image->scrub_rate / 1000, 1);
    int64_t ahead_ms = due_ms - (monotonic_ms() - reading->started_ms);
    bool stops = service_is_stopping(service) ||
                 (ahead_ms > 0 && service_wait_stop(service, (int)MIN(ahead_ms, 60000)));
    return stops ? fault(err, RC_GONE, "the service is stopping") : RC_OK;
}

// RC_INTERNAL: not what the name says; RC_NOT_FOUND: not there.
static enum rc
verify(struct image_service *image, const struct scrub *scrub, struct err *err)
{
    const struct digest_algo *algo = digest_algo_of(scrub->place.digest);
    struct reading reading = {image, digest_new(algo->evp()), monotonic_ms(), 0};
    struct store *store = stores_find(image->stores, scrub->place.store);
    char hex[2 * EVP_MAX_MD_SIZE + 1];
    enum rc rc = scrub->size ? store_get(store, scrub->place.digest, 0, scrub->size - 1, sum_bytes,
                                         &reading, err)
                             : RC_OK;
    digest_to_hex(reading.digest, hex);
    EVP_MD_CTX_free(reading.digest);
    return rc == RC_OK && strcmp(hex, scrub->place.digest)
               ? fault(err, RC_INTERNAL, "the bytes are not those of the name")
               : rc;
}

static enum rc
judge(struct image_service *image, struct db *db, const struct scrub *scrub, struct err *err)
{
    if (scrub->is_cut) {
        return RC_OK; // has no bytes of its own; its parts have their turn
    }
    struct err found = {0};
    enum rc rc = verify(image, scrub, &found);
    if (rc == RC_OK) {
        counts.n_verified++;
        return RC_OK;
    }
    if (rc != RC_INTERNAL && rc != RC_NOT_FOUND) {
        *err = found;
        return rc;
    }
    bool was_present = false;
    rc = scrub_db_corrupt(db, &scrub->place, &was_present, err);
    if (rc == RC_OK && was_present) {
        counts.n_corrupt++;
        log_error("a blob is damaged", kv("store", scrub->place.store),
                  kv("blob", scrub->place.digest), kv("message", found.message));
    }
    return rc;
}

// From the store that has it good, by a nameless file here.
static enum rc
restore(struct image_service *image, const struct scrub *scrub, struct store *from, struct err *err)
{
    const struct blob_places places = {.stores = {from}, .n = 1};
    char id[UUID_SIZE];
    int fd = -1;
    uuid_new(id);
    enum rc rc = stores_temp_create(image->stores, id, &fd, err);
    if (rc != RC_OK) {
        return rc;
    }
    stores_temp_remove(image->stores, id);
    rc = blob_fetch(&places, scrub->place.digest, scrub->size, fd, err);
    if (rc == RC_OK) {
        const struct blob_source source = {
            .fd = fd, .digest = scrub->place.digest, .size = scrub->size};
        rc = store_put(stores_find(image->stores, scrub->place.store), &source, err);
    }
    close(fd);
    return rc;
}

static enum rc
repair(struct image_service *image, struct db *db, const char *stores, const struct scrub *scrub,
       struct err *err)
{
    g_autofree char *from = NULL;
    enum rc rc = scrub_db_good_copy(db, &scrub->place, stores, &from, err);
    if (rc == RC_OK) {
        rc = restore(image, scrub, stores_find(image->stores, from), err);
    }
    if (rc == RC_OK) {
        rc = scrub_db_repaired(db, &scrub->place, err);
    }
    if (rc == RC_OK) {
        counts.n_repaired++;
        log_info("repaired a blob", kv("store", scrub->place.store), kv("from", from),
                 kv("blob", scrub->place.digest));
    }
    return rc;
}

static enum rc
repair_all(struct image_service *image, struct db *db, const char *stores, struct err *err)
{
    for (;;) {
        struct scrub scrub = {0};
        enum rc rc = scrub_db_next_corrupt(db, stores, &scrub, err);
        if (rc != RC_OK || service_is_stopping(image->service)) {
            scrub_clear(&scrub);
            return rc == RC_NOT_FOUND ? RC_OK : rc;
        }
        struct err failure = {0};
        if (repair(image, db, stores, &scrub, &failure) != RC_OK) {
            log_warn("cannot repair a blob", kv("store", scrub.place.store),
                     kv("blob", scrub.place.digest), kv("message", failure.message));
        }
        scrub_clear(&scrub);
    }
}

static enum rc
verify_all(struct image_service *image, struct db *db, const char *stores, struct err *err)
{
    enum rc rc = RC_OK;
    while (rc == RC_OK && !service_is_stopping(image->service)) {
        struct scrub scrub = {0};
        rc = scrub_db_next(db, stores, image->scrub_age_s, &scrub, err);
        if (rc == RC_OK) {
            rc = judge(image, db, &scrub, err);
        }
        scrub_clear(&scrub);
        if (rc == RC_OK) { // not after all the rest: that may take days
            rc = repair_all(image, db, stores, err);
        }
    }
    return rc == RC_NOT_FOUND || rc == RC_GONE ? RC_OK : rc;
}

void
scrub_run(void *context)
{
    struct image_service *image = context;
    g_autofree char *stores = g_strdup_printf("{%s}", stores_ids(image->stores));
    struct db *db;
    struct err err = {0};
    int64_t n_waiting = 0;
    enum rc rc = db_get(service_db(image->service), &db, &err);
    if (rc == RC_OK) {
        rc = verify_all(image, db, stores, &err);
    }
    if (rc == RC_OK) {
        rc = repair_all(image, db, stores, &err);
    }
    if (rc == RC_OK) {
        rc = scrub_db_count_corrupt(db, &n_waiting, &err);
        counts.n_waiting = n_waiting;
    }
    if (rc != RC_OK) {
        log_warn("cannot scrub the image stores", kv("message", err.message));
    }
}
