// SPDX-License-Identifier: Apache-2.0
#include "services/identity/account/close_db.h"
#include "common/base/util.h"
#include "common/db/lease.h"
#include "services/identity/account/accounts_db.h"
#include "services/identity/account/audit.h"
#include "services/identity/account/close.h"

#include <string.h>

void
closing_done(struct closing *closing)
{
    json_decref(closing->projects);
    db_result_free(closing->row);
    *closing = (struct closing){0};
}

// ---- accepting

enum rc
close_db_account(struct db *db, const char *user_id, db_result **ret_row, struct err *err)
{
    return accounts_db_lock(db, user_id,
                            "SELECT email, locale, state, EXISTS (SELECT 1 FROM closing c WHERE "
                            "c.user_id = a.user_id AND c.state = 'running') AS has_closing"
                            " FROM account a WHERE user_id = $1",
                            ret_row, err);
}

enum rc
close_db_projects(struct db *db, const char *user_id, const char *project_id, db_result **ret_rows,
                  struct err *err)
{
    return db_run(
        db,
        "SELECT p.project_id AS id, coalesce(t.name, p.project_id) AS name,"
        " (SELECT count(*) FROM account_project WHERE user_id = $1) AS n_all,"
        " EXISTS (SELECT 1 FROM tenancy c WHERE c.parent_id = p.project_id AND ($2::text IS NOT "
        "NULL OR NOT EXISTS (SELECT 1 FROM account_project o WHERE o.project_id = c.id AND "
        "o.user_id = $1))) AS has_children"
        " FROM account_project p LEFT JOIN tenancy t ON t.id = p.project_id"
        " WHERE p.user_id = $1 AND ($2::text IS NULL OR p.project_id = $2) ORDER BY p.project_id",
        DB_ARGS(db_s(user_id), db_s(project_id)), ret_rows, err);
}

enum rc
close_db_add(struct db *db, const struct closing_new *closing, json_t *projects, struct err *err)
{
    g_autofree char *steps = json_dumps(closing->steps, JSON_COMPACT),
                    *list = json_dumps(projects, JSON_COMPACT);
    enum rc rc = db_run(
        db,
        "INSERT INTO closing (id, kind, user_id, email, locale, actor_id, request_id, token_hash, "
        "step, deadline)"
        " SELECT $1, $2, user_id, email, locale, $4, $5, $6, $7::jsonb ->> 0, now() + $8::bigint * "
        "interval '1 second' FROM account WHERE user_id = $3",
        DB_ARGS(db_s(closing->id), db_s(closing->kind), db_s(closing->user_id),
                db_s(closing->actor_id), db_s(closing->request_id), db_s(closing->token_hash),
                db_s(steps), db_i(closing->deadline_s)),
        NULL, err);
    rc = rc ? rc
            : db_run(db,
                     "INSERT INTO closing_step (closing_id, position, name)"
                     " SELECT $1, n, name FROM jsonb_array_elements_text($2::jsonb) WITH "
                     "ORDINALITY s (name, n)",
                     DB_ARGS(db_s(closing->id), db_s(steps)), NULL, err);
    return rc ? rc
              : db_run(
                    db,
                    "INSERT INTO closing_project (closing_id, project_id, name)"
                    " SELECT $1, p ->> 'id', p ->> 'name' FROM jsonb_array_elements($2::jsonb) p",
                    DB_ARGS(db_s(closing->id), db_s(list)), NULL, err);
}

#define IDS_OF(parameter) "(SELECT p ->> 'id' FROM jsonb_array_elements(" parameter "::jsonb) p)"

enum rc
close_db_shut(struct db *db, const char *user_id, bool is_account, json_t *projects,
              struct err *err)
{
    g_autofree char *list = json_dumps(projects, JSON_COMPACT);
    enum rc rc = db_run(db, "UPDATE tenancy SET enabled = false WHERE id IN " IDS_OF("$1"),
                        DB_ARGS(db_s(list)), NULL, err);
    rc = rc ? rc
            : db_run(db,
                     "SELECT feed_append('revocation', jsonb_build_object('project_id', p ->> "
                     "'id')) FROM jsonb_array_elements($1::jsonb) p",
                     DB_ARGS(db_s(list)), NULL, err);
    if (rc || !is_account) {
        return rc;
    }
    rc = db_run(db, "UPDATE account SET state = 'closing', changed_at = now() WHERE user_id = $1",
                DB_ARGS(db_s(user_id)), NULL, err);
    rc = rc ? rc
            : db_run(db, "UPDATE user_account SET enabled = false WHERE id = $1",
                     DB_ARGS(db_s(user_id)), NULL, err);
    return rc ? rc : feed_revoke(db, &(struct revocation){.user_id = user_id}, err);
}

