// SPDX-License-Identifier: Apache-2.0
// Rows of what is verified, damaged and repaired.
#include "services/image/catalog/image_sql.h"
#include "services/image/store/location_db.h"

#define REPAIR_RETRY "6 hours" // as in location_db.c: a repair that ended without a word
#define IS_CUT "EXISTS (SELECT FROM blob_part p WHERE p.digest = l.digest) AS is_cut"
#define CORRUPT_STORES "os_glance_corrupt_stores"

void
scrub_clear(struct scrub *scrub)
{
    g_free(scrub->place.digest);
    g_free(scrub->place.store);
}

static enum rc
take(enum rc rc, const db_result *result, struct scrub *ret_scrub)
{
    if (rc == RC_OK) {
        *ret_scrub = (struct scrub){
            {g_strdup(db_text(result, 0, "digest")), g_strdup(db_text(result, 0, "store"))},
            db_int(result, 0, "size"),
            db_bool(result, 0, "is_cut")};
    }
    return rc;
}

enum rc
scrub_db_next(struct db *db, const char *stores, int64_t min_age_s, struct scrub *ret_scrub,
              struct err *err)
{
    g_autoptr(db_result) result = NULL;
    enum rc rc = db_run_one(
        db,
        "UPDATE blob_location l SET verified_at = now() FROM (SELECT digest, store FROM "
        "blob_location WHERE state = 'present' AND store = ANY ($1::text[]) AND verified_at < "
        "now() - make_interval(secs => $2::bigint) ORDER BY verified_at LIMIT 1 FOR UPDATE SKIP "
        "LOCKED) d WHERE l.digest = d.digest AND l.store = d.store RETURNING l.digest, l.store, "
        "(SELECT size FROM blob b WHERE b.digest = l.digest) AS size, " IS_CUT,
        DB_ARGS(db_s(stores), db_i(min_age_s)), &result, err);
    return take(rc, result, ret_scrub);
}

enum rc
scrub_db_next_corrupt(struct db *db, const char *stores, struct scrub *ret_scrub, struct err *err)
{
    g_autoptr(db_result) result = NULL;
    enum rc rc = db_run_one(
        db,
        "UPDATE blob_location l SET state = 'repairing', changed_at = now() FROM (SELECT digest, "
        "store FROM blob_location c WHERE store = ANY ($1::text[]) AND (state = 'corrupt' OR "
        "(state = 'repairing' AND changed_at < now() - interval '" REPAIR_RETRY "')) AND EXISTS "
        "(SELECT FROM blob_location g WHERE g.digest = c.digest AND g.state = 'present' AND "
        "g.store = ANY ($1::text[])) ORDER BY changed_at LIMIT 1 FOR UPDATE SKIP LOCKED) d WHERE "
        "l.digest = d.digest AND l.store = d.store RETURNING l.digest, l.store, (SELECT size FROM "
        "blob b WHERE b.digest = l.digest) AS size, " IS_CUT,
        DB_ARGS(db_s(stores)), &result, err);
    return take(rc, result, ret_scrub);
}

// The images of these bytes, or that have them as a part, say which of their stores have them
// damaged.
static enum rc
mark_images(struct db *db, const char *digest, struct err *err)
{
    return db_run(
        db,
        "UPDATE image i SET properties = CASE WHEN c.names IS NULL THEN i.properties - "
        "'" CORRUPT_STORES "' ELSE i.properties || jsonb_build_object('" CORRUPT_STORES
        "', c.names) END FROM (SELECT i2.id, string_agg(DISTINCT l.store, ',' ORDER BY l.store) AS "
        "names FROM image i2 JOIN image_location il ON il.image_id = i2.id LEFT JOIN blob_location "
        "l ON l.store = il.store AND l.state IN ('corrupt', 'repairing') AND (l.digest = i2.blob "
        "OR l.digest IN (SELECT part FROM blob_part p WHERE p.digest = i2.blob)) WHERE i2.blob IN "
        "(SELECT $1 UNION SELECT digest FROM blob_part WHERE part = $1) GROUP BY i2.id) c WHERE "
        "i.id = c.id",
        DB_ARGS(db_s(digest)), NULL, err);
}

struct corruption {
    const struct place *place;
    bool was_present;
};

static enum rc
corrupt_in_tx(struct db *db, void *argument, struct err *err)
{
    struct corruption *corruption = argument;
    g_autoptr(db_result) result = NULL;
    enum rc rc = db_run(db,
                        "UPDATE blob_location SET state = 'corrupt', changed_at = now() WHERE "
                        "digest = $1 AND store = $2 AND state = 'present'",
                        DB_ARGS(db_s(corruption->place->digest), db_s(corruption->place->store)),
                        &result, err);
    corruption->was_present = rc == RC_OK && db_n_affected(result) == 1;
    return rc == RC_OK ? mark_images(db, corruption->place->digest, err) : rc;
}

enum rc
scrub_db_corrupt(struct db *db, const struct place *place, bool *ret_was_present, struct err *err)
{
    struct corruption corruption = {place, false};
    enum rc rc = db_tx(db, corrupt_in_tx, &corruption, err);
    if (rc == RC_OK) {
        *ret_was_present = corruption.was_present;
    }
    return rc;
}

static enum rc
repaired_in_tx(struct db *db, void *argument, struct err *err)
{
    const struct place *place = argument;
    enum rc rc = db_run(db,
                        "UPDATE blob_location SET state = 'present', changed_at = now(), "
                        "verified_at = now() WHERE digest = $1 AND store = $2 AND state = "
                        "'repairing'",
                        DB_ARGS(db_s(place->digest), db_s(place->store)), NULL, err);
    return rc == RC_OK ? mark_images(db, place->digest, err) : rc;
}

enum rc
scrub_db_repaired(struct db *db, const struct place *place, struct err *err)
{
    return db_tx(db, repaired_in_tx, (void *)place, err);
}

enum rc
scrub_db_good_copy(struct db *db, const struct place *place, const char *stores, char **ret_store,
                   struct err *err)
{
    return db_run_text(db,
                       "SELECT store FROM blob_location WHERE digest = $1 AND store <> $2 AND "
                       "store = ANY ($3::text[]) AND state = 'present' ORDER BY verified_at "
                       "DESC LIMIT 1",
                       DB_ARGS(db_s(place->digest), db_s(place->store), db_s(stores)), ret_store,
                       err);
}

enum rc
scrub_db_count_corrupt(struct db *db, int64_t *ret_n, struct err *err)
{
    g_autoptr(db_result) result = NULL;
    enum rc rc = db_run_one(db,
                            "SELECT count(*) AS n FROM blob_location WHERE state IN ('corrupt', "
                            "'repairing')",
                            DB_NONE, &result, err);
    if (rc == RC_OK) {
        *ret_n = db_int(result, 0, "n");
    }
    return rc;
}
