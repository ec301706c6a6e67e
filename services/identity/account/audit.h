// SPDX-License-Identifier: Apache-2.0
// The trail of accounts: every step is a row, written in the transaction of what it tells.
#pragma once
#include "common/db/db.h"
#include <jansson.h>

struct audit_entry {
    const char *user_id;    // the account it is about; NULL: none
    const char *project_id; // NULL: none
    const char *actor_id;   // NULL: nobody was logged in, or the service itself
    const char *action;     // "account.open"
    const char *outcome;    // NULL: "done"
    json_t *detail;         // borrowed object; NULL: {}. Never a secret or a token
};
// Must run inside db_tx. The request id is the thread's.
enum rc audit_write(struct db *db, const struct audit_entry *entry, struct err *err) CHECKED;
