// SPDX-License-Identifier: Apache-2.0
#include "services/image/store/location_db.h"

#include "services/image/catalog/image_sql.h"
#include "services/image/image.h"
#include "services/image/store/recipe_db.h"

#define KEEP_DELETED_DAYS "30"
#define MIN_BLOB_AGE "1 minute"
#define REMOVAL_RETRY "1 minute" // whoever claimed a removal has ended by then, or died
#define REPAIR_TIME "6 hours"

// Leases cannot be renewed while the database is away: whoever lives does it soon after.
#define LEASE_IS_OVER                                                                           \
    "upload_until < now() AND pg_postmaster_start_time() < now() - 2 * interval '" G_STRINGIFY( \
        RENEW_INTERVAL_MS) " ms'"

// Of a blob_location l: an image is in it, or a live upload of these bytes may put one there, or it
// is a part of what is there.
#define IS_WANTED                                                                      \
    "(EXISTS (SELECT FROM image i JOIN image_location il ON il.image_id = i.id WHERE " \
    "i.blob = l.digest AND il.store = l.store) OR EXISTS (SELECT FROM image i WHERE "  \
    "i.upload_blob = l.digest) OR EXISTS (SELECT FROM blob_part p JOIN blob_location " \
    "w ON w.digest = p.digest WHERE p.part = l.digest AND w.store = l.store))"

// Of a blob_location l: what the whole is made of is good there.
#define PARTS_ARE_GOOD                                                             \
    "NOT EXISTS (SELECT FROM blob_part p LEFT JOIN blob_location pl ON pl.digest " \
    "= p.part AND pl.store = l.store AND pl.state = 'present' WHERE p.digest = "   \
    "l.digest AND pl.digest IS NULL)"

enum rc
location_db_list(struct db *db, const char *image_id, bool only_good, GPtrArray **ret_names,
                 struct err *err)
{
    g_autoptr(db_result) result = NULL;
    enum rc rc =
        db_run(db,
               "SELECT il.store FROM image i JOIN image_location il ON il.image_id = i.id "
               "JOIN blob_location l ON l.digest = i.blob AND l.store = il.store WHERE "
               "i.id = $1::uuid AND (NOT $2::boolean OR (l.state = 'present' AND " PARTS_ARE_GOOD
               ")) ORDER BY il.store",
               DB_ARGS(db_s(image_id), db_b(only_good)), &result, err);
    if (rc == RC_OK) {
        *ret_names = g_ptr_array_new_with_free_func(g_free);
        for (int i = 0; i < db_n_rows(result); i++) {
            g_ptr_array_add(*ret_names, g_strdup(db_text(result, i, "store")));
        }
    }
    return rc;
}

enum rc
location_db_leave(struct db *db, const char *image_id, const char *store, struct err *err)
{
    g_autoptr(GPtrArray) names = NULL;
    enum rc rc = location_db_list(db, image_id, false, &names, err);
    if (rc != RC_OK) {
        return rc;
    }
    if (names->len == 1) {
        return fault(err, RC_FORBIDDEN,
                     "Cannot delete image data from the only store containing it. Consider "
                     "deleting the image instead.");
    }
    g_autoptr(db_result) result = NULL;
    rc = db_run(db, "DELETE FROM image_location WHERE image_id = $1::uuid AND store = $2",
                DB_ARGS(db_s(image_id), db_s(store)), &result, err);
    if (rc == RC_OK && db_n_affected(result) == 0) {
        return fault(err, RC_NOT_FOUND, "Image %s is not stored in store %s.", image_id, store);
    }
    return rc == RC_OK ? db_run(db, "UPDATE image SET updated_at = now() WHERE id = $1::uuid",
                                DB_ARGS(db_s(image_id)), NULL, err)
                       : rc;
}

