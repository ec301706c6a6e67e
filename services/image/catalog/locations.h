// SPDX-License-Identifier: Apache-2.0
// Locations as clients see and change them: the URLs that they gave, or else the image's places in
// the stores. The data itself is always ours: what a URL names is fetched, judged and hashed before
// the image has it.
#pragma once
#include "services/image/catalog/image_db.h"

// "locations" in the text of an image, or of images joined by commas, where they are shown and the
// policy lets the requester know them.
enum rc locations_in_image(const struct request *request, struct db *db, char **json,
                           struct err *err) CHECKED;
enum rc locations_in_items(const struct request *request, struct db *db, char **items,
                           struct err *err) CHECKED;
// changes: of struct change, all of locations. Blocks for some seconds where one is added.
// RC_INVALID, RC_FORBIDDEN, RC_CONFLICT, RC_TOO_LARGE: Glance's for the same.
enum rc locations_patch(struct request *request, struct db *db, const GArray *changes,
                        struct err *err) CHECKED;

// ---- for locations_patch.c and locations_api.c
// What is shown of an entry of url_db_load: [{"url", "metadata"}…]. New reference.
json_t *locations_of(const struct stores *stores, json_t *entry);
// The entry of one image. RC_NOT_FOUND.
enum rc locations_load(struct db *db, const char *image_id, json_t **ret_entry,
                       struct err *err) CHECKED;
struct job_end;
// The data at value's "url" (with its "metadata" and "validation_data") becomes a queued image's,
// or is compared with an active one's. Takes the image over. rc: of what is wrong with
// validation_data. ret_end: job.h; the caller unrefs.
enum rc locations_begin(struct request *request, struct db *db, image_row **image, json_t *value,
                        enum rc refusal, struct job_end **ret_end, struct err *err) CHECKED;
