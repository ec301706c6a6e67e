// SPDX-License-Identifier: Apache-2.0
#include "services/identity/account/admin_db.h"
#include <string.h>

// clang-format off
#define TIME(column) "to_char(" column " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
#define ACCOUNT(a) \
    "'user_id', " a ".user_id, 'email', " a ".email, 'name', " a ".full_name, 'locale', " a ".locale, 'state', " a ".state," \
    " 'terms_version', " a ".terms_version, 'terms_at', " TIME(a ".terms_at") "," \
    " 'created_at', " TIME(a ".created_at") ", 'changed_at', " TIME(a ".changed_at")
// $1 limit, $2 marker, $3 created from, $4 created before; one index for each kind of condition.
#define LIST(source, condition) \
    "WITH page AS (SELECT * FROM " source " WHERE (created_at, user_id) > (SELECT created_at, user_id FROM account WHERE user_id = $2" \
    " UNION ALL SELECT '-infinity', '' WHERE $2::text IS NULL)" \
    " AND created_at >= coalesce($3::timestamptz, '-infinity') AND created_at < coalesce($4::timestamptz, 'infinity')" condition \
    " ORDER BY created_at, user_id LIMIT $1::bigint)" \
    " SELECT json_build_object('accounts', coalesce(json_agg(json_build_object(" ACCOUNT("p") ", 'enabled', coalesce(u.enabled, false))" \
    " ORDER BY p.created_at, p.user_id), '[]')," \
    " 'next_marker', CASE WHEN count(*) = $1::bigint THEN (array_agg(p.user_id ORDER BY p.created_at DESC, p.user_id DESC))[1] END)::text" \
    " AS value FROM page p LEFT JOIN user_account u ON u.id = p.user_id"
#define LIST_ARGS(query) db_i(query->limit), db_s(query->marker), db_s(query->created_after), db_s(query->created_before)
// OFFSET 0: the addresses are looked up first, or every account would be walked by age.
#define BY_EMAIL "(SELECT * FROM account WHERE email COLLATE \"C\" >= $5 AND email COLLATE \"C\" < $5 || chr(127) OFFSET 0) named"

static const char all_sql[] = LIST("account", ""), state_sql[] = LIST("account", " AND state = $5"), email_sql[] = LIST(BY_EMAIL, ""),
                  both_sql[] = LIST(BY_EMAIL, " AND state = $6");

static const char show_sql[] =
    "SELECT json_build_object('account', json_build_object(" ACCOUNT("a") ","
    " 'user', (SELECT json_build_object('name', u.name, 'enabled', u.enabled, 'default_project_id', u.default_project_id,"
    "   'password_changed_at', " TIME("u.password_changed_at") ", 'n_failures', u.n_failures, 'failed_at', " TIME("u.failed_at") ")"
    "   FROM user_account u WHERE u.id = a.user_id),"
    " 'projects', (SELECT coalesce(json_agg(json_build_object('id', t.id, 'name', t.name, 'enabled', t.enabled,"
    "   'is_owner', EXISTS (SELECT 1 FROM account_project o WHERE o.project_id = t.id AND o.user_id = a.user_id),"
    "   'roles', (SELECT coalesce(json_agg(r.name ORDER BY r.name), '[]') FROM assignment s JOIN role r ON r.id = s.role_id"
    "     WHERE s.user_id = a.user_id AND s.target_id = t.id AND NOT s.inherited),"
    "   'limits', (SELECT coalesce(json_agg(json_build_object('service', f.body ->> 'service', 'resource', f.body ->> 'resource',"
    "     'value', f.body -> 'value') ORDER BY f.body ->> 'service', f.body ->> 'resource'), '[]')"
    "     FROM feed_event f WHERE f.kind = 'limit' AND f.body ->> 'project_id' = t.id AND f.body -> 'value' <> 'null'))"
    "   ORDER BY t.name, t.id), '[]') FROM tenancy t WHERE NOT t.is_domain AND t.id IN (SELECT project_id FROM account_project"
    "   WHERE user_id = a.user_id UNION SELECT target_id FROM assignment WHERE user_id = a.user_id AND NOT inherited)),"
    " 'proofs', (SELECT coalesce(json_agg(json_build_object('kind', f.kind, 'email', f.email, 'created_at', " TIME("f.created_at") ","
    "   'expires_at', " TIME("f.expires_at") ") ORDER BY f.id), '[]') FROM proof f"
    "   WHERE f.user_id = a.user_id AND f.used_at IS NULL AND f.expires_at > now()),"
    " 'audit', (SELECT coalesce(json_agg(json_build_object('id', l.n, 'at', " TIME("l.at") ", 'action', l.action, 'outcome', l.outcome,"
    "   'project_id', l.project_id, 'actor_id', l.actor_id, 'detail', l.detail) ORDER BY l.n DESC), '[]')"
    "   FROM (SELECT * FROM audit WHERE user_id = a.user_id ORDER BY n DESC LIMIT 20) l)"
    "))::text AS value FROM account a WHERE a.user_id = $1";
// clang-format on

enum rc
admin_db_list(struct db *db, const struct account_query *query, char **ret_text, struct err *err)
{
    if (query->email && query->state) {
        return db_run_text(db, both_sql,
                           DB_ARGS(LIST_ARGS(query), db_s(query->email), db_s(query->state)),
                           ret_text, err);
    }
    if (query->email) {
        return db_run_text(db, email_sql, DB_ARGS(LIST_ARGS(query), db_s(query->email)), ret_text,
                           err);
    }
    return query->state ? db_run_text(db, state_sql, DB_ARGS(LIST_ARGS(query), db_s(query->state)),
                                      ret_text, err)
                        : db_run_text(db, all_sql, DB_ARGS(LIST_ARGS(query)), ret_text, err);
}

enum rc
admin_db_show(struct db *db, const char *user_id, char **ret_text, struct err *err)
{
    return db_run_text(db, show_sql, DB_ARGS(db_s(user_id)), ret_text, err);
}

enum rc
admin_db_move(struct db *db, const char *user_id, const char *from, const char *to,
              db_result **ret_row, struct err *err)
{
    return db_run_one(db,
                      "UPDATE account SET state = $3, changed_at = now() WHERE user_id = $1 AND "
                      "state = ANY ($2::text[]) RETURNING email, locale",
                      DB_ARGS(db_s(user_id), db_s(from), db_s(to)), ret_row, err);
}

enum rc
admin_db_state(struct db *db, const char *user_id, db_result **ret_row, struct err *err)
{
    return db_run_one(db, "SELECT state FROM account WHERE user_id = $1", DB_ARGS(db_s(user_id)),
                      ret_row, err);
}

enum rc
admin_db_enable(struct db *db, const char *user_id, bool enabled, struct err *err)
{
    return db_run(db, "UPDATE user_account SET enabled = $2::bool WHERE id = $1",
                  DB_ARGS(db_s(user_id), db_b(enabled)), NULL, err);
}

enum rc
admin_db_delete_user(struct db *db, const char *user_id, struct err *err)
{
    enum rc rc = db_run(db,
                        "WITH gone AS (DELETE FROM account_project WHERE user_id = $1 RETURNING "
                        "project_id) DELETE FROM tenancy WHERE id IN (SELECT project_id FROM gone)",
                        DB_ARGS(db_s(user_id)), NULL, err);
    return rc ? rc
              : db_run(db, "DELETE FROM user_account WHERE id = $1", DB_ARGS(db_s(user_id)), NULL,
                       err);
}
