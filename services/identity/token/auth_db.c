// SPDX-License-Identifier: Apache-2.0
// Who somebody is, where they may act, and the catalog: one statement each.
#include "services/identity/token/auth.h"
#include "services/identity/token/feed_db.h"

enum rc
auth_db_begin(struct db *db, int64_t *ret_now_us, struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc = db_run_one(db, FEED_BARRIER_SQL, DB_NONE, &rows, err);
    if (rc == RC_OK) {
        *ret_now_us = db_int(rows, 0, "now_us");
    }
    return rc;
}

#define USER                                                                                      \
    "SELECT u.id, u.name, u.enabled, u.domain_id, d.name AS domain_name, d.enabled AS "           \
    "domain_enabled, u.default_project_id, u.password_hash, u.n_failures, extract(epoch FROM "    \
    "now() - u.failed_at)::bigint AS failed_s, u.options, u.password_is_own AS is_password_own, " \
    "coalesce((extract(epoch FROM u.password_expires_at) * 1000000)::bigint, 0) AS "              \
    "password_expires_us, coalesce(u.password_expires_at <= now(), false) AND "                   \
    "u.options->'ignore_password_expiry' IS DISTINCT FROM 'true' AS is_password_expired, "        \
    "coalesce(extract(epoch FROM now() - u.password_changed_at)::bigint, 0) AS password_age_s, "  \
    "coalesce((extract(epoch FROM u.password_changed_at) * 1000000)::bigint, 0) AS "              \
    "password_changed_us, "                                                                       \
    "CASE WHEN u.options->'ignore_user_inactivity' IS NOT DISTINCT FROM 'true' THEN 0 ELSE "      \
    "(now() "                                                                                     \
    "AT TIME ZONE 'UTC')::date - coalesce(u.last_active_on, u.created_at::date) END AS "          \
    "inactive_days, u.options->'ignore_lockout_failure_attempts' IS NOT DISTINCT FROM 'true' AS " \
    "ignores_lockout, u.options->'lock_password' IS NOT DISTINCT FROM 'true' AS "                 \
    "is_password_locked FROM user_account u JOIN tenancy d ON d.id = u.domain_id WHERE "

// A statement for each way to name a user: each keeps one plan.
enum rc
auth_db_find_user(struct db *db, const struct named *user, db_result **ret_row, struct err *err)
{
    if (user->id) {
        return db_run_one(db, USER "u.id = $1", DB_ARGS(db_s(user->id)), ret_row, err);
    }
    if (user->domain_id) {
        return db_run_one(db, USER "u.name = $1 AND u.domain_id = $2",
                          DB_ARGS(db_s(user->name), db_s(user->domain_id)), ret_row, err);
    }
    return db_run_one(db, USER "u.name = $1 AND u.domain_id = domain_named($2)",
                      DB_ARGS(db_s(user->name), db_s(user->domain_name)), ret_row, err);
}

#define IS_LOCKED                                                                                 \
    "(n_failures >= $2::bigint AND ($3::bigint = 0 OR failed_at > now() - make_interval(secs => " \
    "$3::bigint)))"

enum rc
auth_db_count_failure(struct db *db, const char *user_id, const struct lockout *lockout,
                      struct err *err)
{
    return db_run(
        db,
        "UPDATE user_account SET n_failures = CASE WHEN n_failures >= $2::bigint THEN 1 ELSE "
        "n_failures + 1 END, failed_at = now() WHERE id = $1 AND NOT " IS_LOCKED,
        DB_ARGS(db_s(user_id), db_i(lockout->attempts), db_i(lockout->life_s)), NULL, err);
}

enum rc
auth_db_check_lock(struct db *db, const char *user_id, const struct lockout *lockout,
                   struct err *err)
{
    g_autoptr(db_result) row = NULL;
    enum rc rc =
        db_run(db, "SELECT id FROM user_account WHERE id = $1 AND NOT " IS_LOCKED,
               DB_ARGS(db_s(user_id), db_i(lockout->attempts), db_i(lockout->life_s)), &row, err);
    return rc || db_n_rows(row) ? rc : auth_denied(err);
}

enum rc
auth_db_see_user(struct db *db, const char *user_id, struct err *err)
{
    return db_run(db,
                  "UPDATE user_account SET last_active_on = (now() AT TIME ZONE 'UTC')::date WHERE "
                  "id = $1 AND last_active_on IS DISTINCT FROM (now() AT TIME ZONE 'UTC')::date",
                  DB_ARGS(db_s(user_id)), NULL, err);
}

enum rc
auth_db_forget_failures(struct db *db, const char *user_id, struct err *err)
{
    return db_run(db, "UPDATE user_account SET n_failures = 0 WHERE id = $1 AND n_failures > 0",
                  DB_ARGS(db_s(user_id)), NULL, err);
}

enum rc
auth_db_renew_hash(struct db *db, const char *user_id, const char *old, const char *hash,
                   struct err *err)
{
    return db_run(db,
                  "UPDATE user_account SET password_hash = $3 WHERE id = $1 AND password_hash = $2",
                  DB_ARGS(db_s(user_id), db_s(old), db_s(hash)), NULL, err);
}

