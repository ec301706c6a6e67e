// SPDX-License-Identifier: Apache-2.0
// Rows of credential with type ec2. Texts are JSON; the callers free them.
#pragma once
#include "services/identity/identity.h"

struct ec2_row {
    const char *id, *user_id, *project_id, *access, *secret;
};
// RC_FORBIDDEN: the user has no role there. RC_NOT_FOUND: no such project.
enum rc credential_db_may_enter(struct db *db, const char *user_id, const char *project_id,
                                struct err *err) CHECKED;
enum rc credential_db_add_ec2(struct db *db, const struct ec2_row *row, struct err *err) CHECKED;
enum rc credential_db_find_ec2(struct db *db, const char *user_id, const char *access,
                               const char *base_url, char **ret_text, struct err *err) CHECKED;
enum rc credential_db_list_ec2(struct db *db, const char *user_id, const char *base_url,
                               char **ret_text, struct err *err) CHECKED;
enum rc credential_db_drop_ec2(struct db *db, const char *user_id, const char *access,
                               struct err *err) CHECKED;
