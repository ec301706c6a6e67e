// SPDX-License-Identifier: Apache-2.0
#include "services/image/catalog/image_db.h"

#include "common/db/usage.h"
#include "services/image/catalog/image_sql.h"

#include <string.h>

const struct quota_resource image_quotas[] = {
    [QUOTA_COUNT] =
        {"image_count_total", 1000,
         "SELECT count(*) FROM image WHERE owner = $1 AND status NOT IN ('deleted', 'killed')"},
    // As Glance counts: once per store, limits in MiB; and what uploads on their way announced.
    [QUOTA_SIZE] =
        {"image_size_total", INT64_C(10) << 20,
         "SELECT COALESCE(sum(CASE WHEN i.blob IS NOT NULL THEN i.size * (SELECT count(*) FROM "
         "image_location l WHERE l.image_id = i.id) WHEN i.status = 'uploading' THEN 0 ELSE "
         "COALESCE(i.staged_size, i.upload_size, 0) END), 0)::bigint FROM image i "
         "WHERE i.owner = $1 AND i.status NOT IN ('deleted', 'killed')",
         NULL, 1 << 20},
    [QUOTA_STAGE] =
        {"image_stage_total", INT64_C(10) << 20,
         "SELECT COALESCE(sum(COALESCE(staged_size, upload_size, size, 0)), 0)::bigint "
         "FROM image WHERE owner = $1 AND (status IN ('uploading', 'importing') OR (status IN "
         "('active', 'deactivated') AND " IS_IMPORTING "))",
         NULL, 1 << 20},
    [QUOTA_UPLOADING] =
        {"image_count_uploading", 1000,
         "SELECT count(*) FROM image WHERE owner = $1 AND (status IN ('saving', 'uploading', "
         "'importing') OR (status IN ('queued', 'active', 'deactivated') AND " IS_IMPORTING "))"},
    {0},
};

void
image_row_free(image_row *row)
{
    if (row) {
        char *texts[] = {row->id,
                         row->owner,
                         row->name,
                         row->status,
                         row->visibility,
                         row->disk_format,
                         row->container_format,
                         row->checksum,
                         row->digest};
        for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
            g_free(texts[i]);
        }
        g_free(row);
    }
}

static enum rc
not_found(enum rc rc, const char *id, struct err *err)
{
    return rc == RC_NOT_FOUND || rc == RC_INVALID
               ? fault(err, RC_NOT_FOUND, "No image found with ID %.64s", id)
               : rc;
}

#define FIND_COLUMNS                                                                            \
    "SELECT i.id, i.owner, i.name, i.status, i.visibility, i.disk_format, i.container_format, " \
    "i.checksum, i.blob, i.size, i.min_disk, i.min_ram, i.protected, " IS_MEMBER                \
    " AS is_member FROM image i WHERE i.id = $1::uuid AND i.status <> 'deleted' AND " VISIBLE

static image_row *
row_from_result(const db_result *result)
{
    image_row *row = g_new0(image_row, 1);
    row->id = g_strdup(db_text(result, 0, "id"));
    row->owner = g_strdup(db_text(result, 0, "owner"));
    row->name = g_strdup(db_text(result, 0, "name"));
    row->status = g_strdup(db_text(result, 0, "status"));
    row->visibility = g_strdup(db_text(result, 0, "visibility"));
    row->disk_format = g_strdup(db_text(result, 0, "disk_format"));
    row->container_format = g_strdup(db_text(result, 0, "container_format"));
    row->checksum = g_strdup(db_text(result, 0, "checksum"));
    row->digest = g_strdup(db_text(result, 0, "blob"));
    row->size = db_int(result, 0, "size");
    row->min_disk = db_int(result, 0, "min_disk");
    row->min_ram = db_int(result, 0, "min_ram");
    row->protected = db_bool(result, 0, "protected");
    row->has_data = row->digest != NULL;
    row->is_member = db_bool(result, 0, "is_member");
    return row;
}

enum rc
image_db_find(struct db *db, const struct viewer *viewer, const char *id, bool for_update,
              image_row **ret_row, struct err *err)
{
    if (!uuid_is_valid(id)) {
        return not_found(RC_NOT_FOUND, id, err);
    }
    g_autoptr(db_result) result = NULL;
    const char *sql = for_update ? FIND_COLUMNS " FOR UPDATE OF i" : FIND_COLUMNS;
    enum rc rc = db_run_one(
        db, sql, DB_ARGS(db_s(id), db_b(viewer->is_admin), db_s(viewer->project_id)), &result, err);
    if (rc != RC_OK) {
        return not_found(rc, id, err);
    }
    *ret_row = row_from_result(result);
    return RC_OK;
}

enum rc
image_db_show(struct db *db, const struct viewer *viewer, const char *id, char **ret_json,
              struct err *err)
{
    if (!uuid_is_valid(id)) {
        return not_found(RC_NOT_FOUND, id, err);
    }
    g_autoptr(db_result) result = NULL;
    enum rc rc = db_run_one(
        db,
        "SELECT " IMAGE_VIEW "::text AS item FROM image i WHERE i.id = $1::uuid "
        "AND i.status <> 'deleted' AND " VISIBLE,
        DB_ARGS(db_s(id), db_b(viewer->is_admin), db_s(viewer->project_id)), &result, err);
    if (rc == RC_OK) {
        *ret_json = g_strdup(db_text(result, 0, "item"));
    }
    return not_found(rc, id, err);
}

// Glance answers 413 where a quota is in the way.
enum rc
quota_refusal(enum rc rc, struct err *err)
{
    if (rc == RC_QUOTA) {
        err->rc = RC_TOO_LARGE;
    }
    return rc == RC_QUOTA ? RC_TOO_LARGE : rc;
}

