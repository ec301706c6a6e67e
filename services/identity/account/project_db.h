// SPDX-License-Identifier: Apache-2.0
// Projects of accounts and who is in them.
#pragma once
#include "common/db/db.h"

// Locks the account until the transaction ends. One row: state, locale, n_projects. RC_NOT_FOUND:
// the user has no account.
enum rc project_db_lock_account(struct db *db, const char *user_id, db_result **ret_row,
                                struct err *err) CHECKED;
// JSON text of the projects that the user opened or is in; the caller frees.
enum rc project_db_list(struct db *db, const char *user_id, char **ret_text,
                        struct err *err) CHECKED;
// {"project": …} of one that the user opened, as text; the caller frees. RC_NOT_FOUND.
enum rc project_db_show(struct db *db, const char *project_id, const char *user_id, char **ret_text,
                        struct err *err) CHECKED;
// One row: id, name, enabled, owner_id (NULL: nobody's). RC_NOT_FOUND.
enum rc project_db_find(struct db *db, const char *project_id, db_result **ret_row,
                        struct err *err) CHECKED;
// JSON text of a page of users with roles on the project, by id; the caller frees.
enum rc project_db_members(struct db *db, const char *project_id, const char *marker, int64_t limit,
                           char **ret_text, struct err *err) CHECKED;
// All roles that the user has on the project itself, and its being the user's default.
enum rc project_db_remove_member(struct db *db, const char *project_id, const char *user_id,
                                 struct err *err) CHECKED;
