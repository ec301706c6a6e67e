// SPDX-License-Identifier: Apache-2.0
#include "services/identity/account/project_db.h"
#include "services/identity/account/accounts_db.h"

enum rc
project_db_lock_account(struct db *db, const char *user_id, db_result **ret_row, struct err *err)
{
    return accounts_db_lock(db, user_id,
                            "SELECT state, locale, (SELECT count(*) FROM account_project p JOIN "
                            "tenancy t ON t.id = p.project_id WHERE p.user_id = $1) AS n_projects "
                            "FROM account WHERE user_id = $1",
                            ret_row, err);
}

enum rc
project_db_list(struct db *db, const char *user_id, char **ret_text, struct err *err)
{
    static const char sql[] =
        "WITH held AS (SELECT a.target_id AS id, a.role_id FROM assignment a WHERE NOT a.inherited "
        "AND a.target_id IS NOT NULL AND (a.user_id = $1 OR a.group_id IN (SELECT group_id FROM "
        "group_member WHERE user_id = $1)) UNION SELECT project_id, NULL FROM account_project "
        "WHERE user_id = $1),"
        " each AS (SELECT h.id, coalesce(json_agg(DISTINCT r.name) FILTER (WHERE r.id IS NOT "
        "NULL), '[]') AS roles FROM held h LEFT JOIN role r ON r.id = h.role_id GROUP BY h.id)"
        " SELECT json_build_object('projects', coalesce(json_agg(json_build_object('id', t.id, "
        "'name', t.name, 'description', t.description, 'enabled', t.enabled, 'is_owner', o.user_id "
        "IS NOT NULL, 'roles', e.roles) ORDER BY t.name, t.id), '[]'))::text AS value"
        " FROM each e JOIN tenancy t ON t.id = e.id AND NOT t.is_domain"
        " LEFT JOIN account_project o ON o.project_id = t.id AND o.user_id = $1";
    return db_run_text(db, sql, DB_ARGS(db_s(user_id)), ret_text, err);
}

enum rc
project_db_show(struct db *db, const char *project_id, const char *user_id, char **ret_text,
                struct err *err)
{
    static const char sql[] =
        "SELECT json_build_object('project', json_build_object('id', t.id, 'name', t.name, "
        "'description', t.description, 'enabled', t.enabled, 'is_owner', true, 'roles', (SELECT "
        "coalesce(json_agg(r.name ORDER BY r.name), '[]') FROM assignment a JOIN role r ON r.id = "
        "a.role_id WHERE a.target_id = t.id AND a.user_id = o.user_id AND NOT a.inherited)))::text "
        "AS value FROM tenancy t JOIN account_project o ON o.project_id = t.id WHERE t.id = $1 AND "
        "o.user_id = $2";
    return db_run_text(db, sql, DB_ARGS(db_s(project_id), db_s(user_id)), ret_text, err);
}

enum rc
project_db_find(struct db *db, const char *project_id, db_result **ret_row, struct err *err)
{
    return db_run_one(db,
                      "SELECT t.id, t.name, t.enabled, o.user_id AS owner_id FROM tenancy t LEFT "
                      "JOIN account_project o ON o.project_id = t.id WHERE t.id = $1 AND NOT "
                      "t.is_domain",
                      DB_ARGS(db_s(project_id)), ret_row, err);
}

enum rc
project_db_members(struct db *db, const char *project_id, const char *marker, int64_t limit,
                   char **ret_text, struct err *err)
{
    static const char sql[] =
        "WITH page AS (SELECT a.user_id, json_agg(r.name ORDER BY r.name) AS roles FROM assignment "
        "a JOIN role r ON r.id = a.role_id WHERE a.target_id = $1 AND NOT a.inherited AND "
        "a.user_id > coalesce($2, '') GROUP BY a.user_id ORDER BY a.user_id LIMIT $3::bigint)"
        " SELECT json_build_object('members', coalesce(json_agg(json_build_object('user', "
        "json_build_object('id', u.id, 'name', u.name, 'full_name', coalesce(c.full_name, "
        "u.extra ->> 'full_name', ''), 'enabled', u.enabled), 'roles', p.roles, 'is_owner', "
        "o.user_id IS NOT NULL) ORDER BY u.id), '[]'), 'next_marker', CASE WHEN count(*) = "
        "$3::bigint THEN max(u.id) END)::text AS value"
        " FROM page p JOIN user_account u ON u.id = p.user_id LEFT JOIN account c ON c.user_id = "
        "u.id LEFT JOIN account_project o ON o.project_id = $1 AND o.user_id = u.id";
    return db_run_text(db, sql, DB_ARGS(db_s(project_id), db_s(marker), db_i(limit)), ret_text,
                       err);
}

enum rc
project_db_remove_member(struct db *db, const char *project_id, const char *user_id,
                         struct err *err)
{
    enum rc rc =
        db_run(db, "DELETE FROM assignment WHERE target_id = $1 AND user_id = $2 AND NOT inherited",
               DB_ARGS(db_s(project_id), db_s(user_id)), NULL, err);
    return rc ? rc
              : db_run(db,
                       "UPDATE user_account SET default_project_id = NULL WHERE id = $2 AND "
                       "default_project_id = $1",
                       DB_ARGS(db_s(project_id), db_s(user_id)), NULL, err);
}
