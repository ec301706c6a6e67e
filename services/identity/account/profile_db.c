// SPDX-License-Identifier: Apache-2.0
#include "services/identity/account/profile_db.h"

#define TIME(column) "to_char(" column " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"

enum rc
profile_db_show(struct db *db, const char *user_id, char **ret_text, struct err *err)
{
    return db_run_text(
        db,
        "SELECT json_build_object('account', json_build_object('user_id', a.user_id, 'email', "
        "a.email, 'name', a.full_name, 'locale', a.locale, 'state', a.state, 'terms_version', "
        "a.terms_version, 'terms_at', " TIME("a.terms_at") ", 'created_at', " TIME(
            "a.created_at") ", 'changed_at', " TIME("a.changed_at") ", 'default_project_id', "
                                                                    "u.default_project_id"
                                                                    "))::text AS value FROM "
                                                                    "account a LEFT JOIN "
                                                                    "user_account u ON u.id = "
                                                                    "a.user_id WHERE a.user_id = "
                                                                    "$1",
        DB_ARGS(db_s(user_id)), ret_text, err);
}

enum rc
profile_db_change(struct db *db, const struct profile_row *row, struct err *err)
{
    enum rc rc = db_run_one(
        db,
        "UPDATE account SET full_name = coalesce($2, full_name), locale = coalesce($3, locale), "
        "terms_version = coalesce($4, terms_version), terms_at = CASE WHEN $4::text IS NOT NULL "
        "THEN now() ELSE terms_at END, changed_at = now() WHERE user_id = $1 RETURNING user_id",
        DB_ARGS(db_s(row->user_id), db_s(row->name), db_s(row->locale), db_s(row->terms_version)),
        NULL, err);
    if (rc) {
        return rc == RC_NOT_FOUND ? fault(err, rc, "this user has no account") : rc;
    }
    rc = db_run_one(db,
                    "UPDATE user_account SET extra = extra || jsonb_strip_nulls("
                    "jsonb_build_object('full_name', $2::text, 'locale', $3::text)), "
                    "default_project_id = coalesce($4, default_project_id) WHERE id = $1 AND "
                    "($4::text IS NULL OR EXISTS (SELECT 1 FROM assignment WHERE user_id = $1 AND "
                    "target_id = $4 AND NOT inherited)) RETURNING id",
                    DB_ARGS(db_s(row->user_id), db_s(row->name), db_s(row->locale),
                            db_s(row->default_project_id)),
                    NULL, err);
    return rc == RC_NOT_FOUND ? fault(err, RC_INVALID,
                                      "invalid input for field 'default_project_id': you are not "
                                      "in project '%.64s'",
                                      row->default_project_id ? row->default_project_id : "")
                              : rc;
}

enum rc
profile_db_lock(struct db *db, const char *user_id, db_result **ret_row, struct err *err)
{
    return db_run_one(
        db, "SELECT user_id, email, locale, state FROM account WHERE user_id = $1 FOR UPDATE",
        DB_ARGS(db_s(user_id)), ret_row, err);
}

enum rc
profile_db_find_by_email(struct db *db, const char *email, db_result **ret_row, struct err *err)
{
    return db_run_one(db,
                      "SELECT user_id, locale FROM account WHERE email = $1 AND state IN "
                      "('active', 'waiting')",
                      DB_ARGS(db_s(email)), ret_row, err);
}

enum rc
profile_db_set_email(struct db *db, const char *user_id, const char *email, struct err *err)
{
    enum rc rc = db_run(db, "UPDATE account SET email = $2, changed_at = now() WHERE user_id = $1",
                        DB_ARGS(db_s(user_id), db_s(email)), NULL, err);
    return rc ? rc
              : db_run(db,
                       "UPDATE user_account SET name = $2, extra = extra || "
                       "jsonb_build_object('email', $2::text) WHERE id = $1",
                       DB_ARGS(db_s(user_id), db_s(email)), NULL, err);
}

// clang-format off
// $1 before, $2 limit; rows: a page of table audit. Each kind of question reads one index.
#define SHOWN(rows) \
    "WITH page AS (" rows " ORDER BY n DESC LIMIT $2::bigint) SELECT json_build_object('audit', coalesce(json_agg(json_build_object(" \
    "'id', n, 'at', to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), 'action', action, 'outcome', outcome," \
    " 'user_id', user_id, 'project_id', project_id, 'actor_id', actor_id, 'detail', detail, 'request_id', request_id) ORDER BY n DESC), '[]')," \
    " 'next_marker', CASE WHEN count(*) = $2::bigint THEN min(n) END)::text AS value FROM page"
#define ROWS(condition) "SELECT * FROM audit WHERE n < $1::bigint AND " condition
#define MAY_BE(column, parameter) "(" parameter "::text IS NULL OR " column " = " parameter ")"
#define NEWEST " ORDER BY n DESC LIMIT $2::bigint"

static const char owner_sql[] = SHOWN("SELECT * FROM ((" ROWS("user_id = $3 AND " MAY_BE("project_id", "$4")) NEWEST ")"
    " UNION (SELECT l.* FROM account_project p CROSS JOIN LATERAL (" ROWS("project_id = p.project_id") NEWEST ") l"
    " WHERE p.user_id = $3 AND " MAY_BE("p.project_id", "$4") ")) both_kinds");
static const char user_sql[] = SHOWN(ROWS("user_id = $3 AND " MAY_BE("project_id", "$4") " AND " MAY_BE("action", "$5")));
static const char project_sql[] = SHOWN(ROWS(MAY_BE("user_id", "$3") " AND project_id = $4 AND " MAY_BE("action", "$5")));
static const char action_sql[] = SHOWN(ROWS(MAY_BE("user_id", "$3") " AND " MAY_BE("project_id", "$4") " AND action = $5"));
static const char all_sql[] = SHOWN(ROWS(MAY_BE("user_id", "$3") " AND " MAY_BE("project_id", "$4") " AND " MAY_BE("action", "$5")));
// clang-format on

enum rc
profile_db_trail(struct db *db, const struct trail_query *query, char **ret_text, struct err *err)
{
    if (query->owner_id) {
        return db_run_text(db, owner_sql,
                           DB_ARGS(db_i(query->before), db_i(query->limit), db_s(query->owner_id),
                                   db_s(query->project_id)),
                           ret_text, err);
    }
    return db_run_text(db,
                       query->user_id      ? user_sql
                       : query->project_id ? project_sql
                       : query->action     ? action_sql
                                           : all_sql,
                       DB_ARGS(db_i(query->before), db_i(query->limit), db_s(query->user_id),
                               db_s(query->project_id), db_s(query->action)),
                       ret_text, err);
}
