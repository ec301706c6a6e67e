// SPDX-License-Identifier: Apache-2.0
// Rows of invitation.
#pragma once
#include "common/db/db.h"

struct invitation_row {
    const char *id, *project_id, *email, *role_id, *inviter_id;
    int64_t life_s;
};
// One row: id, of a global role by this name that implies neither admin nor service. RC_NOT_FOUND.
enum rc invite_db_find_role(struct db *db, const char *name, db_result **ret_row,
                            struct err *err) CHECKED;
// One row: n_pending, is_member (the address's user has a role there), is_asked (the address has a
// pending invitation), locale (the inviter's).
enum rc invite_db_counts(struct db *db, const struct invitation_row *row, db_result **ret_row,
                         struct err *err) CHECKED;
// Renews the pending invitation of the address, or makes one. ret_id: its id; the caller frees.
enum rc invite_db_put(struct db *db, const struct invitation_row *row, char **ret_id,
                      struct err *err) CHECKED;
// {"invitation": …} of one as text; the caller frees. RC_NOT_FOUND.
enum rc invite_db_show(struct db *db, const char *id, char **ret_text, struct err *err) CHECKED;
// {"invitations": […], "next_marker"}; the caller frees.
enum rc invite_db_list(struct db *db, const char *project_id, const char *marker, int64_t limit,
                       char **ret_text, struct err *err) CHECKED;
// One row, locked when `lock`: id, project_id, project_name, role_id, role_name, inviter_id, email,
// state ("disabled": its project is). RC_NOT_FOUND.
enum rc invite_db_find(struct db *db, const char *id, bool lock, db_result **ret_row,
                       struct err *err) CHECKED;
// From pending to `state`. RC_NOT_FOUND: it is not pending there. project_id NULL: any.
enum rc invite_db_answer(struct db *db, const char *id, const char *project_id, const char *state,
                         struct err *err) CHECKED;
// One row: id, enabled, state (of the account; NULL: none). RC_NOT_FOUND: the address has no user.
enum rc invite_db_find_user(struct db *db, const char *email, db_result **ret_row,
                            struct err *err) CHECKED;
// Pending ones whose time is over (of one address when given, else some thousand) become expired,
// each with its row in the trail, in one statement.
enum rc invite_db_expire(struct db *db, const char *email, struct err *err) CHECKED;
enum rc invite_db_prune(struct db *db, struct err *err) CHECKED;
