// SPDX-License-Identifier: Apache-2.0
// Rows that prove who somebody is, beside passwords.
#pragma once
#include "services/identity/identity.h"

// A user's credentials of type totp, at most 16: id, sealed, blob.
enum rc method_db_totp(struct db *db, const char *user_id, db_result **ret_rows,
                       struct err *err) CHECKED;
// A passcode is used once, and none before it afterwards. RC_UNAUTHORIZED: it was.
enum rc method_db_use_totp(struct db *db, const char *credential_id, int64_t step,
                           struct err *err) CHECKED;