// $1 is the user; alias t is the row acted on: direct roles there, and inherited ones of what is
// above.
#define ROLES(held)                                                                                \
    "(SELECT coalesce(json_agg(json_build_array(r.id, r.name) ORDER BY r.name), '[]') FROM role r" \
    " WHERE r.domain_id IS NULL AND r.id = ANY (ARRAY(SELECT c.role_id FROM role_closure c"        \
    " WHERE c.prior_role_id = ANY (ARRAY(SELECT a.role_id FROM assignment a WHERE a.user_id = $1"  \
    " AND " held ") || ARRAY(SELECT a.role_id FROM group_member m JOIN assignment a"               \
    " ON a.group_id = m.group_id WHERE m.user_id = $1 AND " held "))))) AS roles"
#define PROJECT                                                                                   \
    "SELECT t.id, t.name, t.enabled, t.domain_id, d.name AS domain_name, d.enabled AS "           \
    "domain_enabled, " ROLES("a.target_id = ANY (t.ancestors || t.id) AND a.inherited = "         \
                             "(a.target_id <> t.id)") " FROM tenancy t JOIN tenancy d ON d.id = " \
                                                      "t.domain_id WHERE NOT t.is_domain AND "
#define DOMAIN                                \
    "SELECT t.id, t.name, t.enabled, " ROLES( \
        "a.target_id = t.id AND NOT a.inherited") " FROM tenancy t WHERE t.is_domain AND "

// A statement for each way to name a project: each keeps one plan.
static struct db_call
project_call(const char *user_id, const struct named *project, struct db_arg args[3])
{
    args[0] = db_s(user_id);
    if (project->id) {
        args[1] = db_s(project->id);
        return (struct db_call){PROJECT "t.id = $2", args, 2};
    }
    args[1] = db_s(project->name);
    args[2] = db_s(project->domain_id ? project->domain_id : project->domain_name);
    return (struct db_call){project->domain_id ? PROJECT "t.name = $2 AND t.domain_id = $3"
                                               : PROJECT
                                "t.name = $2 AND t.domain_id = domain_named($3)",
                            args, 3};
}

enum rc
auth_db_project_scope(struct db *db, const char *user_id, const struct named *project,
                      db_result **ret_row, struct err *err)
{
    struct db_arg args[3];
    struct db_call call = project_call(user_id, project, args);
    return db_run_one(db, call.sql, call.args, call.n_args, ret_row, err);
}

enum rc
auth_db_find_known(struct db *db, const char *user_id, const struct named *project,
                   struct known *ret_known, struct err *err)
{
    const struct db_arg user[] = {db_s(user_id)};
    struct db_arg args[3];
    const struct db_call calls[] = {{USER "u.id = $1", user, 1},
                                    project_call(user_id, project, args)};
    db_result *results[2] = {NULL};
    enum rc rc = db_run_batch(db, calls, 2, results, err);
    if (rc == RC_OK) {
        *ret_known = (struct known){.user = results[0], .project = results[1]};
    }
    return rc;
}

enum rc
auth_db_domain_scope(struct db *db, const char *user_id, const struct named *domain,
                     db_result **ret_row, struct err *err)
{
    return domain->id ? db_run_one(db, DOMAIN "t.id = $2", DB_ARGS(db_s(user_id), db_s(domain->id)),
                                   ret_row, err)
                      : db_run_one(db, DOMAIN "t.id = domain_named($2)",
                                   DB_ARGS(db_s(user_id), db_s(domain->name)), ret_row, err);
}

enum rc
auth_db_system_scope(struct db *db, const char *user_id, db_result **ret_row, struct err *err)
{
    return db_run_one(db, "SELECT " ROLES("a.target_id IS NULL"), DB_ARGS(db_s(user_id)), ret_row,
                      err);
}

enum rc
auth_db_projects(struct db *db, const char *user_id, const char *base_url, char **ret_text,
                 struct err *err)
{
    static const char sql[] =
        "SELECT '[' || coalesce(string_agg(CASE WHEN p.extra = '{}' THEN row_to_json(v)::text ELSE "
        "(p.extra || to_jsonb(v))::text END, ',' ORDER BY p.name, p.id), '') || ']' AS items"
        " FROM project p JOIN tenancy d ON d.id = p.domain_id, LATERAL (SELECT p.id, p.name, "
        "p.domain_id, p.parent_id, p.description, p.enabled, p.is_domain, p.tags, p.options, "
        "json_build_object('self', $2 || '/v3/projects/' || p.id) AS links) v"
        " WHERE p.enabled AND d.enabled"
        " AND p.id IN (SELECT target_id FROM effective_assignment WHERE user_id = $1)";
    return db_run_text(db, sql, DB_ARGS(db_s(user_id), db_s(base_url)), ret_text, err);
}

enum rc
auth_db_domains(struct db *db, const char *user_id, const char *base_url, char **ret_text,
                struct err *err)
{
    static const char sql[] =
        "SELECT coalesce(json_agg(d.extra || jsonb_build_object('id', d.id, 'name', d.name, "
        "'description', d.description, 'enabled', d.enabled,"
        " 'tags', d.tags, 'options', d.options, 'links', json_build_object('self', $2 || "
        "'/v3/domains/' || d.id)) ORDER BY d.name, d.id), '[]')::text"
        " AS items FROM domain d WHERE d.enabled AND d.id IN (SELECT target_id FROM "
        "effective_assignment WHERE user_id = $1)";
    return db_run_text(db, sql, DB_ARGS(db_s(user_id), db_s(base_url)), ret_text, err);
}