// ---- reading

#define TIME_OF(column) \
    "to_char(" column " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
#define BRIEF                                                                                   \
    "'id', c.id, 'kind', c.kind, 'state', c.state, 'step', CASE WHEN c.state = 'running' THEN " \
    "c.step END, 'account', json_build_object('user_id', c.user_id, 'email', c.email), "        \
    "'accepted_at', " TIME_OF("c.accepted_at") ", 'deadline', " TIME_OF(                        \
        "c.deadline") ", 'is_late', c.state = 'running' AND c.deadline < now(), "               \
                      "'done_at', " TIME_OF("c.done_at")

enum rc
close_db_show(struct db *db, const char *id, const char *token_hash, const char *user_id,
              int64_t token_life_s, char **ret_text, struct err *err)
{
    static const char sql[] =
        "SELECT json_build_object('closing', json_build_object(" BRIEF
        ", 'round', c.round, 'projects', (SELECT coalesce(json_agg(json_build_object('id', "
        "p.project_id, 'name', p.name, 'statement', p.statement) ORDER BY p.project_id), '[]') "
        "FROM "
        "closing_project p WHERE p.closing_id = c.id),"
        " 'steps', (SELECT coalesce(json_agg(json_build_object('name', s.name, 'state', s.state, "
        "'removed', s.n_removed, 'left', s.n_left, 'problem', s.problem, 'changed_at', " TIME_OF(
            "s.changed_at") ") ORDER BY s.position), '[]') FROM closing_step s WHERE s.closing_id "
                            "= c.id),"
                            " 'trail', (SELECT coalesce(json_agg(json_build_object('at', " TIME_OF(
                                "a.at") ", 'action', a.action, 'outcome', a.outcome, 'project_id', "
                                        "a.project_id, 'detail', a.detail - 'closing') ORDER BY "
                                        "a.n), '[]') FROM (SELECT * FROM audit WHERE detail ? "
                                        "'closing' AND detail ->> 'closing' = c.id ORDER BY n "
                                        "LIMIT 1000) a)))::text AS item FROM closing c"
                                        " WHERE c.id = $1 AND ($2::text IS NULL OR (c.token_hash = "
                                        "$2 AND coalesce(c.done_at + $4::bigint * interval '1 "
                                        "second' > now(), true)))"
                                        " AND ($3::text IS NULL OR c.user_id = $3)";
    g_autoptr(db_result) row = NULL;
    enum rc rc = db_run_one(
        db, sql, DB_ARGS(db_s(id), db_s(token_hash), db_s(user_id), db_i(token_life_s)), &row, err);
    if (rc == RC_OK) {
        *ret_text = g_strdup(db_text(row, 0, "item"));
    }
    return rc == RC_NOT_FOUND ? fault(err, rc, "there is no such closing") : rc;
}

enum rc
close_db_list(struct db *db, const struct closing_page *page, char **ret_text, struct err *err)
{
    static const char sql[] =
        "SELECT json_build_object('closings', coalesce(json_agg(item ORDER BY accepted_at, id), "
        "'[]'), 'next_marker', CASE WHEN count(*) = $4::bigint THEN (array_agg(id ORDER BY "
        "accepted_at DESC, id DESC))[1] END)::text AS items FROM (SELECT c.accepted_at, c.id, "
        "json_build_object(" BRIEF ") AS item FROM closing c"
        " WHERE ($1::text IS NULL OR c.user_id = $1) AND ($2::text IS NULL OR c.state = $2)"
        " AND ($3::text IS NULL OR (c.accepted_at, c.id) > (SELECT m.accepted_at, m.id FROM "
        "closing "
        "m WHERE m.id = $3 AND ($1::text IS NULL OR m.user_id = $1)))"
        " ORDER BY c.accepted_at, c.id LIMIT $4::bigint) page";
    return db_run_text(
        db, sql,
        DB_ARGS(db_s(page->user_id), db_s(page->state), db_s(page->marker), db_i(page->limit)),
        ret_text, err);
}

