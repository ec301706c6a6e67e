// SPDX-License-Identifier: Apache-2.0
// Uploads as rows: begun and leased, stored or failed, and what is swept behind them.
#include "common/base/util.h"
#include "common/db/lease.h"
#include "common/db/usage.h"
#include "services/image/image_db.h"
#include "services/image/image_fsm.h"
#include "services/image/image_sql.h"

#include <string.h>

#define LEASE_END "now() + interval '" G_STRINGIFY(UPLOAD_LEASE_S) " seconds'"
#define NO_UPLOAD "upload_id = NULL, upload_owner = NULL, upload_until = NULL, upload_size = NULL"
#define KEEP_DELETED_DAYS "30"
#define MIN_BLOB_AGE "1 minute" // a blob announced by an upload that is about to be stored

struct begin {
    const image_row *image;
    const struct upload_row *upload;
    const char *status;
    int64_t *ret_room;
};

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
        "upload_until = " LEASE_END ", updated_at = now() WHERE id = $1::uuid AND status = $6",
        DB_ARGS(db_s(begin->image->id), db_s(begin->status), db_s(begin->upload->upload_id),
                db_s(lease_owner()), db_i(MAX(begin->upload->size, 0)), db_s(begin->image->status)),
        &result, err);
    if (rc == RC_OK && db_n_affected(result) != 1) {
        return fault(err, RC_CONFLICT, "Image %s changed meanwhile, its data is not taken",
                     begin->image->id);
    }
    json_auto_t *report = NULL;
    if (rc == RC_OK) {
        rc = quota_report(db, image_quotas, begin->image->owner, &report, err);
    }
    if (rc == RC_OK) {
        json_t *size = json_object_get(report, image_quotas[QUOTA_SIZE].name);
        int64_t limit = json_integer_value(json_object_get(size, "limit"));
        int64_t used = json_integer_value(json_object_get(size, "used"));
        *begin->ret_room = limit < 0 ? INT64_MAX : limit - used + MAX(begin->upload->size, 0);
    }
    return rc;
}

enum rc
upload_db_begin(struct db *db, const image_row *image, const struct upload_row *upload,
                int64_t *ret_room, struct err *err)
{
    struct begin begin = {image, upload, NULL, ret_room};
    enum rc rc = image_fsm_step(image->status, IMAGE_UPLOAD, &begin.status, err);
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
    enum rc rc = db_run(
        db,
        "UPDATE image SET status = 'active', size = $3, virtual_size = $4, checksum = $5, "
        "os_hash_algo = 'sha512', os_hash_value = $6, blob = $6, updated_at = now(), " NO_UPLOAD
        " WHERE id = $1::uuid AND upload_id = $2::uuid AND status = 'saving'",
        DB_ARGS(db_s(facts->upload->image_id), db_s(facts->upload->upload_id), db_i(facts->size),
                virtual_size, db_s(facts->md5), db_s(facts->sha512)),
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

// The blob's lock excludes the sweeper, which else might remove the file between its link and our
// commit.
static enum rc
store_in_tx(struct db *db, void *argument, struct err *err)
{
    const struct upload_facts *facts = argument;
    const struct quota_request requests[] = {{&image_quotas[QUOTA_SIZE], 0}};
    const struct usage usage = {
        .project_id = facts->owner,
        .resource_type = "image",
        .resource_id = facts->upload->image_id,
        .resource_name = facts->name ? facts->name : "",
        .meter = "image.bytes",
        .quantity = facts->size,
    };
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
        rc = quota_refusal(quota_check(db, facts->owner, requests, 1, err), err);
    }
    return rc == RC_OK ? usage_open(db, &usage, 1, err) : rc;
}

enum rc
upload_db_store(struct db *db, const struct upload_facts *facts, struct err *err)
{
    return db_tx(db, store_in_tx, (void *)facts, err);
}

enum rc
upload_db_fail(struct db *db, const struct upload_row *upload, struct err *err)
{
    return db_run(db,
                  "UPDATE image SET status = 'queued', updated_at = now(), " NO_UPLOAD
                  " WHERE id = $1::uuid AND upload_id = $2::uuid AND status = 'saving'",
                  DB_ARGS(db_s(upload->image_id), db_s(upload->upload_id)), NULL, err);
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
    enum rc rc = db_run(db,
                        "UPDATE image SET status = 'queued', updated_at = now(), " NO_UPLOAD
                        " WHERE status = 'saving' AND upload_until < now()",
                        DB_NONE, &result, err);
    if (rc == RC_OK) {
        *ret_n_failed = db_n_affected(result);
        rc = db_run(db,
                    "DELETE FROM image WHERE status = 'deleted' AND deleted_at < now() - "
                    "interval '" KEEP_DELETED_DAYS " days'",
                    DB_NONE, NULL, err);
    }
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
                    "(SELECT FROM image i WHERE i.blob = b.sha512)",
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
    enum rc rc =
        db_run(db,
               "SELECT sha512 FROM blob b WHERE created_at < now() - interval '" MIN_BLOB_AGE
               "' AND NOT EXISTS (SELECT FROM image i WHERE i.blob = b.sha512) "
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
