// SPDX-License-Identifier: Apache-2.0
// People and their projects, what limits requests, and the mails that they send.
#pragma once
#include "services/identity/identity.h"

// Counts one request in a bucket. RC_TOO_MANY with retry_after_s when more than `max` came within
// the window.
enum rc accounts_db_count(struct db *db, const char *bucket, int64_t max, int64_t window_s,
                          struct err *err) CHECKED;
// RC_TOO_MANY with retry_after_s when `max` were counted in the bucket within the window.
enum rc accounts_db_has_room(struct db *db, const char *bucket, int64_t max, int64_t window_s,
                             struct err *err) CHECKED;

enum rc accounts_db_is_known(struct db *db, const char *email, bool *ret_known,
                             struct err *err) CHECKED;
struct person_row {
    const char *user_id, *email, *name, *locale, *password_hash;
    const char *terms_version; // NULL: none were asked for
    bool is_waiting;           // an admin must approve before the user may log in
    const char *home_id;       // default project; NULL: none
};
// User and account. RC_CONFLICT: one of the two exists.
enum rc accounts_db_make_person(struct db *db, const struct person_row *row,
                                struct err *err) CHECKED;

// Locks the account until the transaction ends, and asks then: what is looked up in the statement
// that waits for the row is from before it waited. sql: of one row; $1 is the user. RC_NOT_FOUND:
// the user has no account.
enum rc accounts_db_lock(struct db *db, const char *user_id, const char *sql, db_result **ret_row,
                         struct err *err) CHECKED;

struct project_row {
    const char *id, *user_id, *description;
    const char *name; // taken as it is when free, else with a suffix
};
// A project of the account, in which it is a member. ret_name: the caller frees.
enum rc accounts_db_make_project(struct db *db, const struct project_row *row, char **ret_name,
                                 struct err *err) CHECKED;

// is_due false: the same work, but nobody gets it.
enum rc accounts_db_add_mail(struct db *db, const char *recipient, const char *subject,
                             const char *body, bool is_due, struct err *err) CHECKED;
// One due row, taken for a minute: id, recipient, subject, body, attempt. No row: RC_NOT_FOUND.
enum rc accounts_db_take_mail(struct db *db, db_result **ret_row, struct err *err) CHECKED;
enum rc accounts_db_drop_mail(struct db *db, int64_t id, struct err *err) CHECKED;
enum rc accounts_db_postpone_mail(struct db *db, int64_t id, int64_t delay_s,
                                  struct err *err) CHECKED;
enum rc accounts_db_prune(struct db *db, struct err *err) CHECKED;
