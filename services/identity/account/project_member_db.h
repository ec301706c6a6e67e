// SPDX-License-Identifier: Apache-2.0
// Roles of one member on a project of accounts.
#pragma once
#include "common/db/db.h"

// One row: roles (names, comma-separated), user_name, email (of the account; NULL: none), locale
// (of the account, else "en"), is_owner, is_last_manager (nobody owns the project, and no other
// user has role manager there). RC_NOT_FOUND: no role there.
enum rc project_member_db_find(struct db *db, const char *project_id, const char *user_id,
                               db_result **ret_row, struct err *err) CHECKED;
// The role alone, instead of all that the user has on the project itself. ret_is_narrower: a role
// that was held or implied is not any more.
enum rc project_member_db_set_role(struct db *db, const char *project_id, const char *user_id,
                                   const char *role_id, bool *ret_is_narrower,
                                   struct err *err) CHECKED;
// {"member": …} as text; the caller frees.
enum rc project_member_db_show(struct db *db, const char *project_id, const char *user_id,
                               char **ret_text, struct err *err) CHECKED;
