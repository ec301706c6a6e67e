// SPDX-License-Identifier: Apache-2.0
#include "services/identity/delegation/appcred_db.h"
#include "common/base/util.h"

enum rc
appcred_db_add(struct db *db, const struct appcred_row *row, struct err *err)
{
    enum rc rc =
        db_run(db,
               "INSERT INTO application_credential (id, user_id, project_id, name, description, "
               "secret_hash, audit_id, expires_at, unrestricted)"
               " VALUES ($1, $2, $3, $4, $5, $6, $7, $8::timestamptz, $9::bool)",
               DB_ARGS(db_s(row->id), db_s(row->user_id), db_s(row->project_id), db_s(row->name),
                       db_s(row->description), db_s(row->secret_hash), db_s(row->audit_id),
                       db_s(row->expires_at), db_b(row->unrestricted)),
               NULL, err);
    return rc == RC_CONFLICT ? fault(err, rc,
                                     "Conflict occurred attempting to store application_credential "
                                     "- Duplicate entry found.")
                             : rc;
}

enum rc
appcred_db_add_role(struct db *db, const char *id, const char *role_id, struct err *err)
{
    return db_run(db,
                  "INSERT INTO application_credential_role (application_credential_id, role_id) "
                  "VALUES ($1, $2) ON CONFLICT DO NOTHING",
                  DB_ARGS(db_s(id), db_s(role_id)), NULL, err);
}

enum rc
appcred_db_add_rule(struct db *db, const char *id, const char *user_id, const char *service,
                    const char *path, const char *method, struct err *err)
{
    char rule_id[HEX_ID_SIZE];
    hex_id_new(rule_id);
    enum rc rc = db_run(
        db,
        "INSERT INTO access_rule (id, user_id, service, path, method) VALUES ($1, $2, $3, $4, $5) "
        "ON CONFLICT DO NOTHING",
        DB_ARGS(db_s(rule_id), db_s(user_id), db_s(service), db_s(path), db_s(method)), NULL, err);
    return rc ? rc
              : db_run(db,
                       "INSERT INTO application_credential_rule SELECT $1, id FROM access_rule"
                       " WHERE user_id = $2 AND service = $3 AND path = $4 AND method = $5 ON "
                       "CONFLICT DO NOTHING",
                       DB_ARGS(db_s(id), db_s(user_id), db_s(service), db_s(path), db_s(method)),
                       NULL, err);
}

// $2 is the base URL.
#define RULE \
    "jsonb_build_object('id', x.id, 'service', x.service, 'path', x.path, 'method', x.method)"
#define ITEM                                                                                       \
    "(jsonb_build_object('id', a.id, 'name', a.name, 'description', a.description, 'project_id', " \
    "a.project_id, 'user_id', a.user_id,"                                                          \
    " 'unrestricted', a.unrestricted, 'expires_at', to_char(a.expires_at, "                        \
    "'YYYY-MM-DD\"T\"HH24:MI:SS.US'),"                                                             \
    " 'roles', (SELECT coalesce(jsonb_agg(jsonb_build_object('id', r.id, 'name', r.name, "         \
    "'domain_id', r.domain_id) ORDER BY r.name), '[]')"                                            \
    " FROM application_credential_role x JOIN role r ON r.id = x.role_id WHERE "                   \
    "x.application_credential_id = a.id),"                                                         \
    " 'links', jsonb_build_object('self', $2 || '/v3/users/' || a.user_id || "                     \
    "'/application_credentials/' || a.id))"                                                        \
    " || coalesce((SELECT jsonb_build_object('access_rules', jsonb_agg(" RULE                      \
    " ORDER BY c.position)) FROM application_credential_rule c"                                    \
    " JOIN access_rule x ON x.id = c.access_rule_id WHERE c.application_credential_id = a.id "     \
    "HAVING count(*) > 0), '{}'))"

enum rc
appcred_db_use_rule(struct db *db, const char *id, const char *user_id, const char *rule_id,
                    struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc = db_run(db,
                        "INSERT INTO application_credential_rule SELECT $1, id FROM access_rule"
                        " WHERE user_id = $2 AND id = $3 ON CONFLICT DO NOTHING",
                        DB_ARGS(db_s(id), db_s(user_id), db_s(rule_id)), &rows, err);
    return rc || db_n_affected(rows)
               ? rc
               : fault(err, RC_NOT_FOUND, "Could not find Access Rule: %.64s.", rule_id);
}

enum rc
appcred_db_rules_size(struct db *db, const char *id, int64_t *ret_size, struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc = db_run_one(
        db,
        "SELECT coalesce(sum(octet_length(json_build_array(service, method, path)::text)), 0) AS "
        "size FROM access_rule WHERE id IN (SELECT access_rule_id FROM "
        "application_credential_rule WHERE application_credential_id = $1)",
        DB_ARGS(db_s(id)), &rows, err);
    if (rc == RC_OK) {
        *ret_size = db_int(rows, 0, "size");
    }
    return rc;
}

enum rc
appcred_db_find(struct db *db, const char *user_id, const char *id, const char *base_url,
                char **ret_text, struct err *err)
{
    enum rc rc = db_run_text(
        db,
        "SELECT " ITEM
        "::text AS value FROM application_credential a WHERE a.user_id = $1 AND a.id = $3",
        DB_ARGS(db_s(user_id), db_s(base_url), db_s(id)), ret_text, err);
    return rc == RC_NOT_FOUND ? fault(err, rc, "Could not find Application Credential: %.64s.", id)
                              : rc;
}

