// SPDX-License-Identifier: Apache-2.0
#include "services/identity/account/accounts_db.h"
#include "common/base/util.h"
#include "services/identity/bootstrap_db.h"
#include "services/identity/tenancy/member_db.h"

#define DOMAIN_ID "default"

// $2: the window.
#define LEFT_S "ceil($2::bigint - extract(epoch FROM now() - window_start))::bigint"

static enum rc
too_many(const db_result *rows, struct err *err)
{
    rc_ignore(fault(err, RC_TOO_MANY, "too many requests: try again later"));
    if (err) {
        err->retry_after_s = (unsigned)MAX(1, db_int(rows, 0, "left_s"));
    }
    return RC_TOO_MANY;
}

enum rc
accounts_db_count(struct db *db, const char *bucket, int64_t max, int64_t window_s, struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc =
        db_run_one(db,
                   "INSERT INTO rate_limit AS l (bucket, window_start, n) VALUES ($1, now(), 1)"
                   " ON CONFLICT (bucket) DO UPDATE SET"
                   " n = CASE WHEN l.window_start <= now() - $2::bigint * interval '1 second' THEN "
                   "1 ELSE l.n + 1 END,"
                   " window_start = CASE WHEN l.window_start <= now() - $2::bigint * interval '1 "
                   "second' THEN now() ELSE l.window_start END"
                   " RETURNING n, " LEFT_S " AS left_s",
                   DB_ARGS(db_s(bucket), db_i(window_s)), &rows, err);
    return rc || db_int(rows, 0, "n") <= max ? rc : too_many(rows, err);
}

enum rc
accounts_db_has_room(struct db *db, const char *bucket, int64_t max, int64_t window_s,
                     struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc = db_run(db,
                        "SELECT " LEFT_S " AS left_s FROM rate_limit WHERE bucket = $1 AND n >= "
                        "$3::bigint AND window_start > now() - $2::bigint * interval '1 second'",
                        DB_ARGS(db_s(bucket), db_i(window_s), db_i(max)), &rows, err);
    return rc || !db_n_rows(rows) ? rc : too_many(rows, err);
}

enum rc
accounts_db_is_known(struct db *db, const char *email, bool *ret_known, struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc =
        db_run_one(db,
                   "SELECT EXISTS (SELECT 1 FROM user_account WHERE domain_id = '" DOMAIN_ID
                   "' AND name = $1) AS known",
                   DB_ARGS(db_s(email)), &rows, err);
    if (rc == RC_OK) {
        *ret_known = db_bool(rows, 0, "known");
    }
    return rc;
}

static enum rc
free_name(struct db *db, const char *wanted, const char *id, char **ret_name, struct err *err)
{
    return db_run_text(
        db,
        "SELECT CASE WHEN EXISTS (SELECT 1 FROM project WHERE domain_id = '" DOMAIN_ID
        "' AND name = left($1, 64))"
        " THEN left($1, 55) || '-' || left($2, 8) ELSE left($1, 64) END AS name",
        DB_ARGS(db_s(wanted), db_s(id)), ret_name, err);
}

enum rc
accounts_db_make_person(struct db *db, const struct person_row *row, struct err *err)
{
    enum rc rc =
        db_run(db,
               "WITH person AS (INSERT INTO user_account (id, domain_id, name, default_project_id, "
               "password_hash, password_changed_at, enabled, extra)"
               " VALUES ($1, '" DOMAIN_ID "', $2, $6, $5, now(), NOT $8::bool, "
               "jsonb_build_object('email', $2::text, 'full_name', $3::text, 'locale', $4::text)))"
               " INSERT INTO account (user_id, email, full_name, locale, state, terms_version, "
               "terms_at) VALUES ($1, $2, $3, $4, CASE WHEN $8::bool THEN 'waiting' ELSE 'active' "
               "END, $7, CASE WHEN $7::text IS NOT NULL THEN now() END)",
               DB_ARGS(db_s(row->user_id), db_s(row->email), db_s(row->name), db_s(row->locale),
                       db_s(row->password_hash), db_s(row->home_id), db_s(row->terms_version),
                       db_b(row->is_waiting)),
               NULL, err);
    return rc ? rc : member_db_add_password(db, row->user_id, row->password_hash, err);
}

