// SPDX-License-Identifier: Apache-2.0
#include "services/identity/delegation/oauth1_db.h"

#define STAMP(column) "to_char(" column " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
#define LIVE "(expires_at IS NULL OR expires_at > now())"
#define AFTER(life) \
    "CASE WHEN " life "::bigint > 0 THEN now() + " life "::bigint * interval '1 s' END"

enum rc
oauth1_db_consumer(struct db *db, const char *id, db_result **ret_row, struct err *err)
{
    enum rc rc = db_run_one(db, "SELECT id, sealed, secret FROM consumer WHERE id = $1",
                            DB_ARGS(db_s(id)), ret_row, err);
    return rc == RC_NOT_FOUND ? fault(err, rc, "Could not find consumer: %.64s.", id) : rc;
}

enum rc
oauth1_db_add_request(struct db *db, const struct oauth1_token_row *row, db_result **ret_row,
                      struct err *err)
{
    return db_run_one(
        db,
        "INSERT INTO oauth1_request_token (id, consumer_id, project_id, sealed, expires_at) "
        "SELECT $1, $2, p.id, $4, " AFTER("$5") " FROM project p WHERE p.id = $3 "
                                                "RETURNING " STAMP("expires_at") " AS expires_at",
        DB_ARGS(db_s(row->id), db_s(row->consumer_id), db_s(row->project_id), db_s(row->sealed),
                db_i(row->life_s)),
        ret_row, err);
}

enum rc
oauth1_db_request(struct db *db, const char *id, db_result **ret_row, struct err *err)
{
    enum rc rc =
        db_run_one(db,
                   "SELECT id, consumer_id, project_id, user_id, sealed, "
                   "verifier_digest, " LIVE " AS is_live FROM oauth1_request_token WHERE id = $1",
                   DB_ARGS(db_s(id)), ret_row, err);
    return rc == RC_NOT_FOUND ? fault(err, rc, "Could not find Request Token: %.64s.", id) : rc;
}

enum rc
oauth1_db_authorize(struct db *db, const char *id, const char *user_id, const char *verifier_digest,
                    json_t *role_ids, struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    char *roles = json_dumps(role_ids, JSON_COMPACT);
    enum rc rc = db_run_one(
        db,
        "UPDATE oauth1_request_token SET user_id = $2, verifier_digest = $3, role_ids = $4::jsonb "
        "WHERE id = $1 AND " LIVE " RETURNING id",
        DB_ARGS(db_s(id), db_s(user_id), db_s(verifier_digest), db_s(roles)), &rows, err);
    free(roles);
    return rc == RC_NOT_FOUND ? fault(err, rc, "Could not find Request Token: %.64s.", id) : rc;
}

enum rc
oauth1_db_exchange(struct db *db, const char *request_id, const struct oauth1_token_row *row,
                   db_result **ret_row, struct err *err)
{
    g_autoptr(db_result) taken = NULL;
    enum rc rc = db_run_one(db,
                            "DELETE FROM oauth1_request_token WHERE id = $1 AND user_id IS NOT "
                            "NULL RETURNING user_id, project_id, consumer_id, role_ids",
                            DB_ARGS(db_s(request_id)), &taken, err);
    rc = rc ? rc
            : db_run_one(
                  db,
                  "INSERT INTO oauth1_access_token (id, consumer_id, project_id, user_id, sealed, "
                  "audit_id, expires_at) VALUES ($1, $2, $3, $4, $5, $6, " AFTER(
                      "$7") ") RETURNING " STAMP("expires_at") " AS expires_at",
                  DB_ARGS(db_s(row->id), db_s(db_text(taken, 0, "consumer_id")),
                          db_s(db_text(taken, 0, "project_id")), db_s(db_text(taken, 0, "user_id")),
                          db_s(row->sealed), db_s(row->audit_id), db_i(row->life_s)),
                  ret_row, err);
    return rc ? rc
              : db_run(db,
                       "INSERT INTO oauth1_access_token_role (access_token_id, role_id) SELECT $1, "
                       "id FROM role WHERE id IN (SELECT jsonb_array_elements_text($2::jsonb))",
                       DB_ARGS(db_s(row->id), db_s(db_text(taken, 0, "role_ids"))), NULL, err);
}

enum rc
oauth1_db_use_nonce(struct db *db, const char *consumer_id, const char *token, int64_t signed_at_s,
                    const char *nonce, struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc =
        db_run(db,
               "INSERT INTO oauth1_nonce (consumer_id, token, signed_at, nonce) VALUES "
               "($1, $2, $3::bigint, $4) ON CONFLICT DO NOTHING",
               DB_ARGS(db_s(consumer_id), db_s(token), db_i(signed_at_s), db_s(nonce)), &rows, err);
    return rc                    ? rc
           : db_n_affected(rows) ? RC_OK
                                 : fault(err, RC_UNAUTHORIZED, "the nonce was used before");
}

