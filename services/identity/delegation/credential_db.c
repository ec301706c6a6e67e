// SPDX-License-Identifier: Apache-2.0
#include "services/identity/delegation/credential_db.h"

enum rc
credential_db_add_ec2(struct db *db, const struct ec2_row *row, struct err *err)
{
    return db_run(
        db,
        "INSERT INTO credential (id, digest, user_id, project_id, type, sealed)"
        " VALUES ($1, $1, $2, $3, 'ec2', $4)",
        DB_ARGS(db_s(row->digest), db_s(row->user_id), db_s(row->project_id), db_s(row->sealed)),
        NULL, err);
}

#define COLUMNS \
    "SELECT id, digest, user_id, project_id, sealed, blob FROM credential WHERE type = 'ec2'"
#define BY_ACCESS " AND digest = encode(sha256(convert_to($1, 'UTF8')), 'hex')"

enum rc
credential_db_find_ec2(struct db *db, const char *user_id, const char *access, db_result **ret_row,
                       struct err *err)
{
    enum rc rc = db_run_one(db, COLUMNS BY_ACCESS " AND ($2::text IS NULL OR user_id = $2)",
                            DB_ARGS(db_s(access), db_s(user_id)), ret_row, err);
    return rc == RC_NOT_FOUND ? fault(err, rc, "Could not find credential: %.64s.", access) : rc;
}

enum rc
credential_db_list_ec2(struct db *db, const char *user_id, db_result **ret_rows, struct err *err)
{
    return db_run(db, COLUMNS " AND user_id = $1 ORDER BY id LIMIT 10000", DB_ARGS(db_s(user_id)),
                  ret_rows, err);
}

enum rc
credential_db_drop_ec2(struct db *db, const char *user_id, const char *access, struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc = db_run(db,
                        "DELETE FROM credential WHERE user_id = $1 AND type = 'ec2' AND digest = "
                        "encode(sha256(convert_to($2, 'UTF8')), 'hex')",
                        DB_ARGS(db_s(user_id), db_s(access)), &rows, err);
    return rc ? rc
           : db_n_affected(rows)
               ? RC_OK
               : fault(err, RC_NOT_FOUND, "Could not find credential: %.64s.", access);
}
