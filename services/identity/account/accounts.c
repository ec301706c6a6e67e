// SPDX-License-Identifier: Apache-2.0
// What opening an account and being invited into one share.
#include "services/identity/account/accounts.h"
#include "common/log/log.h"
#include "services/identity/account/audit.h"
#include "services/identity/account/invite_db.h"
#include "services/identity/account/rule_db.h"
#include "services/identity/quota/quota.h"
#include <string.h>

const char *const account_locales[] = {"en", "ko", NULL};
static const char *const modes[] = {"automatic", "approve", "closed", NULL};

enum rc
account_check_terms(const struct conf *conf, const char *given, struct err *err)
{
    const char *wanted = conf_text(conf, "accounts", "terms_version");
    if (!wanted[0] || (given && !strcmp(given, wanted))) {
        return RC_OK;
    }
    return fault(err, RC_INVALID,
                 "invalid input for field 'terms_version': version '%.64s' must be accepted",
                 wanted);
}

enum rc
account_check_mode(struct db *db, const struct conf *conf, const char *email, bool *ret_waiting,
                   struct err *err)
{
    g_autofree char *mode = NULL;
    enum rc rc =
        rule_db_mode(db, mail_domain_of(email), conf_text(conf, "accounts", "mode"), &mode, err);
    if (rc) {
        return rc;
    }
    *ret_waiting = !strcmp(mode, "approve");
    return strcmp(mode, "closed")
               ? RC_OK
               : fault(err, RC_FORBIDDEN, "sign-up is closed for addresses of this domain");
}

static enum rc
tell_waiting(struct db *db, const struct conf *conf, const struct person_row *person,
             struct err *err)
{
    const char *admin = conf_text(conf, "accounts", "admin_email");
    const struct mail to_person = {
        .kind = MAIL_WAITING, .recipient = person->email, .locale = person->locale, .is_due = true};
    const struct mail to_admin = {.kind = MAIL_ADMIN_WAITING,
                                  .recipient = admin,
                                  .locale = "en",
                                  .other = person->email,
                                  .is_due = true};
    enum rc rc = mail_add(db, &to_person, err);
    return rc || !admin[0] ? rc : mail_add(db, &to_admin, err);
}

enum rc
account_make(struct db *db, const struct conf *conf, const struct person_row *person,
             struct err *err)
{
    json_auto_t *detail =
        json_pack("{s:s, s:b}", "email", person->email, "waiting", person->is_waiting);
    if (person->terms_version) {
        json_object_set_new(detail, "terms_version", json_string(person->terms_version));
    }
    const struct audit_entry entry = {
        .user_id = person->user_id, .action = "account.open", .detail = detail};
    enum rc rc = accounts_db_make_person(db, person, err);
    rc = rc ? rc : audit_write(db, &entry, err);
    return rc || !person->is_waiting ? rc : tell_waiting(db, conf, person, err);
}

enum rc
account_make_project(struct db *db, const struct conf *conf, const struct project_row *row,
                     char **ret_name, struct err *err)
{
    g_autofree char *name = NULL;
    const struct audit_entry entry = {.user_id = row->user_id,
                                      .project_id = row->id,
                                      .actor_id = row->user_id,
                                      .action = "project.open"};
    enum rc rc = accounts_db_make_project(db, row, &name, err);
    rc = rc ? rc : quota_set_text(db, row->id, conf_text(conf, "accounts", "sandbox_limits"), err);
    rc = rc ? rc : audit_write(db, &entry, err);
    if (rc == RC_OK) {
        *ret_name = g_steal_pointer(&name);
    }
    return rc;
}

enum rc
account_self(struct request *request, const char *rule, struct db **ret_db, struct err *err)
{
    const struct auth_context *auth = request_auth(request);
    if ((auth->trust_id && auth->trust_id[0]) || strstr(auth->methods, "application_credential") ||
        strstr(auth->methods, "oauth") || strstr(auth->methods, "ec2credential")) {
        return fault(err, RC_FORBIDDEN, "a delegate's token cannot act for the account");
    }
    enum rc rc = request_allow(request, rule, NULL, err);
    return rc ? rc : request_db(request, ret_db, err);
}

enum rc
accounts_check_settings(const struct conf *conf, struct err *err)
{
    g_autofree char *sender = mail_address_of(conf_text(conf, "smtp", "from"));
    const char *admin = conf_text(conf, "accounts", "admin_email"),
               *mode = conf_text(conf, "accounts", "mode");
    g_autofree char *admin_address = mail_address_check(admin);
    if (conf_text(conf, "smtp", "url")[0] &&
        (!sender || strpbrk(conf_text(conf, "smtp", "from"), "\r\n"))) {
        return fault(err, RC_INVALID, "setting smtp.from: '%s' has no address",
                     conf_text(conf, "smtp", "from"));
    }
    if (admin[0] && !admin_address) {
        return fault(err, RC_INVALID, "setting accounts.admin_email: '%s' is not an address",
                     admin);
    }
    if (!g_strv_contains(modes, mode)) {
        return fault(err, RC_INVALID,
                     "setting accounts.mode: '%s' is not automatic, approve or closed", mode);
    }
    return quota_set_text(NULL, NULL, conf_text(conf, "accounts", "sandbox_limits"), err);
}

void
accounts_expire(void *argument)
{
    static struct log_limit limit;
    struct identity *identity = argument;
    struct db *db = NULL;
    struct err err = {0};
    enum rc rc = db_get(identity->db, &db, &err);
    rc = rc ? rc : invite_db_expire(db, NULL, &err);
    if (rc && log_limit_allows(&limit, 1)) {
        log_warn("cannot end invitations that are too old", kv("reason", err.message));
    }
}

enum rc
accounts_prune(struct db *db, struct err *err)
{
    enum rc rc = accounts_db_prune(db, err);
    rc = rc ? rc : proof_prune(db, err);
    return rc ? rc : invite_db_prune(db, err);
}
