// SPDX-License-Identifier: Apache-2.0
// Uploads as rows: begun and leased, announced, stored or failed. Imports, copies and locations are
// uploads too, fed from elsewhere; their tasks tell how it went.
#pragma once
#include "services/image/catalog/image_db.h"
#include "services/image/store/recipe.h"

enum upload_kind {
    UPLOAD_FILE,
    UPLOAD_STAGE,
    UPLOAD_FETCH,
    UPLOAD_DIRECT,
    UPLOAD_COPY,
    UPLOAD_LOCATION
};
struct upload_row {
    enum upload_kind kind;
    const char *image_id;
    char upload_id[UUID_SIZE];
    int64_t size; // as announced; -1 unknown
};
struct task {
    char id[UUID_SIZE];
    const char *type; // "import", "api_image_import" or "location_import"
    const char *image_id, *owner, *user_id, *request_id;
    json_t *input;
};
struct upload_begin {
    const image_row *image;
    const struct upload_row *upload;
    const struct task *task; // NULL: not an import
    const char *stores;      // of an import: "archive,fast", sorted
    int n_stores;
};
// The image's row moves by the upload's kind and is leased to this process. RC_CONFLICT: not in a
// state for it; RC_TOO_LARGE: the announced size or the number of uploads does not fit the quota.
// ret_room: bytes that the owner's quota leaves.
enum rc upload_db_begin(struct db *db, const struct upload_begin *begin, int64_t *ret_room,
                        struct err *err) CHECKED;
struct upload_facts {
    const struct upload_row *upload;
    const char *owner, *name;
    const char *md5, *digest;
    int64_t size, virtual_size; // virtual_size -1: unknown
    const char *format;         // as recognised
    const char *adopted;  // NULL, or JSON: disk_format, container_format, properties to take over
    const char *location; // NULL, or JSON: the URL that they are from (store/url_db.h)
    const char *archive;  // kind, as recognised
    const char *inside;   // a compressed disk's format
    const char *layers;   // JSON array, catalog/layer_db.h; NULL: as they are
    const GArray *recipe; // how it may be cut; NULL: not at all
};
// RC_GONE.
enum rc upload_gone(const struct upload_row *upload, struct err *err);
// Rows for the blob, its parts and their places in the stores (text[] literal), so that bytes under
// that name never go unnoticed (announce_db.c). ret_recipe: how it must be stored; NULL: as one.
// The caller unrefs. RC_GONE: the image or the lease is not ours any more; RC_UNAVAILABLE with type
// "removing": the bytes are just being deleted there, try again.
enum rc upload_db_announce(struct db *db, const struct upload_facts *facts, const char *stores,
                           GArray **ret_recipe, struct err *err) CHECKED;
struct upload_stored {
    const char *stores; // text[] literal: hold the bytes now
    const char *failed; // "archive": of this import so far, sorted
    bool ends;          // nothing more will come
};
// What is in the stores becomes the image's: active with data and usage, or in more stores. RC_GONE
// as above; RC_TOO_LARGE: the quota.
enum rc upload_db_store(struct db *db, const struct upload_facts *facts,
                        const struct upload_stored *stored, struct err *err) CHECKED;
// The temporary file becomes the image's staged data.
enum rc upload_db_stage(struct db *db, const struct upload_facts *facts, struct err *err) CHECKED;
// Back to what it was, if it is still this upload. reason: for the task. failed: stores, NULL: all.
enum rc upload_db_fail(struct db *db, const struct upload_row *upload, const char *failed,
                       const char *reason, struct err *err) CHECKED;
// ids: uuid[] literal.
enum rc upload_db_renew(struct db *db, const char *ids, struct err *err) CHECKED;

// ---- imports
struct staged { // owned texts; file NULL: nothing is staged
    char *file, *digest, *md5, *format;
    char *archive, *inside; // kind, and a compressed disk's format
    int64_t size, virtual_size;
};
void staged_clear(struct staged *staged);
enum rc import_db_staged(struct db *db, const char *image_id, struct staged *ret_staged,
                         struct err *err) CHECKED;
