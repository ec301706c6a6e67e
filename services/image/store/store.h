// SPDX-License-Identifier: Apache-2.0
// The stores that hold blobs, by content: a table of drivers (driver.h), one store per name in
// [stores] enabled. Beside them one local directory for files that are not yet anybody's blob:
// uploads on their way and staged data, tmp/<upload id> under [store] path.
#pragma once
#include "common/base/err.h"
#include "common/conf/conf.h"
#include <glib.h>
#include <jansson.h>
#include <stdint.h>

struct stores;
struct store;
// RC_INVALID names the setting; RC_UNAVAILABLE: a directory cannot be made or written.
enum rc stores_new(const struct conf *conf, struct stores **ret_stores, struct err *err) CHECKED;
void stores_free(struct stores *stores); // NULL is fine
guint stores_count(const struct stores *stores);
struct store *stores_at(const struct stores *stores, guint i); // in the order of the setting
struct store *stores_find(const struct stores *stores, const char *name); // NULL: none
struct store *stores_default(const struct stores *stores);
const char *stores_ids(const struct stores *stores); // "fast,archive"
// False with the name of the first local store, or the temporary directory, that cannot be written.
bool stores_are_usable(struct stores *stores, const char **ret_culprit);

const char *store_name(const struct store *store);
const char *store_description(const struct store *store);
const char *store_kind(const struct store *store); // "file", "s3"
bool store_is_remote(const struct store *store);   // bytes come by the network
bool store_takes_temps(const struct store *store); // temporary files become blobs by a link
// What an administrator may know of it; no secrets. New reference.
json_t *store_describe(const struct store *store);
char *store_url(const struct store *store, const char *digest); // of a blob; the caller frees

// ---- temporary files
enum rc stores_temp_create(struct stores *stores, const char *upload_id, int *ret_fd,
                           struct err *err) CHECKED;
enum rc stores_temp_open(struct stores *stores, const char *upload_id, int *ret_fd,
                         struct err *err) CHECKED;
void stores_temp_remove(struct stores *stores, const char *upload_id); // none there is fine
GPtrArray *stores_temp_list(struct stores *stores);                    // names; owned texts

// ---- blobs, named by the digest of their bytes: of any algorithm in common/base/digest.h, each
// kind beside the others, whatever new ones are made with. Everything here may block.
struct blob_range {
    int64_t offset, size;
};
struct blob_source {
    int fd;             // the whole file, synced
    const char *digest; // what it holds
    int64_t size;
    bool is_temp; // nobody else's file: a local store may take it over by a link
    // When there are any, only these bytes of the file, in this order; not is_temp.
    const struct blob_range *ranges;
    unsigned n_ranges;
};
// Makes the bytes the store's blob of that name, whole or not at all, in place of what was there;
// safe on disk afterwards. Reads that do not give the named content: RC_INTERNAL.
enum rc store_put(struct store *store, const struct blob_source *source, struct err *err) CHECKED;
// Bytes in order; returning anything but RC_OK ends the transfer with it.
typedef enum rc (*blob_sink)(void *context, const void *data, size_t size, struct err *err);
// RC_NOT_FOUND: no such blob there; RC_UNAVAILABLE: the store does not answer.
enum rc store_get(struct store *store, const char *digest, int64_t first, int64_t last,
                  blob_sink sink, void *context, struct err *err) CHECKED;
// Of a local store: a descriptor. Remote: RC_NOT_IMPLEMENTED. RC_NOT_FOUND as above.
enum rc store_open(struct store *store, const char *digest, int *ret_fd, struct err *err) CHECKED;
// With what unfinished writes of it left. Not there is fine.
enum rc store_remove(struct store *store, const char *digest, struct err *err) CHECKED;
// Calls fn for every blob that is older than min_age_s.
enum rc store_each(struct store *store, int64_t min_age_s,
                   void (*fn)(void *context, const char *digest, int64_t size), void *context,
                   struct err *err) CHECKED;
// The blobs whose writes are unfinished: owned texts, each name once.
enum rc store_partials(struct store *store, GHashTable *ret_names, struct err *err) CHECKED;
enum rc store_partial_remove(struct store *store, const char *digest, struct err *err) CHECKED;