// ---- the job

enum rc
close_db_take(struct db *db, int64_t lease_s, struct closing *ret_closing, struct err *err)
{
    db_result *row = NULL;
    enum rc rc = db_run_one(
        db,
        "UPDATE closing c SET lease_owner = $1, lease_until = now() + $2::bigint * interval '1 "
        "second' WHERE id = (SELECT id FROM closing WHERE state = 'running' AND due_at <= now()"
        " AND (lease_until IS NULL OR lease_until < now()) ORDER BY due_at LIMIT 1 FOR UPDATE SKIP "
        "LOCKED)"
        " RETURNING id, kind, user_id, email, locale, actor_id, request_id, step, attempt, round,"
        " (SELECT coalesce(json_agg(json_build_object('id', p.project_id, 'name', p.name) ORDER BY "
        "p.project_id), '[]') FROM closing_project p WHERE p.closing_id = c.id) AS projects",
        DB_ARGS(db_s(lease_owner()), db_i(lease_s)), &row, err);
    if (rc) {
        return rc;
    }
    *ret_closing = (struct closing){.id = db_text(row, 0, "id"),
                                    .kind = db_text(row, 0, "kind"),
                                    .user_id = db_text(row, 0, "user_id"),
                                    .email = db_text(row, 0, "email"),
                                    .locale = db_text(row, 0, "locale"),
                                    .actor_id = db_text(row, 0, "actor_id"),
                                    .request_id = db_text(row, 0, "request_id"),
                                    .step = db_text(row, 0, "step"),
                                    .is_account = !strcmp(db_text(row, 0, "kind"), "account"),
                                    .attempt = db_int(row, 0, "attempt"),
                                    .round = db_int(row, 0, "round"),
                                    .projects = db_json(row, 0, "projects"),
                                    .row = row};
    return RC_OK;
}

// A statement that must change the closing's row: it does when the lease is still ours.
static enum rc
run_held(struct db *db, const char *sql, const struct db_arg *args, size_t n_args, struct err *err)
{
    g_autoptr(db_result) result = NULL;
    enum rc rc = db_run(db, sql, args, n_args, &result, err);
    return rc == RC_OK && db_n_affected(result) != 1
               ? fault_typed(err, RC_CONFLICT, CLOSE_LOST, "the lease of this closing is lost")
               : rc;
}
#define HELD " WHERE id = $1 AND lease_owner = $2 AND lease_until > now() AND state = 'running'"

enum rc
close_db_hold(struct db *db, const char *id, int64_t lease_s, struct err *err)
{
    return run_held(
        db, "UPDATE closing SET lease_until = now() + $3::bigint * interval '1 second'" HELD,
        DB_ARGS(db_s(id), db_s(lease_owner()), db_i(lease_s)), err);
}

enum rc
close_db_release(struct db *db, const char *id, struct err *err)
{
    return run_held(db, "UPDATE closing SET lease_owner = NULL, lease_until = NULL" HELD,
                    DB_ARGS(db_s(id), db_s(lease_owner())), err);
}

static enum rc
write_trail(struct db *db, const struct close_progress *progress, struct err *err)
{
    const struct closing *closing = progress->closing;
    if (!progress->n_removed && !progress->next) {
        return RC_OK;
    }
    g_autofree char *action = g_strdup_printf("%s.close.%s", closing->kind, progress->step);
    json_auto_t *detail = json_pack("{s:s, s:I, s:O, s:I}", "closing", closing->id, "round",
                                    (json_int_t)closing->round, "removed", progress->removed,
                                    "left", (json_int_t)progress->n_left);
    json_t *only = json_object_get(json_array_get(closing->projects, 0), "id");
    const struct audit_entry entry = {
        .user_id = closing->user_id,
        .project_id = json_array_size(closing->projects) == 1 ? json_string_value(only) : NULL,
        .actor_id = closing->actor_id,
        .action = action,
        .outcome = progress->next ? "done" : "going on",
        .detail = detail};
    return audit_write(db, &entry, err);
}

