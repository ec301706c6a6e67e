// SPDX-License-Identifier: Apache-2.0
#include "services/identity/token/method_db.h"

enum rc
method_db_totp(struct db *db, const char *user_id, db_result **ret_rows, struct err *err)
{
    return db_run(db,
                  "SELECT id, sealed, blob FROM credential WHERE user_id = $1 AND type = 'totp' "
                  "ORDER BY id LIMIT 16",
                  DB_ARGS(db_s(user_id)), ret_rows, err);
}

enum rc
method_db_use_totp(struct db *db, const char *credential_id, int64_t step, struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc = db_run(db,
                        "UPDATE credential SET totp_step = $2::bigint WHERE id = $1 AND "
                        "coalesce(totp_step, 0) < $2::bigint",
                        DB_ARGS(db_s(credential_id), db_i(step)), &rows, err);
    return rc                    ? rc
           : db_n_affected(rows) ? RC_OK
                                 : fault(err, RC_UNAUTHORIZED, "the passcode was used before");
}
