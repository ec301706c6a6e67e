// SPDX-License-Identifier: Apache-2.0
// Who somebody is, where they may act, and the catalog: one statement each.
#include "services/identity/token/auth.h"

enum rc
auth_db_begin(struct db *db, int64_t *ret_now_us, struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc = db_run_one(
        db,
        "WITH barrier AS MATERIALIZED (SELECT pg_advisory_xact_lock_shared(hashtext('feed_event ' "
        "|| current_schema())))"
        " SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now_us FROM barrier",
        DB_NONE, &rows, err);
    if (rc == RC_OK) {
        *ret_now_us = db_int(rows, 0, "now_us");
    }
    return rc;
}

#define OPTION(name) "(u.options->'" name "' IS NOT DISTINCT FROM 'true')"

enum rc
auth_db_find_user(struct db *db, const struct named *user, db_result **ret_row, struct err *err)
{
    return db_run_one(
        db,
        "SELECT u.id, u.name, u.enabled, u.domain_id, d.name AS domain_name, d.enabled AS "
        "domain_enabled, u.default_project_id,"
        " u.password_hash, u.n_failures, extract(epoch FROM now() - u.failed_at)::bigint AS "
        "failed_s, u.options, u.password_is_own AS is_password_own,"
        " coalesce((extract(epoch FROM u.password_expires_at) * 1000000)::bigint, 0) AS "
        "password_expires_us,"
        " coalesce(u.password_expires_at <= now(), false) AND NOT " OPTION(
            "ignore_password_expiry") " AS is_password_expired,"
                                      " coalesce(extract(epoch FROM now() - "
                                      "u.password_changed_at)::bigint, 0) AS "
                                      "password_age_s,"
                                      " CASE WHEN " OPTION(
                                          "ignore_user_inactivity") " THEN 0 ELSE (now() AT TIME "
                                                                    "ZONE "
                                                                    "'UTC')::date - "
                                                                    "coalesce(u.last_active_on, "
                                                                    "u.created_at::date) END AS "
                                                                    "inactive_days,"
                                                                    " " OPTION(
                                                                        "ignore_lockout_"
                                                                        "failure_attempts") " AS "
                                                                                            "ignore"
                                                                                            "s_"
                                                                                            "lockou"
                                                                                            "t,"
                                                                                            " " OPTION("lock_password") " AS "
                                                                                                                        "is_"
                                                                                                                        "password_"
                                                                                                                        "locked"
                                                                                                                        " FROM "
                                                                                                                        "user_"
                                                                                                                        "account "
                                                                                                                        "u JOIN "
                                                                                                                        "tenancy "
                                                                                                                        "d ON "
                                                                                                                        "d.id = "
                                                                                                                        "u.domain_"
                                                                                                                        "id"
                                                                                                                        " WHERE "
                                                                                                                        "CASE "
                                                                                                                        "WHEN "
                                                                                                                        "$1::text "
                                                                                                                        "IS NOT "
                                                                                                                        "NULL "
                                                                                                                        "THEN "
                                                                                                                        "u.id = $1"
                                                                                                                        " ELSE "
                                                                                                                        "u.name = "
                                                                                                                        "$2 AND "
                                                                                                                        "CASE "
                                                                                                                        "WHEN "
                                                                                                                        "$3::text "
                                                                                                                        "IS NOT "
                                                                                                                        "NULL "
                                                                                                                        "THEN "
                                                                                                                        "d.id = "
                                                                                                                        "$3 ELSE "
                                                                                                                        "d.name = "
                                                                                                                        "$4 END "
                                                                                                                        "END",
        DB_ARGS(db_s(user->id), db_s(user->name), db_s(user->domain_id), db_s(user->domain_name)),
        ret_row, err);
}

