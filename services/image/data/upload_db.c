// SPDX-License-Identifier: Apache-2.0
// Uploads as rows: begun and leased, stored or failed, and what is swept behind them.
#include "common/base/util.h"
#include "common/db/lease.h"
#include "common/db/usage.h"
#include "services/image/catalog/image_db.h"
#include "services/image/catalog/image_fsm.h"
#include "services/image/catalog/image_sql.h"
#include "services/image/catalog/layer_db.h"

#include <string.h>

#define LEASE_END "now() + interval '" G_STRINGIFY(UPLOAD_LEASE_S) " seconds'"
#define KEEP_DELETED_DAYS "30"
#define MIN_BLOB_AGE "1 minute" // a blob announced by an upload that is about to be stored

struct begin {
    const image_row *image;
    const struct upload_row *upload;
    const struct task *task;
    const char *status;
    int64_t *ret_room;
};
static const enum image_event begin_events[] = {
    [UPLOAD_FILE] = IMAGE_UPLOAD, [UPLOAD_STAGE] = IMAGE_STAGE, [UPLOAD_FETCH] = IMAGE_FETCH};

static enum rc
task_add(struct db *db, const struct task *task, struct err *err)
{
    g_autofree char *input = json_dumps(task->input, JSON_COMPACT);
    return db_run(
        db,
        "INSERT INTO image_task (image_id, upload_id, status, owner, user_id, request_id, input) "
        "VALUES ($1::uuid, $2::uuid, $3, $4, $5, $6, $7::jsonb)",
        DB_ARGS(db_s(task->image_id), db_s(task->upload_id), db_s(task->status), db_s(task->owner),
                db_s(task->user_id), db_s(task->request_id), db_s(input)),
        NULL, err);
}

static enum rc
begin_in_tx(struct db *db, void *argument, struct err *err)
{
    const struct begin *begin = argument;
    const struct quota_request requests[] = {
        {&image_quotas[QUOTA_SIZE], MAX(begin->upload->size, 1)}};
    enum rc rc = quota_refusal(quota_check(db, begin->image->owner, requests, 1, err), err);
    if (rc != RC_OK) {
        return rc;
    }
    g_autoptr(db_result) result = NULL;
    rc = db_run(
        db,
        "UPDATE image SET status = $2, upload_id = $3::uuid, upload_owner = $4, upload_size = $5, "
        "upload_until = " LEASE_END ", properties = properties - '" FAILED_IMPORT
        "', updated_at = now() WHERE id = $1::uuid AND status = $6",
        DB_ARGS(db_s(begin->image->id), db_s(begin->status), db_s(begin->upload->upload_id),
                db_s(lease_owner()), db_i(MAX(begin->upload->size, 0)), db_s(begin->image->status)),
        &result, err);
    if (rc == RC_OK && db_n_affected(result) != 1) {
        return fault(err, RC_CONFLICT, "Image %s changed meanwhile, its data is not taken",
                     begin->image->id);
    }
    if (rc == RC_OK && begin->task) {
        rc = task_add(db, begin->task, err);
    }
    int64_t room = 0;
    if (rc == RC_OK) {
        rc = quota_room(db, &image_quotas[QUOTA_SIZE], begin->image->owner, &room, err);
    }
    if (rc == RC_OK) {
        *begin->ret_room = room == INT64_MAX ? room : room + MAX(begin->upload->size, 0);
    }
    return rc;
}

enum rc
upload_db_begin(struct db *db, const image_row *image, const struct upload_row *upload,
                const struct task *task, int64_t *ret_room, struct err *err)
{
    struct begin begin = {image, upload, task, NULL, ret_room};
    enum rc rc = image_fsm_step(image->status, begin_events[upload->kind], &begin.status, err);
    return rc == RC_OK ? db_tx(db, begin_in_tx, &begin, err) : rc;
}

#define ANNOUNCE                                                                      \
    "INSERT INTO blob (sha512, size) VALUES ($1, $2) ON CONFLICT (sha512) DO UPDATE " \
    "SET created_at = now()"

enum rc
upload_db_announce(struct db *db, const struct upload_facts *facts, struct err *err)
{
    return db_run(db, ANNOUNCE, DB_ARGS(db_s(facts->sha512), db_i(facts->size)), NULL, err);
}

