// SPDX-License-Identifier: Apache-2.0
#include "services/identity/delegation/trust_db.h"

#define LIVE                                              \
    "(t.expires_at IS NULL OR t.expires_at > now()) AND " \
    "(t.remaining_uses IS NULL OR t.remaining_uses > 0)"
#define EXPIRES_US "coalesce((extract(epoch FROM t.expires_at) * 1000000)::bigint, 0) AS expires_us"

static enum rc
or_no_trust(enum rc rc, const char *id, struct err *err)
{
    return rc == RC_NOT_FOUND ? fault(err, rc, "Could not find trust: %.64s.", id) : rc;
}

enum rc
trust_db_add(struct db *db, const struct trust_row *row, struct err *err)
{
    return db_run(db,
                  "INSERT INTO trust (id, trustor_user_id, trustee_user_id, project_id, "
                  "impersonation, expires_at, remaining_uses, redelegation_count, "
                  "redelegated_from_id, audit_id, is_used) VALUES ($1, $2, $3, $4, $5::bool, "
                  "$6::timestamptz, $7::bigint, $8::int, $9, $10,"
                  // For a day there may be processes that do not say it.
                  " CASE WHEN (SELECT min(since) FROM token_setting) < now() - interval '1 day' "
                  "THEN false END)",
                  DB_ARGS(db_s(row->id), db_s(row->trustor_id), db_s(row->trustee_id),
                          db_s(row->project_id), db_b(row->impersonation), db_s(row->expires_at),
                          db_s(row->remaining_uses), db_i(row->redelegation_count),
                          db_s(row->parent_id), db_s(row->audit_id)),
                  NULL, err);
}

enum rc
trust_db_add_role(struct db *db, const char *id, const char *role_id, struct err *err)
{
    return db_run(db,
                  "INSERT INTO trust_role (trust_id, role_id) VALUES ($1, $2) ON CONFLICT DO "
                  "NOTHING",
                  DB_ARGS(db_s(id), db_s(role_id)), NULL, err);
}

#define ROLE_IDS                                                                     \
    "(SELECT coalesce(json_agg(DISTINCT c.role_id), '[]') FROM trust_role x JOIN "   \
    "role_closure c ON c.prior_role_id = x.role_id JOIN role r ON r.id = c.role_id " \
    "WHERE r.domain_id IS NULL AND x.trust_id = t.id) AS role_ids"

enum rc
trust_db_parent(struct db *db, const char *id, db_result **ret_row, struct err *err)
{
    enum rc rc = db_run_one(db,
                            "SELECT " EXPIRES_US
                            ", t.project_id, t.impersonation, t.redelegation_count, " ROLE_IDS
                            " FROM trust t WHERE t.id = $1 AND " LIVE " FOR SHARE OF t",
                            DB_ARGS(db_s(id)), ret_row, err);
    return or_no_trust(rc, id, err);
}

// $1 is the base URL.
#define ROLE_JSON                                                                        \
    "jsonb_build_object('id', r.id, 'name', r.name, 'domain_id', r.domain_id, 'links', " \
    "jsonb_build_object('self', $1 || '/v3/roles/' || r.id))"
#define TRUST_JSON                                                                          \
    "jsonb_build_object('id', t.id, 'trustor_user_id', t.trustor_user_id, "                 \
    "'trustee_user_id', t.trustee_user_id, 'project_id', t.project_id, 'impersonation', "   \
    "t.impersonation, 'expires_at', to_char(t.expires_at AT TIME ZONE 'UTC', "              \
    "'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), 'remaining_uses', t.remaining_uses, "            \
    "'redelegation_count', t.redelegation_count, 'redelegated_trust_id', "                  \
    "t.redelegated_from_id, 'deleted_at', NULL, 'links', jsonb_build_object('self', $1 || " \
    "'/v3/OS-TRUST/trusts/' || t.id))"