enum rc
close_db_progress(struct db *db, void *argument, struct err *err)
{
    const struct close_progress *progress = argument;
    const char *id = progress->closing->id;
    enum rc rc = run_held(
        db,
        "UPDATE closing SET step = coalesce($3, step), n_round = n_round + $4::bigint, attempt = "
        "$5::int, due_at = CASE WHEN $8::bool THEN due_at ELSE now() + $6::bigint * interval '1 "
        "millisecond' END, lease_owner = CASE WHEN $8::bool THEN lease_owner END, lease_until = "
        "CASE WHEN $8::bool THEN now() + $7::bigint * interval '1 second' END" HELD,
        DB_ARGS(db_s(id), db_s(lease_owner()), db_s(progress->next), db_i(progress->n_removed),
                db_i(progress->attempt), db_i(progress->delay_ms), db_i(progress->lease_s),
                db_b(progress->keeps_lease)),
        err);
    rc =
        rc ? rc
           : db_run(db,
                    "UPDATE closing_step SET state = CASE WHEN $3::bool THEN 'done' ELSE 'running' "
                    "END, n_removed = n_removed + $4::bigint, n_left = $5::bigint, problem = "
                    "nullif($6, ''), changed_at = now() WHERE closing_id = $1 AND name = $2",
                    DB_ARGS(db_s(id), db_s(progress->step), db_b(progress->next != NULL),
                            db_i(progress->n_removed), db_i(progress->n_left),
                            db_s(progress->problem)),
                    NULL, err);
    return rc ? rc : write_trail(db, progress, err);
}

enum rc
close_db_is_settled(struct db *db, const char *id, int64_t settle_s, bool *ret_settled,
                    struct err *err)
{
    g_autoptr(db_result) row = NULL;
    enum rc rc =
        db_run_one(db,
                   "SELECT n_round = 0 AND round_at >= accepted_at + $2::bigint * interval "
                   "'1 second' AS settled FROM closing WHERE id = $1",
                   DB_ARGS(db_s(id), db_i(settle_s)), &row, err);
    if (rc == RC_OK) {
        *ret_settled = db_bool(row, 0, "settled");
    }
    return rc;
}

enum rc
close_db_begin_round(struct db *db, const char *id, const char *first, int64_t settle_s,
                     struct err *err)
{
    return run_held(
        db,
        "UPDATE closing SET step = $3, round = round + 1, n_round = 0, attempt = 0, lease_owner = "
        "NULL, lease_until = NULL, round_at = greatest(now(), accepted_at + $4::bigint * interval "
        "'1 second'), due_at = greatest(now(), accepted_at + $4::bigint * interval '1 "
        "second')" HELD,
        DB_ARGS(db_s(id), db_s(lease_owner()), db_s(first), db_i(settle_s)), err);
}

enum rc
close_db_endpoints(struct db *db, const char *type, const char *project_id, db_result **ret_rows,
                   struct err *err)
{
    return db_run(
        db,
        "SELECT DISTINCT rtrim(replace(replace(replace(replace(e.url, '$(project_id)s', $2), "
        "'%(project_id)s', $2), '$(tenant_id)s', $2), '%(tenant_id)s', $2), '/') AS url"
        " FROM endpoint e JOIN service s ON s.id = e.service_id WHERE s.type = $1 AND s.enabled "
        "AND "
        "e.enabled AND e.interface = 'internal' ORDER BY url",
        DB_ARGS(db_s(type), db_s(project_id)), ret_rows, err);
}

enum rc
close_db_unstated(struct db *db, const char *id, db_result **ret_rows, struct err *err)
{
    return db_run(db,
                  "SELECT project_id, statement_to FROM closing_project WHERE closing_id = $1 AND "
                  "statement IS NULL ORDER BY project_id",
                  DB_ARGS(db_s(id)), ret_rows, err);
}

enum rc
close_db_set_statement_to(struct db *db, const char *project_id, char **ret_to, struct err *err)
{
    return db_run_text(db,
                       "UPDATE closing_project SET statement_to = " TIME_OF(
                           "clock_timestamp()") " WHERE project_id = $1 RETURNING statement_to",
                       DB_ARGS(db_s(project_id)), ret_to, err);
}

