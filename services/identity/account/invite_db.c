// SPDX-License-Identifier: Apache-2.0
#include "services/identity/account/invite_db.h"

enum rc
invite_db_find_role(struct db *db, const char *name, db_result **ret_row, struct err *err)
{
    return db_run_one(db,
                      "SELECT r.id FROM role r WHERE r.domain_id IS NULL AND r.name = $1 AND NOT "
                      "EXISTS (SELECT 1 FROM role_closure c JOIN role i ON i.id = c.role_id WHERE "
                      "c.prior_role_id = r.id AND i.name IN ('admin', 'service'))",
                      DB_ARGS(db_s(name)), ret_row, err);
}

enum rc
invite_db_counts(struct db *db, const struct invitation_row *row, db_result **ret_row,
                 struct err *err)
{
    return db_run_one(
        db,
        "SELECT (SELECT count(*) FROM invitation WHERE project_id = $1 AND state = 'pending' AND "
        "expires_at > now()) AS n_pending,"
        " EXISTS (SELECT 1 FROM user_account u JOIN assignment a ON a.user_id = u.id WHERE "
        "u.domain_id = 'default' AND u.name = $2 AND a.target_id = $1) AS is_member,"
        " EXISTS (SELECT 1 FROM invitation WHERE project_id = $1 AND email = $2 AND state = "
        "'pending') AS is_asked,"
        " coalesce((SELECT locale FROM account WHERE user_id = $3), 'en') AS locale",
        DB_ARGS(db_s(row->project_id), db_s(row->email), db_s(row->inviter_id)), ret_row, err);
}

enum rc
invite_db_put(struct db *db, const struct invitation_row *row, char **ret_id, struct err *err)
{
    return db_run_text(db,
                       "INSERT INTO invitation (id, project_id, email, role_id, inviter_id, "
                       "expires_at) VALUES ($1, $2, $3, $4, $5, now() + $6::bigint * interval '1 "
                       "second') ON CONFLICT (project_id, email) WHERE state = 'pending' DO UPDATE "
                       "SET role_id = $4, inviter_id = $5, created_at = now(), expires_at = "
                       "excluded.expires_at RETURNING id AS value",
                       DB_ARGS(db_s(row->id), db_s(row->project_id), db_s(row->email),
                               db_s(row->role_id), db_s(row->inviter_id), db_i(row->life_s)),
                       ret_id, err);
}

// clang-format off
#define TIME(column) "to_char(" column " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
#define SHOWN \
    "json_build_object('id', i.id, 'project_id', i.project_id, 'email', i.email, 'role', r.name, 'inviter_id', i.inviter_id," \
    " 'state', CASE WHEN i.state = 'pending' AND i.expires_at <= now() THEN 'expired' ELSE i.state END," \
    " 'created_at', " TIME("i.created_at") ", 'expires_at', " TIME("i.expires_at") ", 'answered_at', " TIME("i.answered_at") ")"
// clang-format on

enum rc
invite_db_show(struct db *db, const char *id, char **ret_text, struct err *err)
{
    return db_run_text(db,
                       "SELECT json_build_object('invitation', " SHOWN ")::text AS value FROM "
                       "invitation i JOIN role r ON r.id = i.role_id WHERE i.id = $1",
                       DB_ARGS(db_s(id)), ret_text, err);
}

enum rc
invite_db_list(struct db *db, const char *project_id, const char *marker, int64_t limit,
               char **ret_text, struct err *err)
{
    return db_run_text(
        db,
        "WITH page AS (SELECT * FROM invitation WHERE project_id = $1 AND id > "
        "coalesce($2, '') ORDER BY id LIMIT $3::bigint)"
        " SELECT json_build_object('invitations', coalesce(json_agg(" SHOWN " ORDER BY "
        "i.id), '[]'), 'next_marker', CASE WHEN count(*) = $3::bigint THEN max(i.id) "
        "END)::text AS value FROM page i JOIN role r ON r.id = i.role_id",
        DB_ARGS(db_s(project_id), db_s(marker), db_i(limit)), ret_text, err);
}

#define FIND                                                                                     \
    "SELECT i.id, i.project_id, t.name AS project_name, i.role_id, r.name AS role_name, "        \
    "i.inviter_id, i.email, CASE WHEN t.enabled THEN i.state ELSE 'disabled' END AS state FROM " \
    "invitation i JOIN tenancy t ON t.id = i.project_id JOIN "                                   \
    "role r ON r.id = i.role_id WHERE i.id = $1"

enum rc
invite_db_find(struct db *db, const char *id, bool lock, db_result **ret_row, struct err *err)
{
    return db_run_one(db, lock ? FIND " FOR UPDATE OF i" : FIND, DB_ARGS(db_s(id)), ret_row, err);
}

enum rc
invite_db_answer(struct db *db, const char *id, const char *project_id, const char *state,
                 struct err *err)
{
    return db_run_one(db,
                      "UPDATE invitation SET state = $3, answered_at = now() WHERE id = $1 AND "
                      "state = 'pending' AND project_id = coalesce($2, project_id) RETURNING id",
                      DB_ARGS(db_s(id), db_s(project_id), db_s(state)), NULL, err);
}

enum rc
invite_db_find_user(struct db *db, const char *email, db_result **ret_row, struct err *err)
{
    return db_run_one(db,
                      "SELECT u.id, u.enabled, c.state FROM user_account u LEFT JOIN account c ON "
                      "c.user_id = u.id WHERE u.domain_id = 'default' AND u.name = $1",
                      DB_ARGS(db_s(email)), ret_row, err);
}

enum rc
invite_db_expire(struct db *db, const char *email, struct err *err)
{
    return db_run(db,
                  "WITH late AS (SELECT id FROM invitation WHERE state = 'pending' AND expires_at "
                  "<= now() AND ($1::text IS NULL OR email = $1) ORDER BY expires_at LIMIT 1000 "
                  "FOR UPDATE SKIP LOCKED), gone AS (UPDATE invitation i SET state = 'expired' "
                  "FROM late WHERE i.id = late.id RETURNING i.id, i.project_id, i.email, "
                  "i.inviter_id, i.expires_at) INSERT INTO audit (project_id, action, detail) "
                  "SELECT project_id, 'invitation.expire', jsonb_build_object('email', email, "
                  "'invitation_id', id, 'inviter_id', inviter_id) FROM gone ORDER BY expires_at, "
                  "id",
                  DB_ARGS(db_s(email)), NULL, err);
}

enum rc
invite_db_prune(struct db *db, struct err *err)
{
    return db_run(db, "DELETE FROM invitation WHERE expires_at < now() - interval '90 days'",
                  DB_NONE, NULL, err);
}
