// SPDX-License-Identifier: Apache-2.0
// Rows of signing_key.
#pragma once
#include "services/identity/identity.h"

// Serialises renewals until the transaction ends. ret_newest_us: when the newest key began to sign,
// 0: no key.
enum rc keys_db_lock(struct db *db, int64_t *ret_newest_us, struct err *err) CHECKED;
enum rc keys_db_add(struct db *db, const char *kid, const char *sealed, const char *public_pem,
                    int64_t signs_from_us, struct err *err) CHECKED;
enum rc keys_db_remove_all(struct db *db, struct err *err) CHECKED;
// Drops keys whose successor signs since before_us or longer.
enum rc keys_db_prune(struct db *db, int64_t before_us, struct err *err) CHECKED;
// kid, private_pem (NULL once it is sealed), sealed, public_pem, signs_from_us; oldest first.
enum rc keys_db_list(struct db *db, db_result **ret_rows, struct err *err) CHECKED;
