// SPDX-License-Identifier: Apache-2.0
// One upload, whoever sends the bytes: the row goes to saving, uploading or importing under a
// lease, the bytes through the pipeline into a temporary file, and one transaction makes the file
// the image's blob. Whatever breaks off puts the row back to queued: at once when we notice, by the
// sweeper when we die.
#pragma once
#include "services/image/catalog/image_db.h"
#include "services/image/data/pipeline.h"

struct upload {
    struct image_service *service;
    struct upload_row row;
    image_row *image;
    int fd;
    struct pipeline *pipeline;
    char *adopted;   // NULL, or upload_facts.adopted
    bool is_settled; // the row says how it ended
};
// RC_UNAVAILABLE when too many are in flight.
enum rc upload_new(struct image_service *service, enum upload_kind kind, struct upload **ret_upload,
                   struct err *err) CHECKED;
// Waits for the pipeline's threads. NULL is fine.
void upload_free(struct upload *upload);
// Takes the image over (*image becomes NULL), begins in the database, opens the temporary file.
// wake: pipeline.h.
enum rc upload_start(struct upload *upload, struct db *db, image_row **image,
                     const struct task *task, void (*wake)(void *context), void *context,
                     struct err *err) CHECKED;
// All bytes are in: judges, stores. Blocks.
enum rc upload_finish(struct upload *upload, struct db *db, struct err *err) CHECKED;
// Puts the row back to queued unless it is settled. When even this fails, the lease runs out and
// the sweeper does the same.
void upload_settle_failed(struct upload *upload, struct db *db, const char *reason);
// disk_format and container_format must be known before data comes: RC_INVALID.
enum rc upload_check_image(const image_row *image, struct err *err) CHECKED;
void upload_renew(void *image_service); // the leases of this process' uploads