enum rc
trust_db_find(struct db *db, const char *id, const char *base_url, db_result **ret_row,
              struct err *err)
{
    enum rc rc = db_run_one(
        db,
        "SELECT t.trustor_user_id, t.trustee_user_id, jsonb_build_object('trust', " TRUST_JSON
        " || jsonb_build_object('roles', (SELECT coalesce(jsonb_agg(" ROLE_JSON
        " ORDER BY r.name), '[]') FROM trust_role x JOIN role r ON r.id = x.role_id WHERE "
        "x.trust_id = t.id), 'roles_links', jsonb_build_object('self', $1 || "
        "'/v3/OS-TRUST/trusts/' || t.id || '/roles', 'next', NULL, 'previous', NULL)))::text AS "
        "item FROM trust t WHERE t.id = $2 AND " LIVE,
        DB_ARGS(db_s(base_url), db_s(id)), ret_row, err);
    return or_no_trust(rc, id, err);
}

enum rc
trust_db_list(struct db *db, const char *trustor_id, const char *trustee_id, const char *base_url,
              char **ret_text, struct err *err)
{
    return db_run_text(
        db,
        "SELECT coalesce(jsonb_agg(" TRUST_JSON
        " ORDER BY t.id), '[]')::text AS value FROM trust t WHERE ($2::text IS NULL OR "
        "t.trustor_user_id = $2) AND ($3::text IS NULL OR t.trustee_user_id = $3) AND " LIVE,
        DB_ARGS(db_s(base_url), db_s(trustor_id), db_s(trustee_id)), ret_text, err);
}

enum rc
trust_db_roles(struct db *db, const char *id, const char *base_url, char **ret_text,
               struct err *err)
{
    return db_run_text(
        db,
        "SELECT coalesce(jsonb_agg(" ROLE_JSON
        " ORDER BY r.name), '[]')::text AS value FROM trust_role x JOIN role r ON r.id "
        "= x.role_id WHERE x.trust_id = $2",
        DB_ARGS(db_s(base_url), db_s(id)), ret_text, err);
}

enum rc
trust_db_role(struct db *db, const char *id, const char *role_id, const char *base_url,
              char **ret_text, struct err *err)
{
    enum rc rc = db_run_text(db,
                             "SELECT jsonb_build_object('role', " ROLE_JSON
                             ")::text AS value FROM trust_role x JOIN role r ON r.id = x.role_id "
                             "WHERE x.trust_id = $2 AND x.role_id = $3",
                             DB_ARGS(db_s(base_url), db_s(id), db_s(role_id)), ret_text, err);
    return rc == RC_NOT_FOUND ? fault(err, rc, "Could not find role: %.64s.", role_id) : rc;
}

enum rc
trust_db_drop(struct db *db, const char *id, struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc = db_run_one(db, "DELETE FROM trust WHERE id = $1 RETURNING id", DB_ARGS(db_s(id)),
                            &rows, err);
    return or_no_trust(rc, id, err);
}

enum rc
trust_db_for_login(struct db *db, const char *id, db_result **ret_row, struct err *err)
{
    return db_run_one(db,
                      "SELECT t.id, t.trustor_user_id, t.trustee_user_id, t.project_id, "
                      "t.impersonation, t.audit_id, " EXPIRES_US ", " ROLE_IDS
                      " FROM trust t WHERE t.id = $1 AND " LIVE,
                      DB_ARGS(db_s(id)), ret_row, err);
}

enum rc
trust_db_use(struct db *db, const char *id, struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc =
        db_run_one(db,
                   "WITH used AS (UPDATE trust SET remaining_uses = remaining_uses - 1, "
                   "is_used = true WHERE id = $1 AND (remaining_uses > 0 OR "
                   "remaining_uses IS NULL AND is_used IS NOT TRUE) RETURNING id) SELECT "
                   "1 FROM trust WHERE id = $1 AND (remaining_uses IS NULL OR EXISTS (SELECT 1 "
                   "FROM used))",
                   DB_ARGS(db_s(id)), &rows, err);
    return rc == RC_NOT_FOUND ? fault(err, RC_UNAUTHORIZED, "the trust is used up") : rc;
}
