// SPDX-License-Identifier: Apache-2.0
#include "services/image/catalog/image_db.h"
#include "services/image/catalog/image_sql.h"

static enum rc
member_missing(enum rc rc, const char *image_id, const char *member_id, struct err *err)
{
    return rc == RC_NOT_FOUND
               ? fault(err, RC_NOT_FOUND, "%.255s not found in the member list of the image %s.",
                       member_id, image_id)
               : rc;
}

static enum rc
take_item(enum rc rc, const db_result *result, char **ret_json)
{
    if (rc == RC_OK) {
        *ret_json = g_strdup(db_text(result, 0, "item"));
    }
    return rc;
}

enum rc
member_db_add(struct db *db, const char *image_id, const char *member_id, int max_members,
              char **ret_json, struct err *err)
{
    g_autoptr(db_result) result = NULL;
    enum rc rc =
        db_run_one(db,
                   "INSERT INTO image_member (image_id, member_id) SELECT $1::uuid, $2 WHERE "
                   "(SELECT count(*) FROM image_member WHERE image_id = $1::uuid) < $3::int "
                   "RETURNING " MEMBER_VIEW "::text AS item",
                   DB_ARGS(db_s(image_id), db_s(member_id), db_i(max_members)), &result, err);
    if (rc == RC_NOT_FOUND) {
        return fault(err, RC_TOO_LARGE, "Image member limit exceeded for image %s", image_id);
    }
    if (rc == RC_CONFLICT) {
        return fault(err, rc, "Member %.255s is duplicated for image %s", member_id, image_id);
    }
    return take_item(rc, result, ret_json);
}

enum rc
member_db_set_status(struct db *db, const char *image_id, const char *member_id, const char *status,
                     char **ret_json, struct err *err)
{
    g_autoptr(db_result) result = NULL;
    enum rc rc =
        db_run_one(db,
                   "UPDATE image_member SET status = $3, updated_at = now() WHERE image_id = "
                   "$1::uuid AND member_id = $2 RETURNING " MEMBER_VIEW "::text AS item",
                   DB_ARGS(db_s(image_id), db_s(member_id), db_s(status)), &result, err);
    return member_missing(take_item(rc, result, ret_json), image_id, member_id, err);
}

enum rc
member_db_remove(struct db *db, const char *image_id, const char *member_id, struct err *err)
{
    enum rc rc = db_run_one(db,
                            "DELETE FROM image_member WHERE image_id = $1::uuid AND member_id = $2 "
                            "RETURNING member_id",
                            DB_ARGS(db_s(image_id), db_s(member_id)), NULL, err);
    return member_missing(rc, image_id, member_id, err);
}

enum rc
member_db_remove_all(struct db *db, const char *member_id, int64_t *ret_n, struct err *err)
{
    return db_run_count(db, "DELETE FROM image_member WHERE member_id = $1",
                        DB_ARGS(db_s(member_id)), ret_n, err);
}

enum rc
member_db_show(struct db *db, const char *image_id, const char *member_id, char **ret_json,
               struct err *err)
{
    g_autoptr(db_result) result = NULL;
    enum rc rc = db_run_one(db,
                            "SELECT " MEMBER_VIEW "::text AS item FROM image_member "
                            "WHERE image_id = $1::uuid AND member_id = $2",
                            DB_ARGS(db_s(image_id), db_s(member_id)), &result, err);
    return member_missing(take_item(rc, result, ret_json), image_id, member_id, err);
}

enum rc
member_db_list(struct db *db, const char *image_id, const char *only, char **ret_json,
               struct err *err)
{
    g_autoptr(db_result) result = NULL;
    enum rc rc =
        db_run_one(db,
                   "SELECT COALESCE(jsonb_agg(" MEMBER_VIEW " ORDER BY created_at, member_id), "
                   "'[]')::text AS item FROM image_member WHERE image_id = $1::uuid AND "
                   "($2::text IS NULL OR member_id = $2)",
                   DB_ARGS(db_s(image_id), db_s(only)), &result, err);
    return take_item(rc, result, ret_json);
}