enum rc
sweep_db_uploads(struct db *db, int64_t *ret_n_failed, struct err *err)
{
    g_autoptr(db_result) result = NULL;
    enum rc rc = db_run(
        db,
        "WITH dead AS (UPDATE image SET " AFTER_FAILURE(
            "NULL") " FROM (SELECT id AS dead_id, upload_id AS dead_upload FROM image "
                    "WHERE " LEASE_IS_OVER
                    " FOR UPDATE) d WHERE id = dead_id RETURNING dead_upload), "
                    "told AS (UPDATE image_task SET status = 'failure', updated_at = now(), "
                    "message = 'the import broke off' WHERE status = 'processing' AND upload_id IN "
                    "(SELECT dead_upload FROM dead)) SELECT count(*) AS n FROM dead",
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

static enum rc
names_into(struct db *db, const char *sql, GHashTable *ret_names, struct err *err)
{
    g_autoptr(db_result) result = NULL;
    enum rc rc = db_run(db, sql, DB_NONE, &result, err);
    for (int i = 0; rc == RC_OK && i < db_n_rows(result); i++) {
        g_hash_table_add(ret_names, g_strdup(db_text(result, i, "name")));
    }
    return rc;
}

enum rc
sweep_db_live_temps(struct db *db, GHashTable *ret_names, struct err *err)
{
    return names_into(db,
                      "SELECT upload_id AS name FROM image WHERE upload_id IS NOT NULL UNION "
                      "SELECT staged_file FROM image WHERE staged_file IS NOT NULL ORDER BY name",
                      ret_names, err);
}

enum rc
sweep_db_live_blobs(struct db *db, GHashTable *ret_names, struct err *err)
{
    return names_into(
        db,
        "SELECT upload_blob AS name FROM image WHERE upload_blob IS NOT NULL UNION "
        "SELECT p.part FROM image i JOIN blob_part p ON p.digest = i.upload_blob UNION "
        "SELECT digest FROM blob_location WHERE state = 'repairing' AND changed_at > "
        "now() - interval '" REPAIR_TIME "' ORDER BY name",
        ret_names, err);
}

void
place_free(void *data)
{
    struct place *place = data;
    if (place) {
        g_free(place->digest);
        g_free(place->store);
        g_free(place);
    }
}

// A blob's row without a place: its bytes may be anywhere.
#define GUESS_PLACES                                                                           \
    "INSERT INTO blob_location (digest, store, state) SELECT b.digest, s, 'placing' FROM "     \
    "blob b, unnest($1::text[]) s WHERE b.created_at < now() - interval '" MIN_BLOB_AGE        \
    "' AND NOT EXISTS (SELECT FROM blob_location l WHERE l.digest = b.digest) AND NOT EXISTS " \
    "(SELECT FROM image i WHERE i.blob = b.digest OR i.upload_blob = b.digest) AND NOT "       \
    "EXISTS (SELECT FROM blob_part p WHERE p.part = b.digest) ON CONFLICT DO NOTHING"

enum rc
sweep_db_unwanted(struct db *db, const char *stores, GPtrArray **ret_places, struct err *err)
{
    g_autoptr(db_result) result = NULL;
    enum rc rc = db_run(db, GUESS_PLACES, DB_ARGS(db_s(stores)), NULL, err);
    if (rc == RC_OK) {
        rc = db_run(db,
                    "SELECT l.digest, l.store FROM blob_location l JOIN blob b USING (digest) "
                    "WHERE l.store = ANY ($1::text[]) AND CASE l.state WHEN 'removing' THEN "
                    "l.changed_at < now() - interval '" REMOVAL_RETRY "' ELSE b.created_at < now() "
                    "- interval '" MIN_BLOB_AGE "' AND NOT " IS_WANTED
                    " END ORDER BY l.changed_at LIMIT 400",
                    DB_ARGS(db_s(stores)), &result, err);
    }
    if (rc != RC_OK) {
        return rc;
    }
    *ret_places = g_ptr_array_new_with_free_func(place_free);
    for (int i = 0; i < db_n_rows(result); i++) {
        struct place *place = g_new(struct place, 1);
        *place = (struct place){g_strdup(db_text(result, i, "digest")),
                                g_strdup(db_text(result, i, "store"))};
        g_ptr_array_add(*ret_places, place);
    }
    return RC_OK;
}

struct claim {
    const struct place *place;
    char *at; // NULL: not claimed
};

static enum rc
claim_in_tx(struct db *db, void *argument, struct err *err)
{
    struct claim *claim = argument;
    g_autoptr(db_result) result = NULL;
    g_clear_pointer(&claim->at, g_free);
    enum rc rc = blob_db_lock(db, claim->place->digest, err);
    if (rc == RC_OK) {
        rc = db_run(db,
                    "UPDATE blob_location l SET state = 'removing', changed_at = now() WHERE "
                    "digest = $1 AND store = $2 AND CASE state WHEN 'removing' THEN changed_at < "
                    "now() - interval '" REMOVAL_RETRY "' ELSE NOT " IS_WANTED
                    " END RETURNING changed_at",
                    DB_ARGS(db_s(claim->place->digest), db_s(claim->place->store)), &result, err);
    }
    if (rc == RC_OK && db_n_rows(result) == 1) {
        claim->at = g_strdup(db_text(result, 0, "changed_at"));
    }
    return rc;
}

enum rc
sweep_db_claim(struct db *db, const struct place *place, char **ret_claim, struct err *err)
{
    struct claim claim = {place, NULL};
    enum rc rc = db_tx(db, claim_in_tx, &claim, err);
    if (rc != RC_OK) {
        g_free(claim.at);
        return rc;
    }
    *ret_claim = claim.at;
    return RC_OK;
}

static enum rc
removed_in_tx(struct db *db, void *argument, struct err *err)
{
    const struct claim *claim = argument;
    const struct place *place = claim->place;
    enum rc rc = blob_db_lock(db, place->digest, err);
    if (rc == RC_OK) {
        rc = db_run(db,
                    "DELETE FROM blob_location WHERE digest = $1 AND store = $2 AND state = "
                    "'removing' AND changed_at = $3::timestamptz",
                    DB_ARGS(db_s(place->digest), db_s(place->store), db_s(claim->at)), NULL, err);
    }
    if (rc == RC_OK) {
        rc = db_run(
            db,
            "DELETE FROM blob b WHERE digest = $1 AND NOT EXISTS (SELECT FROM "
            "blob_location l WHERE l.digest = b.digest) AND NOT EXISTS (SELECT FROM image "
            "i WHERE i.blob = b.digest OR i.upload_blob = b.digest) AND NOT EXISTS (SELECT FROM "
            "blob_part p WHERE p.part = b.digest)",
            DB_ARGS(db_s(place->digest)), NULL, err);
    }
    return rc;
}

enum rc
sweep_db_removed(struct db *db, const struct place *place, const char *claim, struct err *err)
{
    struct claim removed = {place, (char *)claim};
    return db_tx(db, removed_in_tx, &removed, err);
}

enum rc
sweep_db_adopt(struct db *db, const struct place *place, int64_t size, struct err *err)
{
    enum rc rc = db_run(
        db, "INSERT INTO blob (digest, size) VALUES ($1, $2) ON CONFLICT (digest) DO NOTHING",
        DB_ARGS(db_s(place->digest), db_i(size)), NULL, err);
    return rc == RC_OK ? db_run(db,
                                "INSERT INTO blob_location (digest, store, state) VALUES ($1, $2, "
                                "'placing') ON CONFLICT DO NOTHING",
                                DB_ARGS(db_s(place->digest), db_s(place->store)), NULL, err)
                       : rc;
}
