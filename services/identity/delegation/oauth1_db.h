// SPDX-License-Identifier: Apache-2.0
// Rows of OAuth 1.0a: consumers, request tokens, access tokens, nonces. Texts are JSON; the callers
// free them.
#pragma once
#include "services/identity/identity.h"

// One row: id, sealed, secret (sealed NULL: the secret itself). RC_NOT_FOUND.
enum rc oauth1_db_consumer(struct db *db, const char *id, db_result **ret_row,
                           struct err *err) CHECKED;
struct oauth1_token_row {
    const char *id, *consumer_id, *project_id, *sealed, *audit_id; // audit_id: of access tokens
    int64_t life_s;                                                // 0: for ever
};
// One row: expires_at (text, NULL: never). RC_INVALID: no such project.
enum rc oauth1_db_add_request(struct db *db, const struct oauth1_token_row *row,
                              db_result **ret_row, struct err *err) CHECKED;
// One row: id, consumer_id, project_id, user_id, sealed, verifier_digest, is_live. RC_NOT_FOUND.
enum rc oauth1_db_request(struct db *db, const char *id, db_result **ret_row,
                          struct err *err) CHECKED;
enum rc oauth1_db_authorize(struct db *db, const char *id, const char *user_id,
                            const char *verifier_digest, json_t *role_ids, struct err *err) CHECKED;
// A request token becomes an access token, once. Must run in a transaction. request_id: row's own.
// One row: expires_at. RC_NOT_FOUND: it was exchanged, or its roles are gone.
enum rc oauth1_db_exchange(struct db *db, const char *request_id,
                           const struct oauth1_token_row *row, db_result **ret_row,
                           struct err *err) CHECKED;
// A request is signed once. RC_UNAUTHORIZED: it was seen.
enum rc oauth1_db_use_nonce(struct db *db, const char *consumer_id, const char *token,
                            int64_t signed_at_s, const char *nonce, struct err *err) CHECKED;
// For a login: id, consumer_id, user_id, project_id, sealed, audit_id, consumer_sealed,
// consumer_secret, expires_us (0: never), role_ids (implied ones included). RC_NOT_FOUND: none that
// lives.
enum rc oauth1_db_for_login(struct db *db, const char *id, db_result **ret_row,
                            struct err *err) CHECKED;
enum rc oauth1_db_list(struct db *db, const char *user_id, const char *base_url, char **ret_text,
                       struct err *err) CHECKED;
enum rc oauth1_db_find(struct db *db, const char *user_id, const char *id, const char *base_url,
                       char **ret_text, struct err *err) CHECKED;
enum rc oauth1_db_drop(struct db *db, const char *user_id, const char *id, struct err *err) CHECKED;
// JSON arrays; role_id NULL: all.
enum rc oauth1_db_roles(struct db *db, const char *id, const char *role_id, const char *base_url,
                        char **ret_text, struct err *err) CHECKED;
// What expired, and nonces that are too old to be taken again.
enum rc oauth1_db_prune(struct db *db, struct err *err) CHECKED;
