// SPDX-License-Identifier: Apache-2.0
// The bytes of one image, wherever they are: the stores that hold them, nearest first, each tried
// until one answers.
#pragma once
#include "common/db/db.h"
#include "services/image/store/store.h"

#define MAX_PLACES 16

struct blob_places {
    struct store *stores[MAX_PLACES]; // local ones first, then in the order of the setting
    unsigned n;
};
// RC_UNAVAILABLE: no good copy is left.
enum rc blob_places_find(const struct stores *stores, struct db *db, const char *image_id,
                         struct blob_places *ret_places, struct err *err) CHECKED;
// RC_NOT_IMPLEMENTED: only remote stores have it.
enum rc blob_open(const struct blob_places *places, const char *sha512, int *ret_fd,
                  struct err *err) CHECKED;
// The whole blob into the file, verified by its name, synced. Blocks.
enum rc blob_fetch(const struct blob_places *places, const char *sha512, int64_t size, int fd,
                   struct err *err) CHECKED;