enum rc
accounts_db_lock(struct db *db, const char *user_id, const char *sql, db_result **ret_row,
                 struct err *err)
{
    enum rc rc = db_run_one(db, "SELECT FROM account WHERE user_id = $1 FOR UPDATE",
                            DB_ARGS(db_s(user_id)), NULL, err);
    return rc ? rc : db_run_one(db, sql, DB_ARGS(db_s(user_id)), ret_row, err);
}

enum rc
accounts_db_make_project(struct db *db, const struct project_row *row, char **ret_name,
                         struct err *err)
{
    g_autofree char *name = NULL;
    enum rc rc = free_name(db, row->name, row->id, &name, err);
    rc = rc ? rc
            : db_run(db,
                     "INSERT INTO tenancy (id, is_domain, domain_id, parent_id, name, description) "
                     "VALUES ($1, false, '" DOMAIN_ID "', '" DOMAIN_ID "', $2, coalesce($3, ''))",
                     DB_ARGS(db_s(row->id), db_s(name), db_s(row->description)), NULL, err);
    rc = rc ? rc
            : db_run(db, "INSERT INTO account_project (project_id, user_id) VALUES ($1, $2)",
                     DB_ARGS(db_s(row->id), db_s(row->user_id)), NULL, err);
    rc = rc ? rc : bootstrap_db_grant(db, row->user_id, row->id, "member", err);
    if (rc == RC_OK) {
        *ret_name = g_steal_pointer(&name);
    }
    return rc;
}

enum rc
accounts_db_add_mail(struct db *db, const char *recipient, const char *subject, const char *body,
                     bool is_due, struct err *err)
{
    return db_run(db,
                  "INSERT INTO mail (recipient, subject, body, due_at) VALUES ($1, $2, $3, CASE "
                  "WHEN $4::bool THEN now() ELSE 'infinity' END)",
                  DB_ARGS(db_s(recipient), db_s(subject), db_s(body), db_b(is_due)), NULL, err);
}

enum rc
accounts_db_take_mail(struct db *db, db_result **ret_row, struct err *err)
{
    return db_run_one(
        db,
        "UPDATE mail SET attempt = attempt + 1, due_at = now() + interval '60 seconds' WHERE id ="
        " (SELECT id FROM mail WHERE due_at <= now() ORDER BY due_at, id LIMIT 1 FOR UPDATE SKIP "
        "LOCKED)"
        " RETURNING id, recipient, subject, body, attempt",
        DB_NONE, ret_row, err);
}

enum rc
accounts_db_drop_mail(struct db *db, int64_t id, struct err *err)
{
    return db_run(db, "DELETE FROM mail WHERE id = $1::bigint", DB_ARGS(db_i(id)), NULL, err);
}

enum rc
accounts_db_postpone_mail(struct db *db, int64_t id, int64_t delay_s, struct err *err)
{
    return db_run(
        db,
        "UPDATE mail SET due_at = now() + $2::bigint * interval '1 second' WHERE id = $1::bigint",
        DB_ARGS(db_i(id), db_i(delay_s)), NULL, err);
}

enum rc
accounts_db_prune(struct db *db, struct err *err)
{
    enum rc rc = db_run(
        db, "DELETE FROM mail WHERE due_at = 'infinity' OR created_at < now() - interval '30 days'",
        DB_NONE, NULL, err);
    return rc ? rc
              : db_run(db, "DELETE FROM rate_limit WHERE window_start < now() - interval '2 days'",
                       DB_NONE, NULL, err);
}
