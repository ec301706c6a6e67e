// SPDX-License-Identifier: Apache-2.0
#include "services/identity/account/project_member_db.h"

enum rc
project_member_db_find(struct db *db, const char *project_id, const char *user_id,
                       db_result **ret_row, struct err *err)
{
    return db_run_one(
        db,
        "SELECT string_agg(r.name, ',' ORDER BY r.name) AS roles, u.name AS user_name, c.email, "
        "coalesce(c.locale, 'en') AS locale, EXISTS (SELECT FROM account_project o WHERE "
        "o.project_id = $1 AND o.user_id = $2) AS is_owner, bool_or(r.name = 'manager') AND NOT "
        "EXISTS (SELECT FROM account_project o WHERE o.project_id = $1) AND NOT EXISTS (SELECT "
        "FROM assignment m JOIN role n ON n.id = m.role_id WHERE m.target_id = $1 AND NOT "
        "m.inherited AND m.user_id <> $2 AND n.name = 'manager') AS is_last_manager FROM "
        "assignment a JOIN role r ON r.id = a.role_id JOIN user_account u ON u.id = a.user_id LEFT "
        "JOIN account c ON c.user_id = u.id WHERE a.target_id = $1 AND a.user_id = $2 AND NOT "
        "a.inherited GROUP BY u.name, c.email, c.locale",
        DB_ARGS(db_s(project_id), db_s(user_id)), ret_row, err);
}

enum rc
project_member_db_set_role(struct db *db, const char *project_id, const char *user_id,
                           const char *role_id, bool *ret_is_narrower, struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc = db_run_one(
        db,
        "WITH gone AS (DELETE FROM assignment WHERE target_id = $1 AND user_id = $2 AND NOT "
        "inherited AND role_id <> $3 RETURNING role_id), kept AS (INSERT INTO assignment (user_id, "
        "target_id, inherited, role_id) VALUES ($2, $1, false, $3) ON CONFLICT DO NOTHING) SELECT "
        "EXISTS (SELECT FROM gone g JOIN role_closed h ON h.prior_role_id = g.role_id WHERE NOT "
        "EXISTS (SELECT FROM role_closed n WHERE n.prior_role_id = $3 AND n.role_id = h.role_id)) "
        "AS is_narrower",
        DB_ARGS(db_s(project_id), db_s(user_id), db_s(role_id)), &rows, err);
    if (rc == RC_OK) {
        *ret_is_narrower = db_bool(rows, 0, "is_narrower");
    }
    return rc;
}

enum rc
project_member_db_show(struct db *db, const char *project_id, const char *user_id, char **ret_text,
                       struct err *err)
{
    static const char sql[] =
        "SELECT json_build_object('member', json_build_object('user', json_build_object('id', "
        "u.id, 'name', u.name, 'full_name', coalesce(c.full_name, u.extra ->> 'full_name', ''), "
        "'enabled', u.enabled), 'roles', (SELECT json_agg(r.name ORDER BY r.name) FROM assignment "
        "a JOIN role r ON r.id = a.role_id WHERE a.target_id = $1 AND a.user_id = u.id AND NOT "
        "a.inherited), 'is_owner', EXISTS (SELECT FROM account_project o WHERE o.project_id = $1 "
        "AND o.user_id = u.id)))::text AS value FROM user_account u LEFT JOIN account c ON "
        "c.user_id = u.id WHERE u.id = $2";
    return db_run_text(db, sql, DB_ARGS(db_s(project_id), db_s(user_id)), ret_text, err);
}