static enum rc
store_row(struct db *db, const struct upload_facts *facts, struct err *err)
{
    g_autoptr(db_result) result = NULL;
    struct db_arg virtual_size = facts->virtual_size >= 0 ? db_i(facts->virtual_size) : db_s(NULL);
    const char *sql =
        facts->upload->kind == UPLOAD_STAGE
            ? "UPDATE image SET staged_size = $3, staged_virtual_size = $4, staged_checksum = $5, "
              "staged = $6, staged_format = $8, staged_archive = $9, staged_inside = $10, "
              "staged_at = now(), updated_at = now(), " NO_UPLOAD
              " WHERE id = $1::uuid AND upload_id = $2::uuid AND status = 'uploading' AND "
              "$7::jsonb IS NULL"
            : "UPDATE image SET status = 'active', size = $3, virtual_size = $4, checksum = $5, "
              "os_hash_algo = 'sha512', os_hash_value = $6, blob = $6, updated_at = "
              "now(), disk_format = COALESCE($7::jsonb->>'disk_format', disk_format), "
              "container_format = COALESCE($7::jsonb->>'container_format', container_format), "
              "properties = properties || COALESCE($7::jsonb->'properties', '{}'), " NO_UPLOAD
              " WHERE id = $1::uuid AND upload_id = $2::uuid AND status IN ('saving', 'importing') "
              "AND $8::text IS NOT NULL AND $9::text IS NOT NULL AND $10::text IS NOT NULL";
    enum rc rc = db_run(db, sql,
                        DB_ARGS(db_s(facts->upload->image_id), db_s(facts->upload->upload_id),
                                db_i(facts->size), virtual_size, db_s(facts->md5),
                                db_s(facts->sha512), db_s(facts->adopted), db_s(facts->format),
                                db_s(facts->archive), db_s(facts->inside)),
                        &result, err);
    if (rc == RC_OK && db_n_affected(result) != 1) {
        return fault(
            err, RC_GONE,
            "Image %s could not be found after upload. The image may have been deleted during "
            "the upload, cleaning up the chunks uploaded.",
            facts->upload->image_id);
    }
    return rc;
}

static enum rc
finish_task(struct db *db, const struct upload_row *upload, const char *status, const char *message,
            struct err *err)
{
    if (upload->kind != UPLOAD_FETCH) {
        return RC_OK;
    }
    return db_run(db,
                  "UPDATE image_task SET status = $2, message = $3, updated_at = now() "
                  "WHERE upload_id = $1::uuid AND status = 'processing'",
                  DB_ARGS(db_s(upload->upload_id), db_s(status), db_s(message)), NULL, err);
}

static enum rc
open_usage(struct db *db, const char *owner, const char *id, const char *name, int64_t size,
           struct err *err)
{
    const struct usage usage = {owner, "image", id, name ? name : "", "image.bytes", size};
    return usage_open(db, &usage, 1, err);
}

// The blob's lock excludes the sweeper, which else might remove the file between its link and our
// commit.
static enum rc
store_in_tx(struct db *db, void *argument, struct err *err)
{
    const struct upload_facts *facts = argument;
    const struct quota_request requests[] = {{&image_quotas[QUOTA_SIZE], 0}};
    enum rc rc = db_lock_text(db, "quota", facts->owner, err);
    if (rc == RC_OK) {
        rc = db_lock_text(db, "blob", facts->sha512, err);
    }
    if (rc == RC_OK) {
        rc = upload_db_announce(db, facts, err);
    }
    if (rc == RC_OK) {
        rc = store_blob_place(facts->store, facts->upload->upload_id, facts->sha512, err);
    }
    if (rc == RC_OK) {
        rc = store_row(db, facts, err);
    }
    if (rc == RC_OK) {
        rc = layer_db_replace(db, facts->upload->image_id, facts->layers, err);
    }
    if (rc == RC_OK) {
        rc = quota_refusal(quota_check(db, facts->owner, requests, 1, err), err);
    }
    if (rc == RC_OK) {
        rc = finish_task(db, facts->upload, "success", "", err);
    }
    return rc == RC_OK && facts->upload->kind != UPLOAD_STAGE
               ? open_usage(db, facts->owner, facts->upload->image_id, facts->name, facts->size,
                            err)
               : rc;
}

enum rc
upload_db_store(struct db *db, const struct upload_facts *facts, struct err *err)
{
    return db_tx(db, store_in_tx, (void *)facts, err);
}

struct failure {
    const struct upload_row *upload;
    const char *reason;
};

