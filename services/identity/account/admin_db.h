// SPDX-License-Identifier: Apache-2.0
// Accounts as administrators see and change them.
#pragma once
#include "common/db/db.h"

struct account_query { // NULL: any
    const char *state;
    const char *email;                          // the address begins with it; lower case
    const char *created_after, *created_before; // times that the database can read; [after, before)
    const char *marker;                         // user id of the last row seen
    int64_t limit;
};
// {"accounts": […], "next_marker"} by age; the caller frees.
enum rc admin_db_list(struct db *db, const struct account_query *query, char **ret_text,
                      struct err *err) CHECKED;
// Account, user, projects with roles and limits, open invitations by mail, the last of the trail.
// RC_NOT_FOUND. The caller frees.
enum rc admin_db_show(struct db *db, const char *user_id, char **ret_text, struct err *err) CHECKED;
// One row: email, locale, terms. From one of the states in `from` ("{waiting}") to `to`.
// RC_NOT_FOUND: no such account in such a state.
enum rc admin_db_move(struct db *db, const char *user_id, const char *from, const char *to,
                      db_result **ret_row, struct err *err) CHECKED;
// One row: state. RC_NOT_FOUND.
enum rc admin_db_state(struct db *db, const char *user_id, db_result **ret_row,
                       struct err *err) CHECKED;
enum rc admin_db_enable(struct db *db, const char *user_id, bool enabled, struct err *err) CHECKED;
// The user and the projects that it opened. They never had a token, so nothing else is theirs.
enum rc admin_db_delete_user(struct db *db, const char *user_id, struct err *err) CHECKED;
