// SPDX-License-Identifier: Apache-2.0
#include "services/identity/tenancy/member_db.h"
#include <string.h>

static enum rc
must_change(struct db *db, const char *sql, const struct db_arg *args, size_t n_args,
            struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc = db_run(db, sql, args, n_args, &rows, err);
    return rc ? rc : db_n_affected(rows) ? RC_OK : fault(err, RC_NOT_FOUND, "not found");
}

enum rc
member_db_domain_of(struct db *db, const char *tenancy_id, char **ret_domain_id, struct err *err)
{
    return db_run_text(db, "SELECT coalesce(domain_id, id) AS value FROM tenancy WHERE id = $1",
                       DB_ARGS(db_s(tenancy_id)), ret_domain_id, err);
}

enum rc
member_db_has_children(struct db *db, const char *project_id, bool *ret_has, struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc = db_run_one(db, "SELECT EXISTS (SELECT 1 FROM tenancy WHERE parent_id = $1) AS has",
                            DB_ARGS(db_s(project_id)), &rows, err);
    if (rc == RC_OK) {
        *ret_has = db_bool(rows, 0, "has");
    }
    return rc;
}

enum rc
member_db_leave_home(struct db *db, const char *project_id, struct err *err)
{
    return db_run(db,
                  "UPDATE user_account SET default_project_id = NULL WHERE default_project_id = $1",
                  DB_ARGS(db_s(project_id)), NULL, err);
}

enum rc
member_db_tags(struct db *db, const char *project_id, json_t **ret_tags, struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc =
        db_run(db, "SELECT tags FROM tenancy WHERE id = $1", DB_ARGS(db_s(project_id)), &rows, err);
    if (rc == RC_OK && db_n_rows(rows) == 0) {
        return fault(err, RC_NOT_FOUND, "Could not find project: %.64s.", project_id);
    }
    if (rc == RC_OK) {
        *ret_tags = db_json(rows, 0, "tags");
    }
    return rc;
}

static enum rc
no_project(enum rc rc, const char *project_id, struct err *err)
{
    return rc == RC_NOT_FOUND ? fault(err, rc, "Could not find project: %.64s.", project_id) : rc;
}

enum rc
member_db_may_change(struct db *db, const char *project_id, struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc = db_run_one(db,
                            "SELECT options->'immutable' IS NOT DISTINCT FROM 'true' AS is FROM "
                            "tenancy WHERE id = $1 FOR UPDATE",
                            DB_ARGS(db_s(project_id)), &rows, err);
    return rc                       ? no_project(rc, project_id, err)
           : db_bool(rows, 0, "is") ? fault(err, RC_FORBIDDEN,
                                            "Unable to update immutable project resource: `%s. Set "
                                            "resource option \"immutable\" to false first.",
                                            project_id)
                                    : RC_OK;
}

enum rc
member_db_set_tags(struct db *db, const char *project_id, json_t *tags, struct err *err)
{
    char *text = json_dumps(tags, JSON_COMPACT);
    enum rc rc = must_change(db, "UPDATE tenancy SET tags = $2::jsonb WHERE id = $1",
                             DB_ARGS(db_s(project_id), db_s(text)), err);
    free(text);
    return no_project(rc, project_id, err);
}

enum rc
member_db_change_tag(struct db *db, const char *project_id, const char *tag, bool add,
                     struct err *err)
{
    if (add) {
        enum rc rc = must_change(db,
                                 "UPDATE tenancy SET tags = tags || jsonb_build_array($2::text) "
                                 "WHERE id = $1 AND NOT tags ? $2::text AND "
                                 "jsonb_array_length(tags) < 80",
                                 DB_ARGS(db_s(project_id), db_s(tag)), err);
        return rc == RC_NOT_FOUND
                   ? fault(err, RC_INVALID,
                           "invalid input for field 'tags': '%.255s' is there, or 80 others are",
                           tag)
                   : rc;
    }
    enum rc rc = must_change(
        db, "UPDATE tenancy SET tags = tags - $2::text WHERE id = $1 AND tags ? $2::text",
        DB_ARGS(db_s(project_id), db_s(tag)), err);
    return rc == RC_NOT_FOUND ? fault(err, rc, "Could not find project tag: %.100s.", tag) : rc;
}

enum rc
member_db_add(struct db *db, const char *group_id, const char *user_id, struct err *err)
{
    enum rc rc = member_db_exists(db, "group", group_id, err);
    rc = rc ? rc : member_db_exists(db, "user", user_id, err);
    return rc ? rc
              : db_run(db,
                       "INSERT INTO group_member (group_id, user_id) VALUES ($1, $2) ON CONFLICT "
                       "(group_id, user_id) DO UPDATE SET provider_id = NULL WHERE "
                       "group_member.provider_id IS NOT NULL",
                       DB_ARGS(db_s(group_id), db_s(user_id)), NULL, err);
}

static enum rc
no_member(enum rc rc, const char *user_id, struct err *err)
{
    return rc == RC_NOT_FOUND ? fault(err, rc, "Could not find user: %.64s in the group.", user_id)
                              : rc;
}

