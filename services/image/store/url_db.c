// SPDX-License-Identifier: Apache-2.0
#include "services/image/store/url_db.h"

#include <glib.h>

#define ENTRY                                                                                 \
    "jsonb_build_object('status', i.status, 'owner', i.owner, 'visibility', i.visibility, "   \
    "'is_located', i.is_located, 'blob', CASE WHEN EXISTS (SELECT FROM blob_part p WHERE "    \
    "p.digest = i.blob) THEN NULL ELSE i.blob END, 'stores', ARRAY(SELECT l.store FROM "      \
    "image_location l WHERE l.image_id = i.id ORDER BY l.store), 'urls', COALESCE((SELECT "   \
    "jsonb_agg(jsonb_build_object('url', u.url, 'metadata', u.metadata) ORDER BY u.id) FROM " \
    "image_url u WHERE u.image_id = i.id), '[]'))"

enum rc
url_db_load(struct db *db, const char *ids, json_t **ret_entries, struct err *err)
{
    return db_run_json(db,
                       "SELECT COALESCE(jsonb_object_agg(i.id, " ENTRY
                       "), '{}')::text AS item FROM "
                       "image i WHERE i.id = ANY ($1::uuid[]) AND i.status <> 'deleted'",
                       DB_ARGS(db_s(ids)), ret_entries, err);
}

enum rc
url_db_add(struct db *db, const char *image_id, const char *location, bool is_source,
           struct err *err)
{
    g_autoptr(db_result) result = NULL;
    enum rc rc =
        db_run(db,
               "INSERT INTO image_url (image_id, url, metadata) SELECT $1::uuid, v->>'url', "
               "v->'metadata' FROM (SELECT $2::jsonb AS v) x WHERE (SELECT count(*) FROM "
               "image_url WHERE image_id = $1::uuid) < " G_STRINGIFY(MAX_LOCATIONS),
               DB_ARGS(db_s(image_id), db_s(location)), &result, err);
    if (rc == RC_CONFLICT) {
        return fault(err, RC_CONFLICT, "The image has this location already");
    }
    if (rc == RC_OK && db_n_affected(result) == 0) {
        return fault(err, RC_TOO_LARGE,
                     "The limit has been exceeded on the number of allowed image locations. "
                     "Maximum: %d",
                     MAX_LOCATIONS);
    }
    return rc == RC_OK && is_source
               ? db_run(db, "UPDATE image SET is_located = true WHERE id = $1::uuid",
                        DB_ARGS(db_s(image_id)), NULL, err)
               : rc;
}

static enum rc
touch(struct db *db, const char *image_id, struct err *err)
{
    return db_run(db, "UPDATE image SET updated_at = now() WHERE id = $1::uuid",
                  DB_ARGS(db_s(image_id)), NULL, err);
}

enum rc
url_db_remove(struct db *db, const char *image_id, const char *urls, struct err *err)
{
    enum rc rc = db_run(db,
                        "DELETE FROM image_url WHERE image_id = $1::uuid AND url IN "
                        "(SELECT jsonb_array_elements_text($2::jsonb))",
                        DB_ARGS(db_s(image_id), db_s(urls)), NULL, err);
    return rc == RC_OK ? touch(db, image_id, err) : rc;
}

enum rc
url_db_describe(struct db *db, const char *image_id, const char *locations, struct err *err)
{
    enum rc rc = db_run(db,
                        "UPDATE image_url u SET metadata = v->'metadata' FROM "
                        "jsonb_array_elements($2::jsonb) v WHERE u.image_id = $1::uuid AND u.url = "
                        "v->>'url'",
                        DB_ARGS(db_s(image_id), db_s(locations)), NULL, err);
    return rc == RC_OK ? touch(db, image_id, err) : rc;
}
