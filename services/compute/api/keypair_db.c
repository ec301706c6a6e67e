// SPDX-License-Identifier: Apache-2.0
#include "services/compute/api/keypair_db.h"

#include "services/compute/api/api.h"

#define ISO(column) "to_char(" column " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US')"

static enum rc
create_in_tx(struct db *db, void *argument, struct err *err)
{
    const struct keypair_new *keypair = argument;
    // Key pairs belong to users: the lock and the count are the user's, the limit is the project's.
    int64_t limit = 0;
    g_autoptr(db_result) used = NULL;
    enum rc rc = db_lock_text(db, "keypair", keypair->user_id, err);
    if (rc != RC_OK ||
        (rc = quota_limit(db, &compute_quotas[QUOTA_KEY_PAIRS], keypair->project_id, &limit,
                          err)) != RC_OK ||
        (rc = db_run(db, "SELECT count(*) AS n FROM keypair WHERE user_id = $1",
                     DB_ARGS(db_s(keypair->user_id)), &used, err)) != RC_OK) {
        return rc;
    }
    if (limit >= 0 && db_int(used, 0, "n") >= limit) {
        return fault(err, RC_QUOTA, "Quota exceeded, too many key pairs.");
    }
    rc = db_run(db,
                "INSERT INTO keypair (user_id, name, type, public_key, fingerprint)"
                " VALUES ($1, $2, $3, $4, $5)",
                DB_ARGS(db_s(keypair->user_id), db_s(keypair->name), db_s(keypair->type),
                        db_s(keypair->public_key), db_s(keypair->fingerprint)),
                NULL, err);
    return rc == RC_CONFLICT
               ? fault(err, RC_CONFLICT, "Key pair '%s' already exists.", keypair->name)
               : rc;
}

enum rc
keypair_db_create(struct db *db, const struct keypair_new *keypair, struct err *err)
{
    return db_tx(db, create_in_tx, (void *)keypair, err);
}

enum rc
keypair_db_list(struct db *db, const char *user_id, unsigned version, int64_t limit,
                const char *marker, db_result **ret_rows, struct err *err)
{
    enum rc rc =
        db_run(db,
               "SELECT coalesce(json_agg(json_build_object('keypair', CASE WHEN $2::int >= 2 THEN"
               " json_build_object('name', name, 'public_key', public_key, 'fingerprint', "
               "fingerprint, 'type', type)"
               " ELSE json_build_object('name', name, 'public_key', public_key, 'fingerprint', "
               "fingerprint) END)"
               " ORDER BY name), '[]')::text AS items, count(*) AS n, max(name) AS last,"
               " $3::text IS NULL OR EXISTS (SELECT FROM keypair WHERE user_id = $1 AND name = $3) "
               "AS marked"
               " FROM (SELECT * FROM keypair WHERE user_id = $1 AND ($3::text IS NULL OR name > $3)"
               " ORDER BY name LIMIT $4::bigint) k",
               DB_ARGS(db_s(user_id), db_i(version), db_s(marker), db_i(limit)), ret_rows, err);
    if (rc == RC_OK && !db_bool(*ret_rows, 0, "marked")) {
        g_clear_pointer(ret_rows, db_result_free);
        return fault(err, RC_INVALID, "marker [%.255s] not found", marker);
    }
    return rc;
}

enum rc
keypair_db_show(struct db *db, const char *user_id, unsigned version, const char *name,
                db_result **ret_rows, struct err *err)
{
    enum rc rc = db_run_one(
        db,
        "SELECT (jsonb_build_object('name', name, 'public_key', public_key, 'fingerprint', "
        "fingerprint,"
        " 'user_id', user_id, 'deleted', false, 'id', id, 'created_at', " ISO(
            "created_at") ","
                          " 'updated_at', NULL, 'deleted_at', NULL) || CASE WHEN $2::int >= 2 THEN"
                          " jsonb_build_object('type', type) ELSE '{}' END)::text AS item"
                          " FROM keypair WHERE user_id = $1 AND name = $3",
        DB_ARGS(db_s(user_id), db_i(version), db_s(name)), ret_rows, err);
    return rc == RC_NOT_FOUND
               ? fault(err, RC_NOT_FOUND, "Keypair %.255s not found for user %s", name, user_id)
               : rc;
}

enum rc
keypair_db_delete(struct db *db, const char *user_id, const char *name, struct err *err)
{
    bool is_changed = false;
    enum rc rc = db_run_any(db, "DELETE FROM keypair WHERE user_id = $1 AND name = $2",
                            DB_ARGS(db_s(user_id), db_s(name)), &is_changed, err);
    return rc == RC_OK && !is_changed
               ? fault(err, RC_NOT_FOUND, "Keypair %.255s not found for user %s", name, user_id)
               : rc;
}