enum rc
auth_db_count_failure(struct db *db, const char *user_id, bool is_first, struct err *err)
{
    return db_run(db,
                  "UPDATE user_account SET n_failures = CASE WHEN $2::bool THEN 1 ELSE n_failures "
                  "+ 1 END, failed_at = now() WHERE id = $1",
                  DB_ARGS(db_s(user_id), db_b(is_first)), NULL, err);
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

// $1 is the user; `target` names what is acted on; held follows groups, inheritance and implied
// roles.
#define HELD(assigned)                                                                            \
    "held (role_id) AS (SELECT a.role_id FROM assignment a"                                       \
    " WHERE (a.user_id = $1 OR a.group_id IN (SELECT group_id FROM group_member WHERE user_id = " \
    "$1)) AND (" assigned ")"                                                                     \
    " UNION SELECT i.implied_role_id FROM held h JOIN implied_role i ON i.prior_role_id = "       \
    "h.role_id)"
#define ROLES                                                                                      \
    "(SELECT coalesce(json_agg(json_build_array(r.id, r.name) ORDER BY r.name), '[]') FROM role r" \
    " WHERE r.domain_id IS NULL AND r.id IN (SELECT role_id FROM held)) AS roles"

enum rc
auth_db_project_scope(struct db *db, const char *user_id, const struct named *project,
                      db_result **ret_row, struct err *err)
{
    return db_run_one(
        db,
        "WITH RECURSIVE target AS (SELECT p.id, p.name, p.enabled, p.parent_id, p.domain_id, "
        "d.name AS domain_name, d.enabled AS domain_enabled"
        " FROM tenancy p JOIN tenancy d ON d.id = p.domain_id WHERE NOT p.is_domain"
        " AND CASE WHEN $2::text IS NOT NULL THEN p.id = $2"
        " ELSE p.name = $3 AND CASE WHEN $4::text IS NOT NULL THEN d.id = $4 ELSE d.name = $5 END "
        "END),"
        " up (id) AS (SELECT parent_id FROM target UNION SELECT t.parent_id FROM up JOIN tenancy t "
        "ON t.id = up.id WHERE t.parent_id IS NOT NULL), " HELD(
            "a.target_id = (SELECT id FROM target) AND NOT a.inherited OR a.inherited AND "
            "a.target_id IN (SELECT id FROM up)") " SELECT id, name, enabled, domain_id, "
                                                  "domain_name, domain_enabled, " ROLES
                                                  " FROM target",
        DB_ARGS(db_s(user_id), db_s(project->id), db_s(project->name), db_s(project->domain_id),
                db_s(project->domain_name)),
        ret_row, err);
}

enum rc
auth_db_domain_scope(struct db *db, const char *user_id, const struct named *domain,
                     db_result **ret_row, struct err *err)
{
    return db_run_one(
        db,
        "WITH RECURSIVE target AS (SELECT id, name, enabled FROM tenancy WHERE is_domain"
        " AND CASE WHEN $2::text IS NOT NULL THEN id = $2 ELSE name = $3 END), " HELD(
            "a.target_id = (SELECT id FROM target) AND NOT a.inherited") " SELECT id, name, "
                                                                         "enabled, " ROLES
                                                                         " FROM target",
        DB_ARGS(db_s(user_id), db_s(domain->id), db_s(domain->name)), ret_row, err);
}

enum rc
auth_db_system_scope(struct db *db, const char *user_id, db_result **ret_row, struct err *err)
{
    return db_run_one(db, "WITH RECURSIVE " HELD("a.target_id IS NULL") " SELECT " ROLES,
                      DB_ARGS(db_s(user_id)), ret_row, err);
}

static enum rc
one_text(struct db *db, const char *sql, const struct db_arg *args, size_t n_args, char **ret_text,
         struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc = db_run_one(db, sql, args, n_args, &rows, err);
    if (rc == RC_OK) {
        *ret_text = g_strdup(db_text(rows, 0, "items"));
    }
    return rc;
}

enum rc
auth_db_projects(struct db *db, const char *user_id, const char *base_url, char **ret_text,
                 struct err *err)
{
    static const char sql[] =
        "SELECT coalesce(json_agg(p.extra || jsonb_build_object('id', p.id, 'name', p.name, "
        "'domain_id', p.domain_id, 'parent_id', p.parent_id,"
        " 'description', p.description, 'enabled', p.enabled, 'is_domain', false, 'tags', p.tags, "
        "'options', p.options,"
        " 'links', json_build_object('self', $2 || '/v3/projects/' || p.id)) ORDER BY p.name, "
        "p.id), '[]')::text AS items"
        " FROM project p JOIN tenancy d ON d.id = p.domain_id WHERE p.enabled AND d.enabled"
        " AND p.id IN (SELECT target_id FROM effective_assignment WHERE user_id = $1)";
    return one_text(db, sql, DB_ARGS(db_s(user_id), db_s(base_url)), ret_text, err);
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
    return one_text(db, sql, DB_ARGS(db_s(user_id), db_s(base_url)), ret_text, err);
}
