// SPDX-License-Identifier: Apache-2.0
// Imports that are not asked for by POST /v2/images/{id}/import.
#pragma once
#include "services/image/catalog/image_db.h"

struct import_order {
    struct request *request; // whose user it is for
    struct db *db;
    const char *url;
    json_t *input; // of the task
};
// A web-download into a queued image begins, told of by a task of type import. Takes the image over
// (*image becomes NULL). RC_INVALID: a URL that is not allowed; otherwise as upload_db_begin.
enum rc import_begin_url(const struct import_order *order, image_row **image,
                         char ret_task_id[UUID_SIZE], struct err *err) CHECKED;
// The data at a location becomes a queued image's, or is compared with an active one's. Takes the
// image over (*image becomes NULL) and the location. ret_end: data/job.h; the caller unrefs.
// Outcomes as above.
struct location;
struct job_end;
enum rc import_begin_location(const struct import_order *order, struct location *location,
                              image_row **image, struct job_end **ret_end, struct err *err) CHECKED;
