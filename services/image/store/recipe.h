// SPDX-License-Identifier: Apache-2.0
// Blobs that are kept as others, one after the other: an image archive as its layers, which other
// archives share, and one blob of all that lies between them. Whether a blob is, its rows say
// (recipe_db.h), and it is the same in every store.
#pragma once
#include "common/base/digest.h"
#include "services/image/store/store.h"

struct recipe_piece {
    char part[DIGEST_HEX_MAX + 1]; // the blob that has the bytes
    int64_t first, size;           // which of them
    int64_t part_size;
};
// A recipe is a GArray of these, in the order of the whole; its references are counted.

// Cuts a whole file at its layers (format/archive_cut.h); reads all of it. *ret_recipe NULL: there
// is nothing to cut. RC_INTERNAL: the file does not hold the blob digest.
enum rc recipe_make(const struct blob_source *whole, const GArray *layers, GArray **ret_recipe,
                    struct err *err) CHECKED;
// The whole from the file into the store: as one blob, or part by part. recipe NULL: as one.
enum rc recipe_put(struct store *store, const GArray *recipe, const struct blob_source *whole,
                   struct err *err) CHECKED;
// As store_get of the whole.
enum rc recipe_get(struct store *store, const GArray *recipe, const char *digest, int64_t first,
                   int64_t last, blob_sink sink, void *context, struct err *err) CHECKED;
// The piece that holds the whole's byte at `offset`, and where it begins in the whole.
const struct recipe_piece *recipe_at(const GArray *recipe, int64_t offset, int64_t *ret_begin);
