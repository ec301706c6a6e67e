// SPDX-License-Identifier: Apache-2.0
// Rows of what image archives are made of.
#pragma once
#include "common/db/db.h"
#include <glib.h>

// layers: of struct archive_layer, or NULL. JSON array; the caller frees.
char *layers_to_json(const GArray *layers);
// Inside db_tx: these and no others are the image's layers.
enum rc layer_db_replace(struct db *db, const char *image_id, const char *layers,
                         struct err *err) CHECKED;
// JSON array as the API shows it; the caller frees.
enum rc layer_db_list(struct db *db, const char *image_id, char **ret_json,
                      struct err *err) CHECKED;