enum rc
image_db_create(struct db *db, const char *id, json_t *values, struct err *err)
{
    const struct quota_request requests[] = {{&image_quotas[QUOTA_COUNT], 1}};
    const char *owner = json_string_value(json_object_get(values, "owner"));
    enum rc rc = quota_check(db, owner, requests, G_N_ELEMENTS(requests), err);
    if (rc != RC_OK) {
        return quota_refusal(rc, err);
    }
    g_autofree char *text = json_dumps(values, JSON_COMPACT);
    rc = db_run(db,
                "INSERT INTO image (id, status, owner, name, visibility, protected, os_hidden, "
                "container_format, disk_format, min_disk, min_ram, tags, properties) "
                "SELECT $1::uuid, 'queued', " FROM_VALUES " FROM (SELECT $2::jsonb AS v) x",
                DB_ARGS(db_s(id), db_s(text)), NULL, err);
    return rc == RC_CONFLICT ? fault(err, RC_CONFLICT, "Image ID %s already exists!", id) : rc;
}

enum rc
image_db_values(struct db *db, const char *id, json_t **ret_values, struct err *err)
{
    return db_run_json(
        db,
        "SELECT jsonb_build_object('owner', owner, 'name', name, 'visibility', visibility, "
        "'protected', protected, 'os_hidden', os_hidden, 'container_format', container_format, "
        "'disk_format', disk_format, 'min_disk', min_disk, 'min_ram', min_ram, 'tags', tags, "
        "'properties', properties)::text AS item FROM image WHERE id = $1::uuid",
        DB_ARGS(db_s(id)), ret_values, err);
}

enum rc
image_db_update(struct db *db, const char *id, json_t *values, struct err *err)
{
    g_autofree char *text = json_dumps(values, JSON_COMPACT);
    return db_run(db,
                  "UPDATE image SET (owner, name, visibility, protected, os_hidden, "
                  "container_format, disk_format, min_disk, min_ram, tags, properties) = "
                  "(SELECT " FROM_VALUES " FROM (SELECT $2::jsonb AS v) x), updated_at = now() "
                  "WHERE id = $1::uuid",
                  DB_ARGS(db_s(id), db_s(text)), NULL, err);
}

enum rc
image_db_set_status(struct db *db, const image_row *row, const char *status, struct err *err)
{
    g_autoptr(db_result) result = NULL;
    bool deletes = !strcmp(status, "deleted");
    const char *sql =
        deletes
            ? "UPDATE image SET status = $3, deleted_at = now(), updated_at = now(), blob = "
              "NULL, " NO_UPLOAD ", " NO_STAGED " "
              "WHERE id = $1::uuid AND status = $2"
            : "UPDATE image SET status = $3, updated_at = now() WHERE id = $1::uuid AND status = "
              "$2";
    enum rc rc =
        db_run(db, sql, DB_ARGS(db_s(row->id), db_s(row->status), db_s(status)), &result, err);
    if (rc == RC_OK && db_n_affected(result) != 1) {
        rc = fault(err, RC_CONFLICT, "Image %s changed meanwhile, try again", row->id);
    }
    if (rc == RC_OK && deletes) {
        rc = db_run(db,
                    "WITH gone AS (DELETE FROM image_location WHERE image_id = $1::uuid), told AS "
                    "(DELETE FROM image_url WHERE image_id = $1::uuid) "
                    "DELETE FROM image_member WHERE image_id = $1::uuid",
                    DB_ARGS(db_s(row->id)), NULL, err);
    }
    return rc == RC_OK && deletes ? usage_close(db, row->id, err) : rc;
}

enum rc
image_db_tag(struct db *db, const char *id, const char *tag, struct err *err)
{
    g_autoptr(db_result) result = NULL;
    enum rc rc =
        db_run(db,
               "UPDATE image SET tags = CASE WHEN $2 = ANY (tags) THEN tags ELSE tags || $2 END, "
               "updated_at = now() WHERE id = $1::uuid AND ($2 = ANY (tags) OR "
               "cardinality(tags) < " G_STRINGIFY(MAX_TAGS) ")",
               DB_ARGS(db_s(id), db_s(tag)), &result, err);
    return rc == RC_OK && db_n_affected(result) == 0
               ? fault(err, RC_TOO_LARGE, "Image tag limit exceeded for image %s", id)
               : rc;
}

enum rc
image_db_untag(struct db *db, const char *id, const char *tag, struct err *err)
{
    g_autoptr(db_result) result = NULL;
    enum rc rc = db_run(db,
                        "UPDATE image SET tags = array_remove(tags, $2), updated_at = now() "
                        "WHERE id = $1::uuid AND $2 = ANY (tags)",
                        DB_ARGS(db_s(id), db_s(tag)), &result, err);
    return rc == RC_OK && db_n_affected(result) == 0
               ? fault(err, RC_NOT_FOUND, "Image %s has no tag '%.100s'", id, tag)
               : rc;
}

enum rc
ticket_db_key(struct db *db, const char *candidate, char **ret_key, struct err *err)
{
    enum rc rc =
        db_run(db, "INSERT INTO ticket_key (id, key) VALUES (1, $1) ON CONFLICT DO NOTHING",
               DB_ARGS(db_s(candidate)), NULL, err);
    g_autoptr(db_result) result = NULL;
    if (rc == RC_OK) {
        rc = db_run_one(db, "SELECT key FROM ticket_key WHERE id = 1", DB_NONE, &result, err);
    }
    if (rc == RC_OK) {
        *ret_key = g_strdup(db_text(result, 0, "key"));
    }
    return rc;
}
