// SPDX-License-Identifier: Apache-2.0
#include "services/image/data/upload_db.h"

#include "common/base/digest.h"
#include "common/db/lease.h"
#include "common/db/usage.h"
#include "services/image/catalog/image_fsm.h"
#include "services/image/catalog/image_sql.h"
#include "services/image/catalog/layer_db.h"
#include "services/image/store/url_db.h"

#include <string.h>

#define LEASE_END "now() + interval '" G_STRINGIFY(UPLOAD_LEASE_S) " seconds'"

struct begin {
    const struct upload_begin *what;
    const char *status;
    int64_t *ret_room;
};

// What each kind needs: its step of the life cycle, the quota that its bytes count against, and the
// sentence when the image is not in a state for it.
static const struct {
    enum image_event event;
    int quota, room; // QUOTA_…; room: of the bytes that come
    bool counts;     // as one more upload
    bool is_import;
} kinds[] = {
    [UPLOAD_FILE] = {IMAGE_UPLOAD, QUOTA_SIZE, QUOTA_SIZE, true, false},
    [UPLOAD_STAGE] = {IMAGE_STAGE, QUOTA_STAGE, QUOTA_STAGE, true, false},
    [UPLOAD_FETCH] = {IMAGE_FETCH, QUOTA_STAGE, QUOTA_SIZE, true, true},
    [UPLOAD_DIRECT] = {IMAGE_IMPORT, QUOTA_SIZE, QUOTA_SIZE, false, true},
    [UPLOAD_COPY] = {IMAGE_COPY, QUOTA_STAGE, QUOTA_SIZE, true, true},
    [UPLOAD_LOCATION] = {IMAGE_COPY, QUOTA_STAGE, QUOTA_STAGE, true, true},
};

// A client's bytes whose number nobody told. As in Glance they may come while the owner is not over
// the limit, so that one of them crosses it; all else must fit.
static bool
is_open_ended(const struct upload_row *upload)
{
    return upload->size < 0 && (upload->kind == UPLOAD_FILE || upload->kind == UPLOAD_STAGE);
}

static enum rc
check_quotas(struct db *db, const struct upload_begin *what, struct err *err)
{
    int64_t size = is_open_ended(what->upload) ? 0 : MAX(what->upload->size, 1);
    enum upload_kind kind = what->upload->kind;
    int64_t n = MAX(what->n_stores, 1);
    // Bytes in the stores count once per store, staged ones once.
    const struct quota_request requests[] = {
        {&image_quotas[kinds[kind].quota], kinds[kind].quota == QUOTA_SIZE ? size * n : size},
        {&image_quotas[QUOTA_SIZE], kinds[kind].room == QUOTA_STAGE ? 0 : size * n},
        {&image_quotas[QUOTA_UPLOADING], kinds[kind].counts},
    };
    return quota_refusal(quota_check(db, what->image->owner, requests, N_ELEMENTS(requests), err),
                         err);
}

static enum rc
task_add(struct db *db, const struct upload_begin *what, struct err *err)
{
    const struct task *task = what->task;
    g_autofree char *input = json_dumps(task->input, JSON_COMPACT);
    return db_run(
        db,
        "INSERT INTO image_task (id, image_id, upload_id, status, owner, user_id, request_id, "
        "input, type) VALUES ($1::uuid, $2::uuid, $3::uuid, 'processing', $4, $5, $6, $7::jsonb, "
        "$8)",
        DB_ARGS(db_s(task->id), db_s(task->image_id), db_s(what->upload->upload_id),
                db_s(task->owner), db_s(task->user_id), db_s(task->request_id), db_s(input),
                db_s(task->type)),
        NULL, err);
}

