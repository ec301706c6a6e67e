// SPDX-License-Identifier: Apache-2.0
#include "services/identity/tenancy/compliance.h"

// PCRE2 ends a match at these limits instead of backtracking without end.
#define LIMITS "(*LIMIT_MATCH=%d)(*LIMIT_DEPTH=1000)(*LIMIT_HEAP=4096)"

enum rc
compliance_set_regex(struct compliance *compliance, const char *pattern, const char *description,
                     struct err *err)
{
    g_autoptr(GError) error = NULL;
    if (!*pattern) {
        return RC_OK;
    }
    g_autofree char *limited = g_strdup_printf(LIMITS "%s", PASSWORD_REGEX_STEPS, pattern);
    compliance->password_regex = g_regex_new(limited, G_REGEX_ANCHORED, 0, &error);
    compliance->password_regex_description = g_strdup(description);
    return compliance->password_regex
               ? RC_OK
               : fault(err, RC_INVALID, "setting security_compliance.password_regex: %s",
                       error->message);
}

enum rc
compliance_init(struct compliance *compliance, const struct conf *conf, struct err *err)
{
    static const char group[] = "security_compliance";
    compliance->lockout_attempts = conf_int(conf, group, "lockout_failure_attempts");
    compliance->lockout_s = conf_int(conf, group, "lockout_duration");
    compliance->n_unique_passwords = conf_int(conf, group, "unique_last_password_count");
    compliance->minimum_password_days = conf_int(conf, group, "minimum_password_age");
    compliance->password_expires_days = conf_int(conf, group, "password_expires_days");
    compliance->inactive_days = conf_int(conf, group, "disable_user_account_days_inactive");
    compliance->must_change_first = conf_bool(conf, group, "change_password_upon_first_use");
    if (compliance->password_expires_days &&
        compliance->minimum_password_days >= compliance->password_expires_days) {
        return fault(err, RC_INVALID,
                     "setting security_compliance.minimum_password_age must be less than "
                     "password_expires_days");
    }
    return compliance_set_regex(compliance, conf_text(conf, group, "password_regex"),
                                conf_text(conf, group, "password_regex_description"), err);
}

void
compliance_done(struct compliance *compliance)
{
    if (compliance->password_regex) {
        g_regex_unref(compliance->password_regex);
    }
    g_free(compliance->password_regex_description);
}

enum rc
compliance_check_password(const struct compliance *compliance, const char *password,
                          struct err *err)
{
    if (!compliance->password_regex ||
        g_regex_match_full(compliance->password_regex, password, -1, 0, 0, NULL, NULL)) {
        return RC_OK;
    }
    const char *description = compliance->password_regex_description;
    return fault(err, RC_INVALID, "The password does not match the requirements: %.500s.",
                 description && *description ? description : "it is too simple");
}
