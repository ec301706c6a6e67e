// SPDX-License-Identifier: Apache-2.0
// What an upload is about to store, as rows: the blob, the parts that it is kept as, and their
// places. Whether a blob is cut is decided here, once, by who brings it first: everybody after that
// stores it as its rows say.
#include "services/image/data/upload_db.h"
#include "services/image/store/recipe_db.h"

#include <string.h>

struct announce {
    const struct upload_facts *facts;
    const char *stores;
    char *parts;    // JSON of facts->recipe; NULL: not to be cut
    GArray *recipe; // as it will be stored
};

#define PARTS                                                                             \
    "jsonb_to_recordset(COALESCE($2, '[]')::jsonb) AS r (position int, part text, first " \
    "bigint, size bigint, part_size bigint)"

// Locks the rows of the blob and of all that may become its parts, in one order: that excludes the
// sweeper's claims, and others who bring the same.
static enum rc
lock_blobs(struct db *db, const struct announce *announce, struct err *err)
{
    const struct upload_facts *facts = announce->facts;
    enum rc rc = db_run(
        db,
        "INSERT INTO blob (digest, size) SELECT DISTINCT digest, size FROM (SELECT $1 AS digest, "
        "$3::bigint AS size UNION SELECT part, part_size FROM " PARTS ") b ORDER BY digest ON "
        "CONFLICT (digest) DO UPDATE SET created_at = now()",
        DB_ARGS(db_s(facts->digest), db_s(announce->parts), db_i(facts->size)), NULL, err);
    return rc == RC_OK
               ? db_run(db,
                        "SELECT FROM blob WHERE digest IN (SELECT part FROM blob_part WHERE digest "
                        "= $1) ORDER BY digest FOR UPDATE",
                        DB_ARGS(db_s(facts->digest)), NULL, err)
               : rc;
}

// The blob is cut unless it lies somewhere in one piece, is a part itself, or would have a part
// that is cut: parts have their own bytes.
static enum rc
decide_parts(struct db *db, struct announce *announce, struct err *err)
{
    const char *digest = announce->facts->digest;
    enum rc rc = db_run(
        db,
        "INSERT INTO blob_part (digest, position, part, first, size) SELECT $1, position, part, "
        "first, size FROM " PARTS " WHERE NOT EXISTS (SELECT FROM blob_location WHERE digest = $1) "
        "AND NOT EXISTS (SELECT FROM blob_part WHERE digest = $1 OR part = $1) AND NOT EXISTS "
        "(SELECT FROM blob_part c WHERE c.digest IN (SELECT part FROM " PARTS "))",
        DB_ARGS(db_s(digest), db_s(announce->parts)), NULL, err);
    return rc == RC_OK ? recipe_db_load(db, digest, &announce->recipe, err) : rc;
}

static enum rc
place_all(struct db *db, const struct announce *announce, struct err *err)
{
    g_autoptr(db_result) places = NULL;
    enum rc rc = db_run(
        db,
        "INSERT INTO blob_location (digest, store, state) SELECT b.digest, s, 'placing' FROM "
        "(SELECT $1 AS digest UNION SELECT part FROM blob_part WHERE digest = $1) b, "
        "unnest($2::text[]) s ORDER BY b.digest, s ON CONFLICT (digest, store) DO UPDATE SET "
        "changed_at = CASE blob_location.state WHEN 'removing' THEN blob_location.changed_at ELSE "
        "now() END RETURNING state = 'removing' AS busy",
        DB_ARGS(db_s(announce->facts->digest), db_s(announce->stores)), &places, err);
    for (int i = 0; rc == RC_OK && i < db_n_rows(places); i++) {
        if (db_bool(places, i, "busy")) {
            return fault_typed(err, RC_UNAVAILABLE, "removing",
                               "the same bytes are just being deleted, try again");
        }
    }
    return rc;
}

static enum rc
announce_in_tx(struct db *db, void *argument, struct err *err)
{
    struct announce *announce = argument;
    const struct upload_facts *facts = announce->facts;
    g_autoptr(db_result) owned = NULL;
    g_clear_pointer(&announce->recipe, g_array_unref);
    enum rc rc = lock_blobs(db, announce, err);
    if (rc == RC_OK) {
        rc = db_run(db,
                    "UPDATE image SET upload_blob = $2 WHERE id = $3::uuid AND upload_id = "
                    "$1::uuid",
                    DB_ARGS(db_s(facts->upload->upload_id), db_s(facts->digest),
                            db_s(facts->upload->image_id)),
                    &owned, err);
    }
    if (rc == RC_OK && db_n_affected(owned) != 1) {
        return upload_gone(facts->upload, err);
    }
    if (rc == RC_OK) {
        rc = decide_parts(db, announce, err);
    }
    return rc == RC_OK ? place_all(db, announce, err) : rc;
}

enum rc
upload_db_announce(struct db *db, const struct upload_facts *facts, const char *stores,
                   GArray **ret_recipe, struct err *err)
{
    g_autofree char *parts = recipe_to_json(facts->recipe);
    struct announce announce = {facts, stores, parts, NULL};
    enum rc rc = db_tx(db, announce_in_tx, &announce, err);
    if (rc == RC_OK) {
        *ret_recipe = announce.recipe;
    } else {
        g_clear_pointer(&announce.recipe, g_array_unref);
    }
    return rc;
}
