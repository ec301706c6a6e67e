// SPDX-License-Identifier: Apache-2.0
// One upload, whoever sends the bytes: the row goes to saving, uploading or importing under a
// lease, the bytes through the pipeline into a temporary file, from there to the stores, and one
// transaction makes them the image's data. Whatever breaks off puts the row back to what it was: at
// once when we notice, by the sweeper when we die.
#pragma once
#include "services/image/data/pipeline.h"
#include "services/image/data/upload_db.h"
#include "services/image/image.h"

// A URL that somebody gave as a location of an image. The data is fetched and judged like any
// other; an image that has data already must have the same.
struct location {
    char *text;                     // JSON {"url", "metadata"}
    char *md5, *hash;               // what the bytes must have; NULL: anything
    const struct digest_algo *algo; // hash them with this; NULL: as set
};
void location_free(struct location *location); // NULL is fine

struct upload {
    struct image_service *service;
    struct upload_row row;
    image_row *image;
    int fd; // the temporary file; -1: none, or not made yet
    struct pipeline *pipeline;
    char *adopted;             // NULL, or upload_facts.adopted
    struct location *location; // NULL, or where the bytes come from
    char **stores;             // names, sorted: where the bytes go
    bool has_place;            // of the service's
    bool must_all;             // one store that fails fails all
    char *failed;              // NULL, or the stores that failed, "a,b"
    bool is_settled;           // the row says how it ended
    bool keeps_temp;           // the temporary file is the image's staged data now
};
// stores: taken over; NULL: the default one.
struct upload *upload_new(struct image_service *service, enum upload_kind kind, char **stores);
// Waits for the pipeline's threads. NULL is fine.
void upload_free(struct upload *upload);
// Takes the image over (*image becomes NULL) and one of its owner's places, begins in the database.
// task: NULL, or the import's. ret_room: as in upload_db_begin. RC_UNAVAILABLE: no place is free.
enum rc upload_begin(struct upload *upload, struct db *db, image_row **image,
                     const struct task *task, int64_t *ret_room, struct err *err) CHECKED;
// Begins, opens the temporary file and the pipeline. wake: pipeline.h.
enum rc upload_start(struct upload *upload, struct db *db, image_row **image,
                     const struct task *task, void (*wake)(void *context), void *context,
                     struct err *err) CHECKED;
// All bytes are in: judges, stores. Blocks.
enum rc upload_finish(struct upload *upload, struct db *db, struct err *err) CHECKED;
// Puts the row back unless it is settled. When even this fails, the lease runs out and the sweeper
// does the same.
void upload_settle_failed(struct upload *upload, struct db *db, const char *reason);
// disk_format and container_format must be known before data comes: RC_INVALID.
enum rc upload_check_image(const image_row *image, struct err *err) CHECKED;
void upload_renew(void *image_service); // the leases of this process' uploads

// Brings the bytes to every store of the upload and makes them the image's (publish.c). Settles the
// upload. Blocks for as long as the slowest store.
enum rc upload_publish(struct upload *upload, struct db *db, const struct upload_facts *facts,
                       const struct blob_source *source, struct err *err) CHECKED;