static enum rc
begin_row(struct db *db, const struct begin *begin, struct err *err)
{
    const struct upload_begin *what = begin->what;
    g_autoptr(db_result) result = NULL;
    enum rc rc = db_run(
        db,
        "UPDATE image SET status = $2, upload_id = $3::uuid, upload_owner = $4, upload_size = $5, "
        "upload_until = " LEASE_END ", properties = CASE WHEN $7::text IS NULL THEN properties - "
        "'" FAILED_IMPORT "' ELSE properties || jsonb_build_object('" IMPORTING_TO
        "', $7::text, '" FAILED_IMPORT "', '', '" IMPORT_TASK
        "', $8::text) END, updated_at = now() WHERE id = $1::uuid AND status = $6 AND upload_id IS "
        "NULL",
        DB_ARGS(db_s(what->image->id), db_s(begin->status), db_s(what->upload->upload_id),
                db_s(lease_owner()), db_i(MAX(what->upload->size, 0)), db_s(what->image->status),
                db_s(what->task ? what->stores : NULL), db_s(what->task ? what->task->id : NULL)),
        &result, err);
    if (rc == RC_OK && db_n_affected(result) != 1) {
        return fault(err, RC_CONFLICT,
                     "New operation on image '%s' is not permitted as prior operation is still in "
                     "progress",
                     what->image->id);
    }
    return rc;
}

static enum rc
find_room(struct db *db, const struct upload_begin *what, int64_t *ret_room, struct err *err)
{
    const struct quota_resource *quota = &image_quotas[kinds[what->upload->kind].room];
    int64_t room = 0, limit = 0;
    enum rc rc = quota_room(db, quota, what->image->owner, &room, err);
    if (rc == RC_OK && is_open_ended(what->upload)) { // what crosses the limit has a bound, too
        rc = quota_limit(db, quota, what->image->owner, &limit, err);
    }
    if (rc == RC_OK) {
        bool is_unlimited = room == INT64_MAX || limit < 0;
        *ret_room = is_unlimited ? INT64_MAX : room + limit + MAX(what->upload->size, 0);
    }
    return rc;
}

static enum rc
begin_in_tx(struct db *db, void *argument, struct err *err)
{
    const struct begin *begin = argument;
    // A direct upload's begin may be lost with the database: then its end finds no row of its own.
    // HTTP threads and everybody behind the quota's lock do not wait for the disk.
    enum rc rc = begin->what->task
                     ? RC_OK
                     : db_run(db, "SET LOCAL synchronous_commit = off", DB_NONE, NULL, err);
    if (rc == RC_OK) {
        rc = check_quotas(db, begin->what, err);
    }
    if (rc == RC_OK) {
        rc = begin_row(db, begin, err);
    }
    if (rc == RC_OK && begin->what->task) {
        rc = task_add(db, begin->what, err);
    }
    return rc == RC_OK ? find_room(db, begin->what, begin->ret_room, err) : rc;
}

enum rc
upload_db_begin(struct db *db, const struct upload_begin *what, int64_t *ret_room, struct err *err)
{
    struct begin begin = {what, NULL, ret_room};
    enum rc rc =
        image_fsm_step(what->image->status, kinds[what->upload->kind].event, &begin.status, err);
    return rc == RC_OK ? db_tx(db, begin_in_tx, &begin, err) : rc;
}

enum rc
upload_gone(const struct upload_row *upload, struct err *err)
{
    return fault(err, RC_GONE,
                 "Image %s could not be found after upload. The image may have been deleted during "
                 "the upload, cleaning up the chunks uploaded.",
                 upload->image_id);
}

struct storing {
    const struct upload_facts *facts;
    const struct upload_stored *stored;
};

// ret_first: the image had no data before.
static enum rc
activate(struct db *db, const struct upload_facts *facts, bool *ret_first, struct err *err)
{
    g_autoptr(db_result) result = NULL;
    struct db_arg virtual_size = facts->virtual_size >= 0 ? db_i(facts->virtual_size) : db_s(NULL);
    enum rc rc = db_run(
        db,
        "UPDATE image SET status = 'active', size = $3, virtual_size = $4, checksum = $5, "
        "os_hash_algo = $8, os_hash_value = $6, blob = $6, updated_at = now(), disk_format = "
        "COALESCE($7::jsonb->>'disk_format', disk_format), container_format = "
        "COALESCE($7::jsonb->>'container_format', container_format), properties = properties || "
        "COALESCE($7::jsonb->'properties', '{}'), " NO_STAGED
        " WHERE id = $1::uuid AND upload_id = $2::uuid AND status IN ('saving', 'importing')",
        DB_ARGS(db_s(facts->upload->image_id), db_s(facts->upload->upload_id), db_i(facts->size),
                virtual_size, db_s(facts->md5), db_s(facts->digest), db_s(facts->adopted),
                db_s(digest_algo_of(facts->digest)->name)),
        &result, err);
    if (rc == RC_OK) {
        *ret_first = db_n_affected(result) == 1;
    }
    return rc;
}

