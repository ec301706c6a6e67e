// SPDX-License-Identifier: Apache-2.0
// What a kind of store is: one row. The functions mean what store.h says of those of the same name.
#pragma once
#include "services/image/store/store.h"

struct store_driver {
    const char *kind;
    bool is_remote;
    // group: the store's settings, "store:fast". temp_path: the directory of temporary files.
    enum rc (*init)(const struct conf *conf, const char *group, const char *temp_path,
                    void **ret_self, struct err *err);
    void (*done)(void *self);
    bool (*is_usable)(void *self);
    bool (*takes_temps)(const void *self);
    json_t *(*describe)(const void *self);
    char *(*url)(const void *self, const char *digest);
    enum rc (*put)(void *self, const struct blob_source *source, struct err *err);
    enum rc (*get)(void *self, const char *digest, int64_t first, int64_t last, blob_sink sink,
                   void *context, struct err *err);
    enum rc (*open)(void *self, const char *digest, int *ret_fd, struct err *err); // NULL: remote
    enum rc (*remove)(void *self, const char *digest, struct err *err);
    enum rc (*each)(void *self, int64_t min_age_s,
                    void (*fn)(void *context, const char *digest, int64_t size), void *context,
                    struct err *err);
    enum rc (*partials)(void *self, GHashTable *ret_names, struct err *err);
    enum rc (*partial_remove)(void *self, const char *digest, struct err *err);
};
extern const struct store_driver file_driver, s3_driver;

bool blob_name_is_valid(const char *name);
// Reads the source's bytes in order, and at the end whether they were what it names: RC_INTERNAL.
enum rc blob_source_read(const struct blob_source *source, blob_sink sink, void *context,
                         struct err *err) CHECKED;
