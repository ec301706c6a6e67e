// SPDX-License-Identifier: Apache-2.0
// What an operator demands of passwords and accounts: settings [security_compliance], as
// Keystone's.
#pragma once
#include "common/conf/conf.h"
#include <glib.h>

// Backtracking that one match of the operator's expression may cost, whatever the password is.
#define PASSWORD_REGEX_STEPS 100000

struct compliance {
    GRegex *password_regex; // NULL: any
    char *password_regex_description;
    int64_t lockout_attempts;      // 0: never
    int64_t lockout_s;             // 0: until an administrator enables the user again
    int64_t n_unique_passwords;    // the last N may not be used again; 0: any
    int64_t minimum_password_days; // 0: may be changed at once
    int64_t password_expires_days; // 0: never
    int64_t inactive_days;         // 0: nobody is disabled for being away
    bool must_change_first;        // a password that an administrator gave must be changed
};
// RC_INVALID names the setting that is wrong. What was filled: compliance_done.
enum rc compliance_init(struct compliance *compliance, const struct conf *conf,
                        struct err *err) CHECKED;
void compliance_done(struct compliance *compliance);
// The expression is tried at the password's beginning (as Python's re.match does). One that costs
// too much on this password refuses it. pattern "": any.
enum rc compliance_set_regex(struct compliance *compliance, const char *pattern,
                             const char *description, struct err *err) CHECKED;
enum rc compliance_check_password(const struct compliance *compliance, const char *password,
                                  struct err *err) CHECKED;