enum rc
close_db_set_statement(struct db *db, const char *project_id, json_t *statement, struct err *err)
{
    g_autofree char *text = json_dumps(statement, JSON_COMPACT);
    return db_run(db,
                  "UPDATE closing_project SET statement = $2::jsonb WHERE project_id = $1 AND "
                  "statement IS NULL",
                  DB_ARGS(db_s(project_id), db_s(text)), NULL, err);
}

enum rc
close_db_statements(struct db *db, const char *id, json_t **ret_statements, struct err *err)
{
    return db_run_json(db,
                       "SELECT coalesce(json_agg(statement - 'lines' ORDER BY project_id), "
                       "'[]') AS items FROM closing_project WHERE closing_id = $1 AND "
                       "statement IS NOT NULL",
                       DB_ARGS(db_s(id)), ret_statements, err);
}

// Each: $1 is the projects, array of {"id"}. Limits go with their project (0026_unified_limit.sql).
static const char *const project_sql[] = {
    "UPDATE user_account SET default_project_id = NULL WHERE default_project_id IN " IDS_OF("$1"),
    "DELETE FROM credential WHERE project_id IN " IDS_OF("$1"),
    "SELECT feed_append('revocation', jsonb_build_object('project_id', p ->> 'id')) FROM "
    "jsonb_array_elements($1::jsonb) p",
    "DELETE FROM tenancy WHERE NOT is_domain AND id IN " IDS_OF("$1"),
    "DELETE FROM account_project WHERE project_id IN " IDS_OF("$1"),
};
// Each: $1 is the user.
static const char *const user_sql[] = {
    "SELECT feed_append('revocation', jsonb_build_object('user_id', $1::text))",
    "SELECT account_forget_proofs($1)",
    "DELETE FROM user_account WHERE id = $1",
    "UPDATE account SET state = 'closed', changed_at = now() WHERE user_id = $1",
};

enum rc
close_db_finish(struct db *db, const struct closing *closing, struct err *err)
{
    g_autofree char *list = json_dumps(closing->projects, JSON_COMPACT);
    enum rc rc = run_held(db,
                          "UPDATE closing SET state = 'done', done_at = now(), lease_owner = NULL, "
                          "lease_until = NULL" HELD,
                          DB_ARGS(db_s(closing->id), db_s(lease_owner())), err);
    for (size_t i = 0; rc == RC_OK && i < N_ELEMENTS(project_sql); i++) {
        rc = db_run(db, project_sql[i], DB_ARGS(db_s(list)), NULL, err);
    }
    for (size_t i = 0; rc == RC_OK && closing->is_account && i < N_ELEMENTS(user_sql); i++) {
        rc = db_run(db, user_sql[i], DB_ARGS(db_s(closing->user_id)), NULL, err);
    }
    return rc ? rc
              : db_run(db,
                       "UPDATE closing_step SET state = 'done', n_left = 0, problem = NULL, "
                       "changed_at = now() WHERE closing_id = $1",
                       DB_ARGS(db_s(closing->id)), NULL, err);
}

enum rc
close_db_count(struct db *db, int64_t *ret_running, int64_t *ret_late, struct err *err)
{
    g_autoptr(db_result) row = NULL;
    enum rc rc = db_run_one(db,
                            "SELECT count(*) AS running, count(*) FILTER (WHERE deadline < now()) "
                            "AS late FROM closing WHERE state = 'running'",
                            DB_NONE, &row, err);
    if (rc == RC_OK) {
        *ret_running = db_int(row, 0, "running");
        *ret_late = db_int(row, 0, "late");
    }
    return rc;
}

enum rc
close_db_late(struct db *db, db_result **ret_rows, struct err *err)
{
    return db_run(
        db,
        "SELECT c.id, c.user_id, c.step, extract(epoch FROM now() - c.deadline)::bigint AS "
        "late_s, s.problem FROM closing c LEFT JOIN closing_step s ON s.closing_id = c.id "
        "AND s.name = c.step WHERE c.state = 'running' AND c.deadline < now() ORDER BY "
        "c.deadline LIMIT 20",
        DB_NONE, ret_rows, err);
}
