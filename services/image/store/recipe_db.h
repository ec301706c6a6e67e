// SPDX-License-Identifier: Apache-2.0
// Rows of what blobs are made of.
#pragma once
#include "common/db/db.h"
#include "services/image/store/recipe.h"

// JSON array for blob_part; NULL for NULL. The caller frees.
char *recipe_to_json(const GArray *recipe);
// *ret_recipe NULL: the blob has its own bytes. The caller unrefs.
enum rc recipe_db_load(struct db *db, const char *digest, GArray **ret_recipe,
                       struct err *err) CHECKED;
// The blob's row until the transaction ends: who may write its bytes and who may delete them
// exclude each other by it. Inside db_tx.
enum rc blob_db_lock(struct db *db, const char *digest, struct err *err) CHECKED;
