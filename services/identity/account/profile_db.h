// SPDX-License-Identifier: Apache-2.0
// One account's own row, its address and its trail.
#pragma once
#include "common/db/db.h"

// {"account": …} as text; the caller frees. RC_NOT_FOUND: the user has no account.
enum rc profile_db_show(struct db *db, const char *user_id, char **ret_text,
                        struct err *err) CHECKED;
struct profile_row { // NULL: stays
    const char *user_id, *name, *locale, *terms_version, *default_project_id;
};
// RC_NOT_FOUND: no account; RC_INVALID: the user is not in the default project.
enum rc profile_db_change(struct db *db, const struct profile_row *row, struct err *err) CHECKED;
// One row, locked: user_id, email, locale, state. RC_NOT_FOUND.
enum rc profile_db_lock(struct db *db, const char *user_id, db_result **ret_row,
                        struct err *err) CHECKED;
// One row: user_id, locale, of the open account of this address. No row: RC_NOT_FOUND.
enum rc profile_db_find_by_email(struct db *db, const char *email, db_result **ret_row,
                                 struct err *err) CHECKED;
// Account, user name and the user's attribute. RC_CONFLICT: the address is somebody else's.
enum rc profile_db_set_email(struct db *db, const char *user_id, const char *email,
                             struct err *err) CHECKED;

struct trail_query {      // NULL: any
    const char *owner_id; // rows about this account and the projects that it opened
    const char *user_id, *project_id, *action;
    int64_t before, limit; // before: rows with a smaller id
};
// {"audit": […], "next_marker"}, newest first; the caller frees.
enum rc profile_db_trail(struct db *db, const struct trail_query *query, char **ret_text,
                         struct err *err) CHECKED;
