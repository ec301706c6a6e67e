// SPDX-License-Identifier: Apache-2.0
#include "services/identity/account/rule_db.h"

enum rc
rule_db_mode(struct db *db, const char *domain, const char *fallback, char **ret_mode,
             struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    // The domain itself and what stands behind each of its dots: a look-up by the primary key.
    enum rc rc = db_run(db,
                        "SELECT mode FROM account_rule WHERE domain IN (SELECT array_to_string("
                        "(string_to_array($1, '.'))[i:], '.') FROM generate_series(1, "
                        "cardinality(string_to_array($1, '.'))) i) ORDER BY length(domain) DESC "
                        "LIMIT 1",
                        DB_ARGS(db_s(domain)), &rows, err);
    if (rc == RC_OK) {
        *ret_mode = g_strdup(db_n_rows(rows) ? db_text(rows, 0, "mode") : fallback);
    }
    return rc;
}

enum rc
rule_db_list(struct db *db, char **ret_text, struct err *err)
{
    return db_run_text(
        db,
        "SELECT json_build_object('domain_rules', coalesce(json_agg(json_build_object('domain', "
        "domain, 'mode', mode, 'changed_by', changed_by, 'changed_at', to_char(changed_at AT TIME "
        "ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')) ORDER BY domain), '[]'))::text AS value "
        "FROM account_rule",
        DB_NONE, ret_text, err);
}

enum rc
rule_db_set(struct db *db, const char *domain, const char *mode, const char *actor_id,
            struct err *err)
{
    return db_run(db,
                  "INSERT INTO account_rule (domain, mode, changed_by) VALUES ($1, $2, $3) ON "
                  "CONFLICT (domain) DO UPDATE SET mode = $2, changed_by = $3, changed_at = now()",
                  DB_ARGS(db_s(domain), db_s(mode), db_s(actor_id)), NULL, err);
}

enum rc
rule_db_delete(struct db *db, const char *domain, struct err *err)
{
    return db_run_one(db, "DELETE FROM account_rule WHERE domain = $1 RETURNING domain",
                      DB_ARGS(db_s(domain)), NULL, err);
}
