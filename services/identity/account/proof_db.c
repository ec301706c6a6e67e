// SPDX-License-Identifier: Apache-2.0
#include "services/identity/account/proof_db.h"

enum rc
proof_db_add(struct db *db, const char *kind, const struct proof_ask *ask, const char *token_hash,
             int64_t life_s, struct err *err)
{
    char *detail = ask->detail ? json_dumps(ask->detail, JSON_COMPACT) : NULL;
    enum rc rc = db_run(db,
                        "INSERT INTO proof (kind, email, token_hash, user_id, subject_id, detail, "
                        "expires_at) VALUES ($1, $2, $3, $4, $5, coalesce($6::jsonb, '{}'), now() "
                        "+ $7::bigint * interval '1 second')",
                        DB_ARGS(db_s(kind), db_s(ask->email), db_s(token_hash), db_s(ask->user_id),
                                db_s(ask->subject_id), db_s(detail), db_i(life_s)),
                        NULL, err);
    free(detail);
    return rc;
}

#define FIND                                                                          \
    "SELECT id, email, user_id, subject_id, detail, used_at IS NOT NULL AS is_used, " \
    "expires_at <= now() AS is_late FROM proof WHERE token_hash = $1 AND kind = $2"

enum rc
proof_db_find(struct db *db, const char *kind, const char *token_hash, bool lock,
              db_result **ret_row, struct err *err)
{
    return db_run_one(db, lock ? FIND " FOR UPDATE" : FIND, DB_ARGS(db_s(token_hash), db_s(kind)),
                      ret_row, err);
}

enum rc
proof_db_use(struct db *db, int64_t id, struct err *err)
{
    return db_run(db, "UPDATE proof SET used_at = now(), detail = '{}' WHERE id = $1::bigint",
                  DB_ARGS(db_i(id)), NULL, err);
}

enum rc
proof_db_end(struct db *db, const char *kind, const char *email, const char *user_id,
             const char *subject_id, struct err *err)
{
    return db_run(db,
                  "UPDATE proof SET used_at = now(), detail = '{}' WHERE kind = $1 AND used_at IS "
                  "NULL AND (email = $2 OR user_id = $3 OR subject_id = $4)",
                  DB_ARGS(db_s(kind), db_s(email), db_s(user_id), db_s(subject_id)), NULL, err);
}

enum rc
proof_db_renew_sign_up(struct db *db, const char *email, const char *token_hash, int64_t life_s,
                       char **ret_locale, struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc = db_run(db,
                        "UPDATE proof SET token_hash = $2, expires_at = now() + $3::bigint * "
                        "interval '1 second' WHERE id ="
                        " (SELECT id FROM proof WHERE email = $1 AND kind = 'sign_up' AND used_at "
                        "IS NULL AND detail ? 'password_hash' AND NOT EXISTS (SELECT 1 FROM "
                        "user_account WHERE domain_id = 'default' AND name = $1) ORDER BY id DESC "
                        "LIMIT 1) RETURNING coalesce(detail ->> 'locale', 'en') AS locale",
                        DB_ARGS(db_s(email), db_s(token_hash), db_i(life_s)), &rows, err);
    if (rc == RC_OK) {
        *ret_locale = db_n_rows(rows) ? g_strdup(db_text(rows, 0, "locale")) : NULL;
    }
    return rc;
}

enum rc
proof_db_prune(struct db *db, struct err *err)
{
    return db_run(db, "DELETE FROM proof WHERE expires_at < now() - interval '30 days'", DB_NONE,
                  NULL, err);
}