enum rc
oauth1_db_for_login(struct db *db, const char *id, db_result **ret_row, struct err *err)
{
    return db_run_one(
        db,
        "SELECT a.id, a.consumer_id, a.user_id, a.project_id, a.sealed, a.audit_id, c.sealed AS "
        "consumer_sealed, c.secret AS consumer_secret, coalesce((extract(epoch FROM a.expires_at) "
        "* 1000000)::bigint, 0) AS expires_us, (SELECT coalesce(json_agg(DISTINCT r.role_id), "
        "'[]') FROM oauth1_access_token_role x JOIN role_closure r ON r.prior_role_id = x.role_id "
        "WHERE x.access_token_id = a.id) AS role_ids FROM oauth1_access_token a JOIN consumer c ON "
        "c.id = a.consumer_id WHERE a.id = $1 AND " LIVE,
        DB_ARGS(db_s(id)), ret_row, err);
}

// $2 is the base URL.
#define ITEM                                                                                   \
    "json_build_object('id', id, 'consumer_id', consumer_id, 'authorizing_user_id', user_id, " \
    "'project_id', project_id, 'expires_at', " STAMP(                                          \
        "expires_at") ", 'links', json_build_object('self', $2 || '/v3/users/' || user_id || " \
                      "'/OS-OAUTH1/access_tokens/' || id, 'roles', $2 || '/v3/users/' || "     \
                      "user_id || '/OS-OAUTH1/access_tokens/' || id || '/roles'))"

enum rc
oauth1_db_list(struct db *db, const char *user_id, const char *base_url, char **ret_text,
               struct err *err)
{
    return db_run_text(
        db,
        "SELECT coalesce(json_agg(" ITEM
        " ORDER BY id), '[]')::text AS value FROM (SELECT * FROM oauth1_access_token "
        "WHERE user_id = $1 ORDER BY id LIMIT 10000) a",
        DB_ARGS(db_s(user_id), db_s(base_url)), ret_text, err);
}

enum rc
oauth1_db_find(struct db *db, const char *user_id, const char *id, const char *base_url,
               char **ret_text, struct err *err)
{
    enum rc rc =
        db_run_text(db,
                    "SELECT json_build_object('access_token', " ITEM
                    ")::text AS value FROM oauth1_access_token WHERE user_id = $1 AND id = $3",
                    DB_ARGS(db_s(user_id), db_s(base_url), db_s(id)), ret_text, err);
    return rc == RC_NOT_FOUND ? fault(err, rc, "Could not find Access Token: %.64s.", id) : rc;
}

enum rc
oauth1_db_drop(struct db *db, const char *user_id, const char *id, struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc = db_run_one(
        db, "DELETE FROM oauth1_access_token WHERE user_id = $1 AND id = $2 RETURNING id",
        DB_ARGS(db_s(user_id), db_s(id)), &rows, err);
    return rc == RC_NOT_FOUND ? fault(err, rc, "Could not find Access Token: %.64s.", id) : rc;
}

enum rc
oauth1_db_roles(struct db *db, const char *id, const char *role_id, const char *base_url,
                char **ret_text, struct err *err)
{
    return db_run_text(
        db,
        "SELECT coalesce(json_agg(json_build_object('id', r.id, 'name', r.name, 'domain_id', "
        "r.domain_id, 'links', json_build_object('self', $2 || '/v3/roles/' || r.id)) ORDER BY "
        "r.name), '[]')::text AS value FROM oauth1_access_token_role x JOIN role r ON r.id = "
        "x.role_id WHERE x.access_token_id = $1 AND ($3::text IS NULL OR r.id = $3)",
        DB_ARGS(db_s(id), db_s(base_url), db_s(role_id)), ret_text, err);
}

enum rc
oauth1_db_prune(struct db *db, struct err *err)
{
    enum rc rc = db_run(db, "DELETE FROM oauth1_nonce WHERE used_at < now() - interval '1 hour'",
                        DB_NONE, NULL, err);
    rc = rc ? rc
            : db_run(db, "DELETE FROM oauth1_request_token WHERE expires_at < now()", DB_NONE, NULL,
                     err);
    return rc ? rc
              : db_run(db, "DELETE FROM oauth1_access_token WHERE expires_at < now()", DB_NONE,
                       NULL, err);
}
