// SPDX-License-Identifier: Apache-2.0
// Rows of account_rule: who may open an account, by the domain of the address.
#pragma once
#include "common/db/db.h"

// "automatic", "approve" or "closed": the longest rule that is the domain or a suffix of it after a
// dot, else `fallback`. The caller frees.
enum rc rule_db_mode(struct db *db, const char *domain, const char *fallback, char **ret_mode,
                     struct err *err) CHECKED;
// JSON text of all rules; the caller frees.
enum rc rule_db_list(struct db *db, char **ret_text, struct err *err) CHECKED;
enum rc rule_db_set(struct db *db, const char *domain, const char *mode, const char *actor_id,
                    struct err *err) CHECKED;
enum rc rule_db_delete(struct db *db, const char *domain, struct err *err) CHECKED; // RC_NOT_FOUND