enum rc
member_db_remove(struct db *db, const char *group_id, const char *user_id, struct err *err)
{
    enum rc rc = member_db_exists(db, "group", group_id, err);
    rc = rc ? rc
            : must_change(db, "DELETE FROM group_member WHERE group_id = $1 AND user_id = $2",
                          DB_ARGS(db_s(group_id), db_s(user_id)), err);
    return no_member(rc, user_id, err);
}

enum rc
member_db_check(struct db *db, const char *group_id, const char *user_id, struct err *err)
{
    enum rc rc = member_db_exists(db, "group", group_id, err);
    rc = rc ? rc
            : db_run_one(db,
                         "SELECT 1 AS one FROM group_member WHERE group_id = $1 AND user_id = $2",
                         DB_ARGS(db_s(group_id), db_s(user_id)), NULL, err);
    return no_member(rc, user_id, err);
}

enum rc
member_db_members(struct db *db, const char *group_id, db_result **ret_rows, struct err *err)
{
    return db_run(db,
                  "SELECT user_id FROM group_member WHERE group_id = $1 UNION SELECT user_id FROM "
                  "federated_membership WHERE group_id = $1 AND tokens_until > now() ORDER BY "
                  "user_id",
                  DB_ARGS(db_s(group_id)), ret_rows, err);
}

static const struct {
    const char *kind, *sql;
} existence[] = {
    {"user", "SELECT 1 AS one FROM user_account WHERE id = $1"},
    {"group", "SELECT 1 AS one FROM user_group WHERE id = $1"},
    {"region", "SELECT 1 AS one FROM region WHERE id = $1"},
    {"role", "SELECT 1 AS one FROM role WHERE id = $1"},
    {"project", "SELECT 1 AS one FROM tenancy WHERE id = $1"},
    {"domain", "SELECT 1 AS one FROM domain WHERE id = $1"},
};

enum rc
member_db_exists(struct db *db, const char *kind, const char *id, struct err *err)
{
    for (size_t i = 0; i < sizeof existence / sizeof existence[0]; i++) {
        if (!strcmp(existence[i].kind, kind)) {
            enum rc rc = db_run_one(db, existence[i].sql, DB_ARGS(db_s(id)), NULL, err);
            return rc == RC_NOT_FOUND ? fault(err, rc, "Could not find %s: %.64s.", kind, id) : rc;
        }
    }
    g_assert_not_reached();
}

enum rc
member_db_add_password(struct db *db, const char *user_id, const char *hash, struct err *err)
{
    return db_run(db, "INSERT INTO password_history (user_id, hash) VALUES ($1, $2)",
                  DB_ARGS(db_s(user_id), db_s(hash)), NULL, err);
}

enum rc
member_db_set_password(struct db *db, const struct new_password *password, struct err *err)
{
    g_autoptr(db_result) row = NULL;
    enum rc rc = db_run_one(
        db,
        "UPDATE user_account SET password_hash = $2, password_changed_at = now(), n_failures = 0, "
        "password_is_own = $3::bool, password_expires_at = CASE"
        " WHEN $5::bool AND options->'ignore_change_password_upon_first_use' IS DISTINCT FROM "
        "'true' THEN now()"
        " WHEN $4::bigint > 0 AND options->'ignore_password_expiry' IS DISTINCT FROM 'true'"
        " THEN date_trunc('second', now()) + make_interval(days => $4::int) END WHERE id = $1 "
        "AND ($6::bigint = 0 OR (extract(epoch FROM password_changed_at) * 1000000)::bigint = $6) "
        "RETURNING id",
        DB_ARGS(db_s(password->user_id), db_s(password->hash), db_b(password->is_own),
                db_i(password->expires_days), db_b(password->must_change),
                db_i(password->changed_us)),
        &row, err);
    return rc || !password->hash
               ? rc
               : member_db_add_password(db, password->user_id, password->hash, err);
}

enum rc
member_db_see_enabled(struct db *db, const char *user_id, struct err *err)
{
    return db_run(db,
                  "UPDATE user_account SET n_failures = 0, last_active_on = (now() AT TIME ZONE "
                  "'UTC')::date WHERE id = $1",
                  DB_ARGS(db_s(user_id)), NULL, err);
}

enum rc
member_db_disable_inactive(struct db *db, int64_t days, int64_t max, db_result **ret_rows,
                           struct err *err)
{
    return db_run(
        db,
        "UPDATE user_account SET enabled = false WHERE id IN (SELECT id FROM user_account WHERE "
        "enabled AND options->'ignore_user_inactivity' IS DISTINCT FROM 'true'"
        " AND coalesce(last_active_on, created_at::date) <= (now() AT TIME ZONE 'UTC')::date - "
        "$1::int ORDER BY id LIMIT $2::bigint FOR UPDATE SKIP LOCKED) RETURNING id",
        DB_ARGS(db_i(days), db_i(max)), ret_rows, err);
}

enum rc
member_db_last_passwords(struct db *db, const char *user_id, int64_t n, db_result **ret_rows,
                         struct err *err)
{
    return db_run(
        db, "SELECT hash FROM password_history WHERE user_id = $1 ORDER BY n DESC LIMIT $2::bigint",
        DB_ARGS(db_s(user_id), db_i(n)), ret_rows, err);
}
