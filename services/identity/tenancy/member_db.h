// SPDX-License-Identifier: Apache-2.0
// What belongs to what: projects and their tags, groups and their members, users and their
// passwords.
#pragma once
#include "services/identity/identity.h"

enum rc member_db_domain_of(struct db *db, const char *tenancy_id, char **ret_domain_id,
                            struct err *err) CHECKED;
enum rc member_db_has_children(struct db *db, const char *project_id, bool *ret_has,
                               struct err *err) CHECKED;
// The project is no user's default any more.
enum rc member_db_leave_home(struct db *db, const char *project_id, struct err *err) CHECKED;
enum rc member_db_tags(struct db *db, const char *project_id, json_t **ret_tags,
                       struct err *err) CHECKED;
// Locks the project. RC_FORBIDDEN: it is immutable.
enum rc member_db_may_change(struct db *db, const char *project_id, struct err *err) CHECKED;
enum rc member_db_set_tags(struct db *db, const char *project_id, json_t *tags,
                           struct err *err) CHECKED;
// The project is there (member_db_may_change). RC_INVALID: the tag is there already, or 80 others
// are.
enum rc member_db_change_tag(struct db *db, const char *project_id, const char *tag, bool add,
                             struct err *err) CHECKED;

enum rc member_db_add(struct db *db, const char *group_id, const char *user_id,
                      struct err *err) CHECKED;
enum rc member_db_remove(struct db *db, const char *group_id, const char *user_id,
                         struct err *err) CHECKED;
enum rc member_db_check(struct db *db, const char *group_id, const char *user_id,
                        struct err *err) CHECKED;
// user_id of every member, and of who has tokens with this group by a federated sign-in.
enum rc member_db_members(struct db *db, const char *group_id, db_result **ret_rows,
                          struct err *err) CHECKED;
// RC_NOT_FOUND names what is missing.
enum rc member_db_exists(struct db *db, const char *kind, const char *id, struct err *err) CHECKED;

// Into the history, of a user that is made with a password.
enum rc member_db_add_password(struct db *db, const char *user_id, const char *hash,
                               struct err *err) CHECKED;
struct new_password {
    const char *user_id, *hash; // hash NULL: none any more
    bool is_own;                // chosen by the user
    bool must_change;           // by the user, before anything else
    int64_t expires_days;       // 0: never
    int64_t changed_us;         // when the one that it replaces was set, as it was proven; 0: any
};
// RC_NOT_FOUND: another password was set since changed_us.
enum rc member_db_set_password(struct db *db, const struct new_password *password,
                               struct err *err) CHECKED;
// An administrator enabled the user: former failures and absence do not count.
enum rc member_db_see_enabled(struct db *db, const char *user_id, struct err *err) CHECKED;
// id: at most max users who were away for so many days, now disabled.
enum rc member_db_disable_inactive(struct db *db, int64_t days, int64_t max, db_result **ret_rows,
                                   struct err *err) CHECKED;
// hash: the latest n passwords.
enum rc member_db_last_passwords(struct db *db, const char *user_id, int64_t n,
                                 db_result **ret_rows, struct err *err) CHECKED;
