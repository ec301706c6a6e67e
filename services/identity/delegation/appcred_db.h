// SPDX-License-Identifier: Apache-2.0
// Rows of application_credential and access_rule. Texts are JSON; the callers free them.
#pragma once
#include "services/identity/token/auth.h"

struct appcred_row {
    const char *id, *user_id, *project_id, *name, *description, *secret_hash, *audit_id,
        *expires_at;
    bool unrestricted;
};
enum rc appcred_db_add(struct db *db, const struct appcred_row *row, struct err *err) CHECKED;
enum rc appcred_db_add_role(struct db *db, const char *id, const char *role_id,
                            struct err *err) CHECKED;
enum rc appcred_db_add_rule(struct db *db, const char *id, const char *user_id, const char *service,
                            const char *path, const char *method, struct err *err) CHECKED;
// A rule that the user has; RC_NOT_FOUND.
enum rc appcred_db_use_rule(struct db *db, const char *id, const char *user_id, const char *rule_id,
                            struct err *err) CHECKED;
// Bytes that the credential's rules take in a token.
enum rc appcred_db_rules_size(struct db *db, const char *id, int64_t *ret_size,
                              struct err *err) CHECKED;
enum rc appcred_db_find(struct db *db, const char *user_id, const char *id, const char *base_url,
                        char **ret_text, struct err *err) CHECKED;
// name NULL: all.
enum rc appcred_db_list(struct db *db, const char *user_id, const char *name, const char *base_url,
                        char **ret_text, struct err *err) CHECKED;
enum rc appcred_db_owner(struct db *db, const char *id, char **ret_user_id,
                         struct err *err) CHECKED; // RC_NOT_FOUND
enum rc appcred_db_drop(struct db *db, const char *user_id, const char *id, char **ret_audit_id,
                        struct err *err) CHECKED;
// As tokens show it: id, name, restricted, access_rules (when there are some). RC_NOT_FOUND.
enum rc appcred_db_in_token(struct db *db, const char *audit_id, char **ret_text,
                            struct err *err) CHECKED;
// For a login: id, user_id, project_id, secret_hash, audit_id, expires_us (0: never), name,
// unrestricted, rules ([[service, method, path], …]), role_ids (implied ones included).
// RC_NOT_FOUND.
enum rc appcred_db_for_login(struct db *db, const struct login *login, db_result **ret_row,
                             struct err *err) CHECKED;

// filter: members NULL: any.
enum rc appcred_db_rules(struct db *db, const char *user_id, const struct access_rule *filter,
                         const char *base_url, char **ret_text, struct err *err) CHECKED;
enum rc appcred_db_find_rule(struct db *db, const char *user_id, const char *id,
                             const char *base_url, char **ret_text, struct err *err) CHECKED;
enum rc appcred_db_drop_rule(struct db *db, const char *user_id, const char *id,
                             struct err *err) CHECKED; // RC_FORBIDDEN: in use