static enum rc
fail_in_tx(struct db *db, void *argument, struct err *err)
{
    const struct failure *failure = argument;
    bool is_fetch = failure->upload->kind == UPLOAD_FETCH;
    enum rc rc = db_run(
        db,
        "UPDATE image SET status = 'queued', updated_at = now(), properties = CASE WHEN "
        "$3::boolean THEN properties || '{\"" FAILED_IMPORT "\": \"" STORE_ID "\"}' ELSE "
        "properties END, " NO_UPLOAD " WHERE id = $1::uuid AND upload_id = $2::uuid",
        DB_ARGS(db_s(failure->upload->image_id), db_s(failure->upload->upload_id), db_b(is_fetch)),
        NULL, err);
    return rc == RC_OK ? finish_task(db, failure->upload, "failure", failure->reason, err) : rc;
}

enum rc
upload_db_fail(struct db *db, const struct upload_row *upload, const char *reason, struct err *err)
{
    struct failure failure = {upload, reason};
    return db_tx(db, fail_in_tx, &failure, err);
}

enum rc
import_db_staged_format(struct db *db, const char *image_id, struct staged_format *ret,
                        struct err *err)
{
    g_autoptr(db_result) result = NULL;
    enum rc rc = db_run_one(db,
                            "SELECT staged_format, staged_archive, staged_inside FROM image "
                            "WHERE id = $1::uuid",
                            DB_ARGS(db_s(image_id)), &result, err);
    if (rc == RC_OK) {
        *ret = (struct staged_format){
            .format = g_strdup(db_text(result, 0, "staged_format")),
            .archive = g_strdup(db_text(result, 0, "staged_archive")),
            .inside = g_strdup(db_text(result, 0, "staged_inside")),
        };
    }
    return rc;
}

struct direct {
    const image_row *image;
    const struct task *task;
};

static enum rc
direct_in_tx(struct db *db, void *argument, struct err *err)
{
    const struct direct *direct = argument;
    g_autoptr(db_result) result = NULL;
    enum rc rc = db_run_one(
        db,
        "UPDATE image SET status = 'active', size = staged_size, virtual_size = "
        "staged_virtual_size, "
        "checksum = staged_checksum, os_hash_algo = 'sha512', os_hash_value = staged, blob = "
        "staged, "
        "updated_at = now(), " NO_STAGED
        " WHERE id = $1::uuid AND status = 'uploading' AND staged IS NOT NULL RETURNING size",
        DB_ARGS(db_s(direct->image->id)), &result, err);
    if (rc == RC_NOT_FOUND) {
        return fault(err, RC_CONFLICT,
                     "Image needs to be staged before 'glance-direct' method can be used");
    }
    if (rc == RC_OK) {
        rc = task_add(db, direct->task, err);
    }
    return rc == RC_OK ? open_usage(db, direct->image->owner, direct->image->id,
                                    direct->image->name, db_int(result, 0, "size"), err)
                       : rc;
}

enum rc
import_db_direct(struct db *db, const image_row *image, const struct task *task, struct err *err)
{
    struct direct direct = {image, task};
    return db_tx(db, direct_in_tx, &direct, err);
}

enum rc
task_db_list(struct db *db, const char *image_id, char **ret_json, struct err *err)
{
    g_autoptr(db_result) result = NULL;
    enum rc rc = db_run_one(
        db,
        "SELECT COALESCE(jsonb_agg(jsonb_build_object('id', id, 'type', 'api_image_import', "
        "'status', "
        "status, 'owner', owner, 'user_id', user_id, 'request_id', request_id, 'image_id', "
        "image_id, "
        "'input', input, 'result', NULL, 'message', message, 'expires_at', NULL, 'deleted', false, "
        "'deleted_at', NULL, 'created_at', " SQL_TIME("created_at") ", 'updated_at', " SQL_TIME(
            "updated_at") ") ORDER BY created_at, id), '[]')::text AS items FROM image_task "
                          "WHERE image_id = $1::uuid",
        DB_ARGS(db_s(image_id)), &result, err);
    if (rc == RC_OK) {
        *ret_json = g_strdup(db_text(result, 0, "items"));
    }
    return rc;
}

enum rc
upload_db_renew(struct db *db, const char *ids, struct err *err)
{
    return db_run(
        db, "UPDATE image SET upload_until = " LEASE_END " WHERE upload_id = ANY ($1::uuid[])",
        DB_ARGS(db_s(ids)), NULL, err);
}

