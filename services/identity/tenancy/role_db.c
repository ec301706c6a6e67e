// SPDX-License-Identifier: Apache-2.0
#include "services/identity/tenancy/role_db.h"
#include "services/identity/tenancy/member_db.h"

#define ROLE(alias, url)                                   \
    "json_build_object('id', " alias ".id, 'name', " alias \
    ".name, 'links', json_build_object('self', " url " || '/v3/roles/' || " alias ".id))"

enum rc
role_db_imply(struct db *db, const char *prior_id, const char *implied_id, struct err *err)
{
    enum rc rc = member_db_exists(db, "role", prior_id, err);
    rc = rc ? rc : member_db_exists(db, "role", implied_id, err);
    g_autoptr(db_result) rows = NULL;
    rc = rc ? rc
            : db_run_one(db,
                         "SELECT EXISTS (SELECT 1 FROM role_closure WHERE prior_role_id = $2 AND "
                         "role_id = $1) AS is_circle,"
                         " EXISTS (SELECT 1 FROM role p, role i WHERE p.id = $1 AND p.domain_id IS "
                         "NULL AND i.id = $2"
                         " AND i.domain_id IS NOT NULL) AS is_down",
                         DB_ARGS(db_s(prior_id), db_s(implied_id)), &rows, err);
    if (rc == RC_OK && db_bool(rows, 0, "is_down")) {
        return fault(err, RC_FORBIDDEN,
                     "role %.64s is of all domains: it cannot imply %.64s, which is of one",
                     prior_id, implied_id);
    }
    if (rc == RC_OK && db_bool(rows, 0, "is_circle")) {
        return fault(err, RC_INVALID, "role %.64s cannot imply %.64s: they would imply each other",
                     prior_id, implied_id);
    }
    return rc ? rc
              : db_run(db,
                       "INSERT INTO implied_role (prior_role_id, implied_role_id) VALUES ($1, $2) "
                       "ON CONFLICT DO NOTHING",
                       DB_ARGS(db_s(prior_id), db_s(implied_id)), NULL, err);
}

static enum rc
no_rule(enum rc rc, const char *prior_id, const char *implied_id, struct err *err)
{
    return rc == RC_NOT_FOUND ? fault(err, rc, "%.64s does not imply %.64s", prior_id, implied_id)
                              : rc;
}

enum rc
role_db_unimply(struct db *db, const char *prior_id, const char *implied_id, struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc =
        db_run(db, "DELETE FROM implied_role WHERE prior_role_id = $1 AND implied_role_id = $2",
               DB_ARGS(db_s(prior_id), db_s(implied_id)), &rows, err);
    return no_rule(rc ? rc : db_n_affected(rows) ? RC_OK : RC_NOT_FOUND, prior_id, implied_id, err);
}

enum rc
role_db_inference(struct db *db, const char *prior_id, const char *implied_id, const char *base_url,
                  char **ret_text, struct err *err)
{
    static const char sql[] =
        "SELECT json_build_object('prior_role', " ROLE("p", "$3") ", 'implies', " ROLE(
            "i", "$3") ")::text AS value"
                       " FROM implied_role x JOIN role p ON p.id = x.prior_role_id JOIN role i ON "
                       "i.id = x.implied_role_id"
                       " WHERE x.prior_role_id = $1 AND x.implied_role_id = $2";
    return no_rule(db_run_text(db, sql, DB_ARGS(db_s(prior_id), db_s(implied_id), db_s(base_url)),
                               ret_text, err),
                   prior_id, implied_id, err);
}

#define IMPLIES_OF                                                                                 \
    "json_build_object('prior_role', " ROLE(                                                       \
        "p", "$1") ", 'implies', (SELECT coalesce(json_agg(" ROLE("i",                             \
                                                                  "$1") " ORDER BY i.name), '[]')" \
                                                                        " FROM implied_role x "    \
                                                                        "JOIN role i ON i.id = "   \
                                                                        "x.implied_role_id WHERE " \
                                                                        "x.prior_role_id = p.id))"

enum rc
role_db_inferences_of(struct db *db, const char *prior_id, const char *base_url, char **ret_text,
                      struct err *err)
{
    enum rc rc = db_run_text(db, "SELECT " IMPLIES_OF "::text AS value FROM role p WHERE p.id = $2",
                             DB_ARGS(db_s(base_url), db_s(prior_id)), ret_text, err);
    return rc == RC_NOT_FOUND ? fault(err, rc, "Could not find role: %.64s.", prior_id) : rc;
}

enum rc
role_db_inferences(struct db *db, const char *base_url, char **ret_text, struct err *err)
{
    return db_run_text(db,
                       "SELECT coalesce(json_agg(" IMPLIES_OF
                       " ORDER BY p.name, p.id), '[]')::text AS value FROM role p"
                       " WHERE EXISTS (SELECT 1 FROM implied_role x WHERE x.prior_role_id = p.id)",
                       DB_ARGS(db_s(base_url)), ret_text, err);
}
