// SPDX-License-Identifier: Apache-2.0
#include "services/identity/delegation/credential_db.h"

enum rc
credential_db_may_enter(struct db *db, const char *user_id, const char *project_id, struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc = db_run(db,
                        "SELECT EXISTS (SELECT 1 FROM effective_assignment WHERE user_id = $1 AND "
                        "target_id = $2) AS may"
                        " FROM project WHERE id = $2",
                        DB_ARGS(db_s(user_id), db_s(project_id)), &rows, err);
    if (rc || db_n_rows(rows) == 0) {
        return rc ? rc : fault(err, RC_NOT_FOUND, "Could not find project: %.64s.", project_id);
    }
    return db_bool(rows, 0, "may")
               ? RC_OK
               : fault(err, RC_FORBIDDEN, "user %.64s has no role on project %.64s", user_id,
                       project_id);
}

enum rc
credential_db_add_ec2(struct db *db, const struct ec2_row *row, struct err *err)
{
    return db_run(db,
                  "INSERT INTO credential (id, digest, user_id, project_id, type, blob)"
                  " VALUES (left($1, 32), $1, $2, $3, 'ec2', json_build_object('access', $4::text, "
                  "'secret', $5::text)::text)",
                  DB_ARGS(db_s(row->id), db_s(row->user_id), db_s(row->project_id),
                          db_s(row->access), db_s(row->secret)),
                  NULL, err);
}

#define EC2_ITEM                                                                              \
    "json_build_object('user_id', user_id, 'tenant_id', project_id, 'access', "               \
    "blob::json->>'access', 'secret', blob::json->>'secret',"                                 \
    " 'trust_id', NULL, 'links', json_build_object('self', $2 || '/v3/users/' || user_id || " \
    "'/credentials/OS-EC2/' || (blob::json->>'access')))"

static enum rc
one_text(struct db *db, const char *sql, const struct db_arg *args, size_t n_args, char **ret_text,
         struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc = db_run_one(db, sql, args, n_args, &rows, err);
    if (rc == RC_OK) {
        *ret_text = g_strdup(db_text(rows, 0, "value"));
    }
    return rc;
}

enum rc
credential_db_find_ec2(struct db *db, const char *user_id, const char *access, const char *base_url,
                       char **ret_text, struct err *err)
{
    enum rc rc = one_text(db,
                          "SELECT json_build_object('credential', " EC2_ITEM
                          ")::text AS value FROM credential"
                          " WHERE user_id = $1 AND type = 'ec2' AND digest = "
                          "encode(sha256(convert_to($3, 'UTF8')), 'hex')",
                          DB_ARGS(db_s(user_id), db_s(base_url), db_s(access)), ret_text, err);
    return rc == RC_NOT_FOUND ? fault(err, rc, "Could not find credential: %.64s.", access) : rc;
}

enum rc
credential_db_list_ec2(struct db *db, const char *user_id, const char *base_url, char **ret_text,
                       struct err *err)
{
    return one_text(db,
                    "SELECT coalesce(json_agg(" EC2_ITEM
                    " ORDER BY id), '[]')::text AS value FROM credential"
                    " WHERE user_id = $1 AND type = 'ec2'",
                    DB_ARGS(db_s(user_id), db_s(base_url)), ret_text, err);
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