enum rc
appcred_db_list(struct db *db, const char *user_id, const char *name, const char *base_url,
                char **ret_text, struct err *err)
{
    return db_run_text(db,
                       "SELECT coalesce(jsonb_agg(" ITEM
                       " ORDER BY a.name), '[]')::text AS value FROM application_credential a"
                       " WHERE a.user_id = $1 AND ($3::text IS NULL OR a.name = $3)",
                       DB_ARGS(db_s(user_id), db_s(base_url), db_s(name)), ret_text, err);
}

enum rc
appcred_db_owner(struct db *db, const char *id, char **ret_user_id, struct err *err)
{
    return db_run_text(db, "SELECT user_id AS value FROM application_credential WHERE id = $1",
                       DB_ARGS(db_s(id)), ret_user_id, err);
}

enum rc
appcred_db_drop(struct db *db, const char *user_id, const char *id, char **ret_audit_id,
                struct err *err)
{
    enum rc rc = db_run_text(db,
                             "DELETE FROM application_credential WHERE user_id = $1 AND id = $2 "
                             "RETURNING audit_id AS value",
                             DB_ARGS(db_s(user_id), db_s(id)), ret_audit_id, err);
    return rc == RC_NOT_FOUND ? fault(err, rc, "Could not find Application Credential: %.64s.", id)
                              : rc;
}

enum rc
appcred_db_in_token(struct db *db, const char *audit_id, char **ret_text, struct err *err)
{
    return db_run_text(
        db,
        "SELECT (jsonb_build_object('id', a.id, 'name', a.name, 'restricted', NOT a.unrestricted)"
        " || coalesce((SELECT jsonb_build_object('access_rules', jsonb_agg(" RULE
        " ORDER BY c.position))"
        " FROM application_credential_rule c JOIN access_rule x ON x.id = c.access_rule_id"
        " WHERE c.application_credential_id = a.id HAVING count(*) > 0), '{}'))::text AS value"
        " FROM application_credential a WHERE a.audit_id = $1",
        DB_ARGS(db_s(audit_id)), ret_text, err);
}

enum rc
appcred_db_for_login(struct db *db, const struct login *login, db_result **ret_row, struct err *err)
{
    return db_run_one(
        db,
        "SELECT a.id, a.name, a.unrestricted, a.user_id, a.project_id, a.secret_hash, a.audit_id,"
        " coalesce((extract(epoch FROM a.expires_at) * 1000000)::bigint, 0) AS expires_us,"
        " (SELECT coalesce(json_agg(json_build_array(x.service, x.method, x.path) ORDER BY "
        "c.position), "
        "'[]')"
        " FROM application_credential_rule c JOIN access_rule x ON x.id = c.access_rule_id"
        " WHERE c.application_credential_id = a.id) AS rules,"
        " (SELECT coalesce(json_agg(DISTINCT c.role_id), '[]') FROM application_credential_role x"
        " JOIN role_closure c ON c.prior_role_id = x.role_id WHERE x.application_credential_id = "
        "a.id) AS role_ids"
        " FROM application_credential a JOIN user_account u ON u.id = a.user_id JOIN tenancy d ON "
        "d.id = u.domain_id"
        " WHERE CASE WHEN $1::text IS NOT NULL THEN a.id = $1 ELSE a.name = $2"
        " AND CASE WHEN $3::text IS NOT NULL THEN u.id = $3 ELSE u.name = $4"
        " AND CASE WHEN $5::text IS NOT NULL THEN d.id = $5 ELSE d.id = domain_named($6) END END "
        "END",
        DB_ARGS(db_s(login->appcred_id), db_s(login->appcred_name), db_s(login->user.id),
                db_s(login->user.name), db_s(login->user.domain_id), db_s(login->user.domain_name)),
        ret_row, err);
}

#define RULE_ITEM                                                                            \
    RULE " || jsonb_build_object('links', jsonb_build_object('self', $2 || '/v3/users/' || " \
         "x.user_id || '/access_rules/' || x.id))"

enum rc
appcred_db_rules(struct db *db, const char *user_id, const struct access_rule *filter,
                 const char *base_url, char **ret_text, struct err *err)
{
    return db_run_text(
        db,
        "SELECT coalesce(jsonb_agg(" RULE_ITEM
        " ORDER BY x.position), '[]')::text AS value FROM access_rule x WHERE x.user_id = $1"
        " AND ($3::text IS NULL OR x.service = $3) AND ($4::text IS NULL OR x.method = "
        "$4) AND ($5::text IS NULL OR x.path = $5)",
        DB_ARGS(db_s(user_id), db_s(base_url), db_s(filter->service), db_s(filter->method),
                db_s(filter->path)),
        ret_text, err);
}

enum rc
appcred_db_find_rule(struct db *db, const char *user_id, const char *id, const char *base_url,
                     char **ret_text, struct err *err)
{
    enum rc rc =
        db_run_text(db,
                    "SELECT jsonb_build_object('access_rule', " RULE_ITEM
                    ")::text AS value FROM access_rule x WHERE x.user_id = $1 AND x.id = $3",
                    DB_ARGS(db_s(user_id), db_s(base_url), db_s(id)), ret_text, err);
    return rc == RC_NOT_FOUND ? fault(err, rc, "Could not find Access Rule: %.64s.", id) : rc;
}

enum rc
appcred_db_drop_rule(struct db *db, const char *user_id, const char *id, struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc = db_run(db, "DELETE FROM access_rule WHERE user_id = $1 AND id = $2",
                        DB_ARGS(db_s(user_id), db_s(id)), &rows, err);
    if (rc == RC_INVALID) { // the foreign key
        return fault(err, RC_FORBIDDEN, "access rule %.64s is used by an application credential",
                     id);
    }
    return rc ? rc
           : db_n_affected(rows)
               ? RC_OK
               : fault(err, RC_NOT_FOUND, "Could not find Access Rule: %.64s.", id);
}
