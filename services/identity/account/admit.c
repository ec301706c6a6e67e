// SPDX-License-Identifier: Apache-2.0
#include "services/identity/account/admit.h"
#include "common/base/util.h"
#include "common/log/log.h"
#include "services/identity/account/accounts_db.h"
#include "services/identity/account/mail_address.h"

#define BUCKETS_MAX 3

struct bucket {
    const char *prefix, *key; // counted together under "prefix key"
    const char *setting;      // in group accounts: the most per window
};
struct count {
    const struct conf *conf;
    struct bucket buckets[BUCKETS_MAX]; // prefix NULL: none
};

static const struct conf *
conf_of(const struct request *request)
{
    return service_conf(identity_of(request)->service);
}

static enum rc
count_tx(struct db *db, void *argument, struct err *err)
{
    const struct count *count = argument;
    int64_t window_s = conf_int(count->conf, "accounts", "rate_window");
    enum rc rc = RC_OK;
    for (int i = 0; rc == RC_OK && i < BUCKETS_MAX && count->buckets[i].prefix; i++) {
        const struct bucket *bucket = &count->buckets[i];
        g_autofree char *name = g_strconcat(bucket->prefix, bucket->key, NULL);
        rc = accounts_db_count(db, name, conf_int(count->conf, "accounts", bucket->setting),
                               window_s, err);
    }
    return rc;
}

static enum rc
run_count(const struct request *request, struct count *count, struct err *err)
{
    struct db *db = NULL;
    enum rc rc = request_db(request, &db, err);
    return rc ? rc : db_tx(db, count_tx, count, err);
}

static enum rc
check_email(struct request *request, const char *text, const char **ret_email, struct err *err)
{
    if (!conf_text(conf_of(request), "smtp", "url")[0]) {
        return fault(err, RC_FORBIDDEN, "this cloud sends no mails");
    }
    g_autofree char *email = mail_address_check(text);
    if (!email) {
        return fault(err, RC_INVALID,
                     "invalid input for field 'email': it is not an e-mail address");
    }
    *ret_email = request_strdup(request, email);
    return RC_OK;
}

enum rc
admit_mail(struct request *request, const char *text, const char **ret_email, struct err *err)
{
    const char *email = NULL;
    enum rc rc = check_email(request, text, &email, err);
    if (rc) {
        return rc;
    }
    g_autofree char *network = account_network(request_client_address(request));
    struct count count = {conf_of(request),
                          {{"address ", email, "rate_address"},
                           {"", network, "rate_network"},
                           {"all", "", "rate_all"}}};
    rc = run_count(request, &count, err);
    if (rc == RC_OK) {
        *ret_email = email;
    }
    return rc;
}

enum rc
admit_account_mail(struct request *request, const char *what, const char *text,
                   const char **ret_email, struct err *err)
{
    const char *email = NULL;
    enum rc rc = check_email(request, text, &email, err);
    if (rc) {
        return rc;
    }
    g_autofree char *per_address = g_strconcat(what, " address ", NULL),
                    *per_account = g_strconcat(what, " account ", NULL);
    struct count count = {conf_of(request),
                          {{per_account, request_auth(request)->user_id, "rate_account"},
                           {per_address, email, "rate_address"}}};
    rc = run_count(request, &count, err);
    if (rc == RC_OK) {
        *ret_email = email;
    }
    return rc;
}

enum rc
admit_token(struct request *request, struct err *err)
{
    g_autofree char *network = account_network(request_client_address(request));
    struct count count = {conf_of(request), {{"token ", network, "rate_token"}}};
    return run_count(request, &count, err);
}

#define FAILED_LOGIN "login "

enum rc
admit_login(const struct request *request, struct err *err)
{
    const struct conf *conf = conf_of(request);
    struct db *db = NULL;
    g_autofree char *network = account_network(request_client_address(request)),
                    *bucket = g_strconcat(FAILED_LOGIN, network, NULL);
    enum rc rc = request_db(request, &db, err);
    return rc ? rc
              : accounts_db_has_room(db, bucket, conf_int(conf, "accounts", "rate_login"),
                                     conf_int(conf, "accounts", "rate_window"), err);
}

void
admit_login_failed(const struct request *request)
{
    static struct log_limit limit;
    struct err err = {0};
    g_autofree char *network = account_network(request_client_address(request));
    struct count count = {conf_of(request), {{FAILED_LOGIN, network, "rate_login"}}};
    enum rc rc = run_count(request, &count, &err);
    if (rc && rc != RC_TOO_MANY && log_limit_allows(&limit, 1)) {
        log_warn("cannot count a failed log-in", kv("reason", err.message));
    }
}
