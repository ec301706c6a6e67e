// SPDX-License-Identifier: Apache-2.0
// Locations as rows: the URLs that clients gave, and which stores an image is in.
#pragma once
#include "common/db/db.h"
#include <jansson.h>

#define MAX_LOCATIONS 10 // of one image

// An image's entry: {"status", "owner", "visibility", "is_located": its data came from its URLs,
// "blob": null when no file of a store is the whole, "stores": [name…], "urls": [{"url",
// "metadata"}…]}. ids: uuid[] literal. New reference: id → entry; images that are gone have none.
enum rc url_db_load(struct db *db, const char *ids, json_t **ret_entries, struct err *err) CHECKED;
// location: JSON {"url", "metadata"}, added at the end inside db_tx. is_source: the image's data
// came from there. RC_CONFLICT: the image has it already; RC_TOO_LARGE: it has MAX_LOCATIONS.
enum rc url_db_add(struct db *db, const char *image_id, const char *location, bool is_source,
                   struct err *err) CHECKED;
// urls: JSON array of texts. Inside db_tx.
enum rc url_db_remove(struct db *db, const char *image_id, const char *urls,
                      struct err *err) CHECKED;
// New metadata of URLs that are there; locations: JSON array of {"url", "metadata"}.
enum rc url_db_describe(struct db *db, const char *image_id, const char *locations,
                        struct err *err) CHECKED;
