// SPDX-License-Identifier: Apache-2.0
// Rows of credential with type ec2.
#pragma once
#include "services/identity/identity.h"

struct ec2_row {
    const char *digest, *user_id, *project_id, *sealed; // digest: of the access key; the id too
};
enum rc credential_db_add_ec2(struct db *db, const struct ec2_row *row, struct err *err) CHECKED;
// One row: id, digest, user_id, project_id, sealed, blob (sealed NULL: the text itself). user_id
// NULL: anybody's.
enum rc credential_db_find_ec2(struct db *db, const char *user_id, const char *access,
                               db_result **ret_row, struct err *err) CHECKED;
enum rc credential_db_list_ec2(struct db *db, const char *user_id, db_result **ret_rows,
                               struct err *err) CHECKED;
enum rc credential_db_drop_ec2(struct db *db, const char *user_id, const char *access,
                               struct err *err) CHECKED;
