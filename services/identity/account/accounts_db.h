// SPDX-License-Identifier: Apache-2.0
// Sign-ups, what limits them, and the mails that they send.
#pragma once
#include "services/identity/identity.h"

// Counts one request in a bucket. RC_TOO_MANY with retry_after_s when more than `max` came within
// the window.
enum rc accounts_db_count(struct db *db, const char *bucket, int64_t max, int64_t window_s,
                          struct err *err) CHECKED;

struct sign_up_row {
    const char *email, *token_hash, *password_hash, *name, *project_name, *locale;
    int64_t life_s;
};
enum rc accounts_db_is_known(struct db *db, const char *email, bool *ret_known,
                             struct err *err) CHECKED;
enum rc accounts_db_add(struct db *db, const struct sign_up_row *row, struct err *err) CHECKED;
// Gives the newest sign-up that waits for its proof a new token. ret_locale: the caller frees, NULL
// when none waits.
enum rc accounts_db_renew(struct db *db, const char *email, const char *token_hash, int64_t life_s,
                          char **ret_locale, struct err *err) CHECKED;
// One row, locked: id, email, password_hash, name, project_name, locale, is_used, is_late.
// RC_NOT_FOUND.
enum rc accounts_db_find(struct db *db, const char *token_hash, db_result **ret_row,
                         struct err *err) CHECKED;
// Every sign-up of the address is used up.
enum rc accounts_db_use(struct db *db, const char *email, struct err *err) CHECKED;

struct person_row {
    const char *user_id, *email, *name, *locale, *password_hash, *project_id;
    const char *project_name; // taken as it is when free, else with a suffix
};
// User, project and role; ret_project_name: the caller frees. RC_CONFLICT: the user exists.
enum rc accounts_db_make_person(struct db *db, const struct person_row *row,
                                char **ret_project_name, struct err *err) CHECKED;

// is_due false: the same work, but nobody gets it.
enum rc accounts_db_add_mail(struct db *db, const char *recipient, const char *subject,
                             const char *body, bool is_due, struct err *err) CHECKED;
// One due row, taken for a minute: id, recipient, subject, body, attempt. No row: RC_NOT_FOUND.
enum rc accounts_db_take_mail(struct db *db, db_result **ret_row, struct err *err) CHECKED;
enum rc accounts_db_drop_mail(struct db *db, int64_t id, struct err *err) CHECKED;
enum rc accounts_db_postpone_mail(struct db *db, int64_t id, int64_t delay_s,
                                  struct err *err) CHECKED;
enum rc accounts_db_prune(struct db *db, struct err *err) CHECKED;
