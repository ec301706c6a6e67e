// SPDX-License-Identifier: Apache-2.0
// Closed statements: one transaction stores the statement, its lines and the ledger's entries;
// nothing of it ever changes.
#pragma once
#include "services/billing/bill.h"

struct account_bounds {
    int64_t now_us;
    int64_t first_us;  // first usage ever; 0: none
    int64_t closed_us; // end of the last closed statement; 0: none
};
enum rc statement_db_bounds(struct db *db, const char *project_id,
                            struct account_bounds *ret_bounds, struct err *err) CHECKED;

struct statement_close {
    const char *project_id, *created_by;
    int64_t from_us; // 0: where the last one ended
    int64_t to_us;   // everything before it must be in
    char id[40];     // out
};
// db_tx_fn; argument: struct statement_close. RC_CONFLICT: from_us is not where the last one ended,
// or there is nothing to close.
enum rc statement_db_close(struct db *db, void *close, struct err *err) CHECKED;
// As JSON texts, assembled by the database; the caller frees. RC_NOT_FOUND.
enum rc statement_db_get(struct db *db, const char *project_id, const char *id, char **ret_text,
                         struct err *err) CHECKED;
enum rc statement_db_list(struct db *db, const char *project_id, char **ret_text,
                          struct err *err) CHECKED;
