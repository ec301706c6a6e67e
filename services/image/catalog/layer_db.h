// SPDX-License-Identifier: Apache-2.0
// Rows of what image archives are made of.
#pragma once
#include "common/db/db.h"
#include "services/image/format/archive.h"
#include <glib.h>

// JSON array of the archive's layers; the caller frees.
char *layers_to_json(const struct archive_verdict *archive);
// The layers that lie in the archive as they are: of struct archive_layer, only offset and size are
// filled. The caller frees.
enum rc layer_db_extents(struct db *db, const char *image_id, GArray **ret_layers,
                         struct err *err) CHECKED;
// Inside db_tx: these and no others are the image's layers.
enum rc layer_db_replace(struct db *db, const char *image_id, const char *layers,
                         struct err *err) CHECKED;
// JSON array as the API shows it; the caller frees.
enum rc layer_db_list(struct db *db, const char *image_id, char **ret_json,
                      struct err *err) CHECKED;
