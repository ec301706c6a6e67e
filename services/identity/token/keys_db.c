// SPDX-License-Identifier: Apache-2.0
#include "services/identity/token/keys_db.h"

enum rc
keys_db_lock(struct db *db, int64_t *ret_newest_us, struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc = db_lock_text(db, "signing_key", "all", err);
    rc = rc ? rc
            : db_run_one(db, "SELECT coalesce(max(signs_from_us), 0) AS newest FROM signing_key",
                         DB_NONE, &rows, err);
    if (rc == RC_OK) {
        *ret_newest_us = db_int(rows, 0, "newest");
    }
    return rc;
}

enum rc
keys_db_add(struct db *db, const char *kid, const char *sealed, const char *public_pem,
            int64_t signs_from_us, struct err *err)
{
    return db_run(db,
                  "INSERT INTO signing_key (kid, sealed, public_pem, signs_from_us) VALUES "
                  "($1, $2, $3, $4::bigint)",
                  DB_ARGS(db_s(kid), db_s(sealed), db_s(public_pem), db_i(signs_from_us)), NULL,
                  err);
}

enum rc
keys_db_remove_all(struct db *db, struct err *err)
{
    return db_run(db, "DELETE FROM signing_key", DB_NONE, NULL, err);
}

enum rc
keys_db_prune(struct db *db, int64_t before_us, struct err *err)
{
    return db_run(db,
                  "DELETE FROM signing_key k WHERE k.signs_from_us < $1::bigint"
                  " AND EXISTS (SELECT 1 FROM signing_key s WHERE s.signs_from_us > "
                  "k.signs_from_us AND s.signs_from_us < $1::bigint)",
                  DB_ARGS(db_i(before_us)), NULL, err);
}

enum rc
keys_db_list(struct db *db, db_result **ret_rows, struct err *err)
{
    return db_run(
        db,
        "SELECT kid, private_pem, sealed, public_pem, signs_from_us FROM signing_key ORDER BY "
        "signs_from_us, kid",
        DB_NONE, ret_rows, err);
}