// The image's places, and how far it is.
static enum rc
add_places(struct db *db, const struct storing *storing, struct err *err)
{
    const struct upload_facts *facts = storing->facts;
    g_autoptr(db_result) places = NULL;
    g_autoptr(db_result) image = NULL;
    enum rc rc = db_run(db,
                        "UPDATE blob_location SET state = 'present', changed_at = now(), "
                        "verified_at = now() WHERE digest IN (SELECT $1 UNION SELECT part FROM "
                        "blob_part WHERE digest = $1) AND store = ANY ($2::text[]) AND state <> "
                        "'removing'",
                        DB_ARGS(db_s(facts->digest), db_s(storing->stored->stores)), &places, err);
    if (rc == RC_OK) {
        rc = db_run(db,
                    "INSERT INTO image_location (image_id, store) SELECT $1::uuid, s FROM "
                    "unnest($2::text[]) s ON CONFLICT DO NOTHING",
                    DB_ARGS(db_s(facts->upload->image_id), db_s(storing->stored->stores)), NULL,
                    err);
    }
    const char *sql =
        storing->stored->ends
            ? "UPDATE image SET updated_at = now(), properties = CASE WHEN properties ? "
              "'" IMPORT_TASK "' THEN properties - '" IMPORT_TASK "' || jsonb_build_object("
              "'" IMPORTING_TO "', '', '" FAILED_IMPORT
              "', $4::text) ELSE properties END, " NO_UPLOAD
              " WHERE id = $1::uuid AND upload_id = $2::uuid AND blob IS NOT NULL AND "
              "$3::text[] IS NOT NULL"
            : "UPDATE image SET updated_at = now(), properties = properties || "
              "jsonb_build_object('" FAILED_IMPORT "', $4::text, '" IMPORTING_TO
              "', array_to_string(ARRAY(SELECT s FROM unnest(string_to_array(properties->>"
              "'" IMPORTING_TO "', ',')) s WHERE s <> ALL ($3::text[] || string_to_array($4, ','))"
              " ORDER BY s), ',')) "
              "WHERE id = $1::uuid AND upload_id = $2::uuid AND blob IS NOT NULL";
    if (rc == RC_OK) {
        rc = db_run(db, sql,
                    DB_ARGS(db_s(facts->upload->image_id), db_s(facts->upload->upload_id),
                            db_s(storing->stored->stores), db_s(storing->stored->failed)),
                    &image, err);
    }
    return rc == RC_OK && db_n_affected(image) != 1 ? upload_gone(facts->upload, err) : rc;
}

static enum rc
finish_task(struct db *db, const struct upload_row *upload, const char *status, const char *message,
            struct err *err)
{
    return kinds[upload->kind].is_import
               ? db_run(db,
                        "UPDATE image_task SET status = $2, message = $3, updated_at = now() "
                        "WHERE upload_id = $1::uuid AND status = 'processing'",
                        DB_ARGS(db_s(upload->upload_id), db_s(status), db_s(message)), NULL, err)
               : RC_OK;
}

// When the bytes are there and counted: of those that crossed the limit the first is kept.
static enum rc
check_counted(struct db *db, const struct upload_facts *facts, int quota, struct err *err)
{
    const struct quota_request requests[] = {
        {&image_quotas[quota], .tolerance = is_open_ended(facts->upload) ? facts->size : 0},
    };
    return quota_refusal(quota_check(db, facts->owner, requests, 1, err), err);
}

