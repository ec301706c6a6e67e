// SPDX-License-Identifier: Apache-2.0
// Key pairs of users in the database.
#pragma once
#include "common/db/db.h"

struct keypair_new {
    const char *user_id, *project_id, *name, *type, *public_key, *fingerprint;
};
// In one transaction with the quota. RC_CONFLICT: the name exists.
enum rc keypair_db_create(struct db *db, const struct keypair_new *keypair,
                          struct err *err) CHECKED;
enum rc keypair_db_list(struct db *db, const char *user_id, unsigned version, int64_t limit,
                        const char *marker, db_result **ret_rows, struct err *err) CHECKED;
enum rc keypair_db_show(struct db *db, const char *user_id, unsigned version, const char *name,
                        db_result **ret_rows, struct err *err) CHECKED;
enum rc keypair_db_delete(struct db *db, const char *user_id, const char *name,
                          struct err *err) CHECKED;
