// SPDX-License-Identifier: Apache-2.0
// Where the bytes of images are, as rows; and what is swept.
#pragma once
#include "services/image/catalog/image_db.h"

// Names of the stores that the image is in, sorted; only_good: whose bytes may be served.
enum rc location_db_list(struct db *db, const char *image_id, bool only_good, GPtrArray **ret_names,
                         struct err *err) CHECKED;
// The image leaves the store. RC_FORBIDDEN: it is the only one; RC_NOT_FOUND: it is not there.
// Inside db_tx.
enum rc location_db_leave(struct db *db, const char *image_id, const char *store,
                          struct err *err) CHECKED;

// ---- sweeping
// Uploads whose lease ran out have failed; old deleted rows go.
enum rc sweep_db_uploads(struct db *db, int64_t *ret_n_failed, struct err *err) CHECKED;
// Data that was staged longer ago than this goes, and its image is queued again.
enum rc sweep_db_staged(struct db *db, int64_t ttl_s, int64_t *ret_n_removed,
                        struct err *err) CHECKED;
// Names of temporary files that are somebody's.
enum rc sweep_db_live_temps(struct db *db, GHashTable *ret_names, struct err *err) CHECKED;
// Blobs that a live upload or repair may be writing.
enum rc sweep_db_live_blobs(struct db *db, GHashTable *ret_names, struct err *err) CHECKED;

struct place {
    char *digest, *store;
};
void place_free(void *place);
// Places of these stores (text[] literal) that no image wants: at most 400.
enum rc sweep_db_unwanted(struct db *db, const char *stores, GPtrArray **ret_places,
                          struct err *err) CHECKED;
// A claim: nobody writes there any more, the caller deletes the bytes and then says so with it; it
// frees it. NULL: not now. Who says so too late, when somebody else has a claim, changes nothing.
enum rc sweep_db_claim(struct db *db, const struct place *place, char **ret_claim,
                       struct err *err) CHECKED;
enum rc sweep_db_removed(struct db *db, const struct place *place, const char *claim,
                         struct err *err) CHECKED;
// Bytes without a row get one, so that the sweep judges them.
enum rc sweep_db_adopt(struct db *db, const struct place *place, int64_t size,
                       struct err *err) CHECKED;

// ---- scrubbing
struct scrub {
    struct place place;
    int64_t size;
    bool is_cut; // kept as parts
};
void scrub_clear(struct scrub *scrub);
// The place that was not verified for the longest, and for min_age_s at least; it counts as
// verified from now on, so that no two processes take it. RC_NOT_FOUND: none is due.
enum rc scrub_db_next(struct db *db, const char *stores, int64_t min_age_s, struct scrub *ret_scrub,
                      struct err *err) CHECKED;
// A corrupt place that nobody repairs and another store has good, now this caller's to repair; a
// repair that ends without a word is tried again after hours. RC_NOT_FOUND: none.
enum rc scrub_db_next_corrupt(struct db *db, const char *stores, struct scrub *ret_scrub,
                              struct err *err) CHECKED;
// The images in that store are marked, and the bytes are not served from there any more.
enum rc scrub_db_corrupt(struct db *db, const struct place *place, bool *ret_was_present,
                         struct err *err) CHECKED;
enum rc scrub_db_repaired(struct db *db, const struct place *place, struct err *err) CHECKED;
// Another good copy, of these stores. RC_NOT_FOUND: none.
enum rc scrub_db_good_copy(struct db *db, const struct place *place, const char *stores,
                           char **ret_store, struct err *err) CHECKED;
enum rc scrub_db_count_corrupt(struct db *db, int64_t *ret_n, struct err *err) CHECKED;