static enum rc
store_in_tx(struct db *db, void *argument, struct err *err)
{
    const struct storing *storing = argument;
    const struct upload_facts *facts = storing->facts;
    const struct usage usage = {
        facts->owner,  "image",    facts->upload->image_id, facts->name ? facts->name : "",
        "image.bytes", facts->size};
    bool is_first = false;
    enum rc rc = db_lock_text(db, "quota", facts->owner, err);
    if (rc == RC_OK) {
        rc = activate(db, facts, &is_first, err);
    }
    if (rc == RC_OK) {
        rc = add_places(db, storing, err);
    }
    if (rc == RC_OK && facts->location) {
        rc = url_db_add(db, facts->upload->image_id, facts->location, is_first, err);
    }
    if (rc == RC_OK && facts->layers) {
        rc = layer_db_replace(db, facts->upload->image_id, facts->layers, err);
    }
    if (rc == RC_OK) {
        rc = check_counted(db, facts, QUOTA_SIZE, err);
    }
    if (rc == RC_OK && storing->stored->ends) {
        rc = finish_task(db, facts->upload, "success", "", err);
    }
    return rc == RC_OK && is_first ? usage_open(db, &usage, 1, err) : rc;
}

enum rc
upload_db_store(struct db *db, const struct upload_facts *facts, const struct upload_stored *stored,
                struct err *err)
{
    struct storing storing = {facts, stored};
    return db_tx(db, store_in_tx, &storing, err);
}

static enum rc
stage_in_tx(struct db *db, void *argument, struct err *err)
{
    const struct upload_facts *facts = argument;
    struct db_arg virtual_size = facts->virtual_size >= 0 ? db_i(facts->virtual_size) : db_s(NULL);
    g_autoptr(db_result) result = NULL;
    enum rc rc = db_lock_text(db, "quota", facts->owner, err);
    if (rc == RC_OK) {
        rc = db_run(
            db,
            "UPDATE image SET staged_size = $3, staged_virtual_size = $4, staged_checksum = $5, "
            "staged = $6, staged_format = $7, staged_archive = $8, staged_inside = $9, "
            "staged_file = $2::uuid, staged_at = now(), updated_at = now(), " NO_UPLOAD
            " WHERE id = $1::uuid AND upload_id = $2::uuid AND status = 'uploading'",
            DB_ARGS(db_s(facts->upload->image_id), db_s(facts->upload->upload_id),
                    db_i(facts->size), virtual_size, db_s(facts->md5), db_s(facts->digest),
                    db_s(facts->format), db_s(facts->archive), db_s(facts->inside)),
            &result, err);
    }
    if (rc == RC_OK && db_n_affected(result) != 1) {
        return upload_gone(facts->upload, err);
    }
    if (rc == RC_OK) {
        rc = layer_db_replace(db, facts->upload->image_id, facts->layers, err);
    }
    return rc == RC_OK ? check_counted(db, facts, QUOTA_STAGE, err) : rc;
}

enum rc
upload_db_stage(struct db *db, const struct upload_facts *facts, struct err *err)
{
    return db_tx(db, stage_in_tx, (void *)facts, err);
}

struct failure {
    const struct upload_row *upload;
    const char *failed, *reason;
};

static enum rc
fail_in_tx(struct db *db, void *argument, struct err *err)
{
    const struct failure *failure = argument;
    enum rc rc = db_run(db,
                        "UPDATE image SET " AFTER_FAILURE(
                            "$3::text") " WHERE id = $1::uuid AND upload_id = $2::uuid",
                        DB_ARGS(db_s(failure->upload->image_id), db_s(failure->upload->upload_id),
                                db_s(failure->failed)),
                        NULL, err);
    return rc == RC_OK ? finish_task(db, failure->upload, "failure", failure->reason, err) : rc;
}

enum rc
upload_db_fail(struct db *db, const struct upload_row *upload, const char *failed,
               const char *reason, struct err *err)
{
    struct failure failure = {upload, failed, reason};
    return db_tx(db, fail_in_tx, &failure, err);
}

enum rc
upload_db_renew(struct db *db, const char *ids, struct err *err)
{
    return db_run(
        db, "UPDATE image SET upload_until = " LEASE_END " WHERE upload_id = ANY ($1::uuid[])",
        DB_ARGS(db_s(ids)), NULL, err);
}
