// SPDX-License-Identifier: Apache-2.0
// Rows of trust. Texts are JSON; the callers free them.
#pragma once
#include "services/identity/identity.h"

struct trust_row {
    const char *id, *trustor_id, *trustee_id, *project_id, *expires_at, *parent_id, *audit_id;
    const char *remaining_uses; // NULL: any number
    int64_t redelegation_count;
    bool impersonation;
};
enum rc trust_db_add(struct db *db, const struct trust_row *row, struct err *err) CHECKED;
enum rc trust_db_add_role(struct db *db, const char *id, const char *role_id,
                          struct err *err) CHECKED;
// One row, shared lock: expires_us (0: never), impersonation, redelegation_count, role_ids.
enum rc trust_db_parent(struct db *db, const char *id, db_result **ret_row,
                        struct err *err) CHECKED;
// item, trustor_user_id, trustee_user_id. One that is used up or has expired is not found.
enum rc trust_db_find(struct db *db, const char *id, const char *base_url, db_result **ret_row,
                      struct err *err) CHECKED;
// NULL: any.
enum rc trust_db_list(struct db *db, const char *trustor_id, const char *trustee_id,
                      const char *base_url, char **ret_text, struct err *err) CHECKED;
enum rc trust_db_roles(struct db *db, const char *id, const char *base_url, char **ret_text,
                       struct err *err) CHECKED;
enum rc trust_db_role(struct db *db, const char *id, const char *role_id, const char *base_url,
                      char **ret_text, struct err *err) CHECKED;
enum rc trust_db_drop(struct db *db, const char *id, struct err *err) CHECKED;

// For a login: id, trustor_user_id, trustee_user_id, project_id, impersonation, expires_us (0:
// never), audit_id, role_ids (implied ones included). RC_NOT_FOUND.
enum rc trust_db_for_login(struct db *db, const char *id, db_result **ret_row,
                           struct err *err) CHECKED;
// Counts one use. RC_UNAUTHORIZED: it was the last one that somebody else took.
enum rc trust_db_use(struct db *db, const char *id, struct err *err) CHECKED;