enum rc
sweep_db_uploads(struct db *db, int64_t *ret_n_failed, struct err *err)
{
    g_autoptr(db_result) result = NULL;
    enum rc rc =
        db_run(db,
               "WITH dead AS (UPDATE image SET status = 'queued', updated_at = now(), properties = "
               "CASE status WHEN 'importing' THEN properties || "
               "'{\"" FAILED_IMPORT "\": \"" STORE_ID "\"}' ELSE properties END, " NO_UPLOAD
               " FROM (SELECT id AS dead_id, upload_id AS dead_upload FROM image WHERE "
               "upload_until < now() FOR UPDATE) d WHERE id = dead_id RETURNING dead_upload), "
               "told AS (UPDATE image_task SET status = 'failure', updated_at = now(), "
               "message = 'the import broke off' "
               "WHERE status = 'processing' AND upload_id IN (SELECT dead_upload FROM dead)) "
               "SELECT count(*) AS n FROM dead",
               DB_NONE, &result, err);
    if (rc == RC_OK) {
        *ret_n_failed = db_int(result, 0, "n");
        rc = db_run(db,
                    "DELETE FROM image WHERE status = 'deleted' AND deleted_at < now() - "
                    "interval '" KEEP_DELETED_DAYS " days'",
                    DB_NONE, NULL, err);
    }
    return rc;
}

enum rc
sweep_db_staged(struct db *db, int64_t ttl_s, int64_t *ret_n_removed, struct err *err)
{
    g_autoptr(db_result) result = NULL;
    enum rc rc = db_run(db,
                        "UPDATE image SET status = 'queued', updated_at = now(), " NO_STAGED
                        " WHERE status = 'uploading' AND staged IS NOT NULL AND "
                        "staged_at < now() - make_interval(secs => $1::bigint)",
                        DB_ARGS(db_i(ttl_s)), &result, err);
    *ret_n_removed = rc == RC_OK ? db_n_affected(result) : 0;
    return rc;
}

enum rc
sweep_db_live_uploads(struct db *db, GHashTable *ret_ids, struct err *err)
{
    g_autoptr(db_result) result = NULL;
    enum rc rc =
        db_run(db, "SELECT upload_id FROM image WHERE upload_id IS NOT NULL ORDER BY upload_id",
               DB_NONE, &result, err);
    for (int i = 0; rc == RC_OK && i < db_n_rows(result); i++) {
        g_hash_table_add(ret_ids, g_strdup(db_text(result, i, "upload_id")));
    }
    return rc;
}

struct removal {
    struct store *store;
    const char *sha512;
    bool removed;
};

static enum rc
remove_in_tx(struct db *db, void *argument, struct err *err)
{
    struct removal *removal = argument;
    removal->removed = false;
    enum rc rc = db_lock_text(db, "blob", removal->sha512, err);
    g_autoptr(db_result) result = NULL;
    if (rc == RC_OK) {
        rc = db_run(db,
                    "DELETE FROM blob b WHERE sha512 = $1 AND NOT EXISTS "
                    "(SELECT FROM image i WHERE i.blob = b.sha512 OR i.staged = b.sha512)",
                    DB_ARGS(db_s(removal->sha512)), &result, err);
    }
    if (rc == RC_OK && db_n_affected(result) == 1) {
        removal->removed = true;
        rc = store_blob_remove(removal->store, removal->sha512, err);
    }
    return rc;
}

enum rc
sweep_db_blobs(struct db *db, struct store *store, int64_t *ret_n_removed, struct err *err)
{
    g_autoptr(db_result) result = NULL;
    enum rc rc = db_run(
        db,
        "SELECT sha512 FROM blob b WHERE created_at < now() - interval '" MIN_BLOB_AGE
        "' AND NOT EXISTS (SELECT FROM image i WHERE i.blob = b.sha512 OR i.staged = b.sha512) "
        "ORDER BY created_at LIMIT 100",
        DB_NONE, &result, err);
    *ret_n_removed = 0;
    for (int i = 0; rc == RC_OK && i < db_n_rows(result); i++) {
        struct removal removal = {store, db_text(result, i, "sha512"), false};
        rc = db_tx(db, remove_in_tx, &removal, err);
        *ret_n_removed += removal.removed;
    }
    return rc;
}

enum rc
sweep_db_adopt(struct db *db, const char *sha512, int64_t size, struct err *err)
{
    return db_run(db, "INSERT INTO blob (sha512, size) VALUES ($1, $2) ON CONFLICT DO NOTHING",
                  DB_ARGS(db_s(sha512), db_i(size)), NULL, err);
}
