// SPDX-License-Identifier: Apache-2.0
// The bytes of one image, wherever they are: the stores that hold them, nearest first, each tried
// until one answers.
#pragma once
#include "services/image/catalog/image_db.h"
#include "services/image/store/recipe.h"

#define MAX_PLACES 16

struct blob_places {
    struct store *stores[MAX_PLACES]; // local ones first, then in the order of the setting
    unsigned n;
    GArray *recipe; // NULL: the blob has its own bytes; a reference
};
void blob_places_clear(struct blob_places *places);
// RC_UNAVAILABLE: no good copy is left.
enum rc blob_places_find(const struct stores *stores, struct db *db, const image_row *image,
                         struct blob_places *ret_places, struct err *err) CHECKED;
// Of a blob that has its own bytes. RC_NOT_IMPLEMENTED: only remote stores have it.
enum rc blob_open(const struct blob_places *places, const char *digest, int *ret_fd,
                  struct err *err) CHECKED;
// The whole blob into the file, verified by its name, synced. Blocks.
enum rc blob_fetch(const struct blob_places *places, const char *digest, int64_t size, int fd,
                   struct err *err) CHECKED;
