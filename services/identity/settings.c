// SPDX-License-Identifier: Apache-2.0
#include "common/auth/revocation.h"
#include "services/identity/identity.h"

// clang-format off
const struct setting identity_settings[] = {
    {"token",     "life",               SETTING_INT,    "3600", 60, TOKEN_LIFE_MAX_S, "s", "how long a token is valid"},
    {"token",     "key_life",           SETTING_INT,    "2592000", 0, 315360000, "s", "age at which a signing key is replaced; 0: only by --rotate-signing-key"},
    {"token",     "key_notice",         SETTING_INT,    "60", 2, 86400, "s",   "how long a new signing key is published before it signs"},
    {"secret",    "key_directory",      SETTING_TEXT,   "/var/lib/haneul/identity-keys", 0, 0, "", "keys that stored secrets are sealed with; --make-secret-keys makes the first"},
    {"security_compliance", "lockout_failure_attempts", SETTING_INT, "10", 0, 1000, "", "wrong passwords in a row after which a user is locked out; 0: never"},
    {"security_compliance", "lockout_duration", SETTING_INT, "60", 0, 31536000, "s", "how long a locked-out user stays so; 0: until an administrator enables the user"},
    {"security_compliance", "unique_last_password_count", SETTING_INT, "0", 0, 24, "", "a user's last passwords that may not be chosen again"},
    {"security_compliance", "minimum_password_age", SETTING_INT, "0", 0, 3650, "days", "how long a password that its user chose stays before it may be changed; 0: not at all"},
    {"security_compliance", "password_expires_days", SETTING_INT, "0", 0, 36500, "days", "how long a new password is good; 0: for ever"},
    {"security_compliance", "password_regex", SETTING_TEXT, "", 0, 0, "", "regular expression (PCRE2) that a new password must match from its beginning; empty: any"},
    {"security_compliance", "password_regex_description", SETTING_TEXT, "", 0, 0, "", "what it asks for, in words for people"},
    {"security_compliance", "disable_user_account_days_inactive", SETTING_INT, "0", 0, 36500, "days", "users who did not sign in for so long are disabled; 0: nobody is"},
    {"security_compliance", "change_password_upon_first_use", SETTING_BOOL, "false", 0, 0, "", "a password that an administrator gave must be changed by its user"},
    {"bootstrap", "admin_password",     SETTING_SECRET, "", 0, 0, "",           "password of user admin when it is made; empty: no bootstrap"},
    {"bootstrap", "service_password",   SETTING_SECRET, "", 0, 0, "",           "password of the services' users when they are made; empty: none are"},
    {"bootstrap", "region",             SETTING_TEXT,   "RegionOne", 0, 0, "",  "the endpoints' region"},
    {"bootstrap", "endpoint_identity",  SETTING_TEXT,   "", 0, 0, "",           "URL in the catalog; empty: not in the catalog"},
    {"bootstrap", "endpoint_account",   SETTING_TEXT,   "", 0, 0, "",           "URL in the catalog; empty: not in the catalog"},
    {"bootstrap", "endpoint_image",     SETTING_TEXT,   "", 0, 0, "",           "URL in the catalog; empty: not in the catalog"},
    {"bootstrap", "endpoint_network",   SETTING_TEXT,   "", 0, 0, "",           "URL in the catalog; empty: not in the catalog"},
    {"bootstrap", "endpoint_compute",   SETTING_TEXT,   "", 0, 0, "",           "URL in the catalog; empty: not in the catalog"},
    {"bootstrap", "endpoint_rating",    SETTING_TEXT,   "", 0, 0, "",           "URL in the catalog; empty: not in the catalog"},
    {"smtp",      "url",                SETTING_TEXT,   "", 0, 0, "",           "smtp://host:port or smtps://…; empty: sign-up is closed"},
    {"smtp",      "user",               SETTING_TEXT,   "", 0, 0, "",           "user at the mail server; empty: none"},
    {"smtp",      "password",           SETTING_SECRET, "", 0, 0, "",           "its password"},
    {"smtp",      "from",               SETTING_TEXT,   "Haneul <no-reply@localhost>", 0, 0, "", "sender of mails"},
    {"accounts",  "verify_url",         SETTING_TEXT,   "", 0, 0, "",           "page that takes the token (it is appended); empty: the mail shows the token alone"},
    {"accounts",  "token_life",         SETTING_INT,    "86400", 1, 2592000, "s", "how long the token in a sign-up mail is valid"},
    {"accounts",  "rate_window",        SETTING_INT,    "3600", 1, 86400, "s",  "window of the three limits below"},
    {"accounts",  "rate_address",       SETTING_INT,    "5", 1, 1000000, "",    "sign-ups and resends per e-mail address and window"},
    {"accounts",  "rate_network",       SETTING_INT,    "30", 1, 1000000, "",   "sign-ups and resends per client network (/24, /56) and window"},
    {"accounts",  "rate_all",           SETTING_INT,    "1000", 1, 1000000000, "", "sign-ups and resends in all per window"},
    {"accounts",  "sandbox_limits",     SETTING_TEXT,
     "compute:instances=3,compute:cores=4,compute:ram=4096,network:floatingip=2,network:network=5,network:router=2", 0, 0, "",
     "limits of a new person's project, service:resource=value divided by commas"},
    {0},
};
// clang-format on
