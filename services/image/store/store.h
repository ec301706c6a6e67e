// SPDX-License-Identifier: Apache-2.0
// The blob store: content-addressed files under one directory, blobs/<first two digits>/<sha512>,
// and the temporary files of uploads, tmp/<upload id>. A blob is placed by a hard link of its
// finished temporary file, which may be done again.
#pragma once
#include "common/base/err.h"
#include <glib.h>
#include <stdint.h>

struct store;
// Makes the directories. RC_UNAVAILABLE when they cannot be made or written.
enum rc store_new(const char *path, struct store **ret_store, struct err *err) CHECKED;
void store_free(struct store *store);

enum rc store_temp_create(struct store *store, const char *upload_id, int *ret_fd,
                          struct err *err) CHECKED;
void store_temp_remove(struct store *store, const char *upload_id); // none there is fine
GPtrArray *store_temp_list(struct store *store);                    // names; owned texts

// The temporary file, already synced, becomes the blob as well; both directories are safe on disk
// afterwards.
enum rc store_blob_place(struct store *store, const char *upload_id, const char *sha512,
                         struct err *err) CHECKED;
enum rc store_blob_open(struct store *store, const char *sha512, int *ret_fd,
                        struct err *err) CHECKED;
enum rc store_blob_remove(struct store *store, const char *sha512, struct err *err) CHECKED;
// Calls fn for every blob file that is older than min_age_s.
void store_blob_each(struct store *store, int64_t min_age_s,
                     void (*fn)(const char *sha512, int64_t size, void *context), void *context);
bool store_is_writable(struct store *store);
