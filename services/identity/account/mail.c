// SPDX-License-Identifier: Apache-2.0
// Sends due mails by libcurl, one at a time, from a background thread. A row is taken for a minute,
// dropped when the server accepted or finally refused it, else tried again later and later.
#include "services/identity/account/mail.h"
#include "common/base/util.h"
#include "common/log/log.h"
#include "services/identity/account/accounts_db.h"
#include <curl/curl.h>
#include <string.h>

#define ATTEMPTS_MAX 12
#define TIMEOUT_S 30L

struct source {
    const char *at;
    size_t left;
};

static size_t
read_source(char *buffer, size_t size, size_t n, void *argument)
{
    struct source *source = argument;
    size_t taken = MIN(size * n, source->left);
    memcpy(buffer, source->at, taken);
    source->at += taken;
    source->left -= taken;
    return taken;
}

static void
set_login(CURL *curl, const struct conf *conf)
{
    if (conf_text(conf, "smtp", "user")[0]) {
        curl_easy_setopt(curl, CURLOPT_USERNAME, conf_text(conf, "smtp", "user"));
        curl_easy_setopt(curl, CURLOPT_PASSWORD, conf_text(conf, "smtp", "password"));
        curl_easy_setopt(curl, CURLOPT_USE_SSL, (long)CURLUSESSL_ALL);
    } else {
        curl_easy_setopt(curl, CURLOPT_USE_SSL, (long)CURLUSESSL_TRY);
    }
}

// RC_INVALID: the server refuses it for good.
static enum rc
send_one(const struct conf *conf, const char *recipient, const char *message, struct err *err)
{
    g_autofree char *sender = mail_address_of(conf_text(conf, "smtp", "from"));
    struct source source = {message, strlen(message)};
    struct curl_slist *recipients = curl_slist_append(NULL, recipient);
    CURL *curl = curl_easy_init();
    curl_easy_setopt(curl, CURLOPT_URL, conf_text(conf, "smtp", "url"));
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, TIMEOUT_S);
    curl_easy_setopt(curl, CURLOPT_MAIL_FROM, sender);
    curl_easy_setopt(curl, CURLOPT_MAIL_RCPT, recipients);
    curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(curl, CURLOPT_READFUNCTION, read_source);
    curl_easy_setopt(curl, CURLOPT_READDATA, &source);
    set_login(curl, conf);
    CURLcode code = curl_easy_perform(curl);
    long reply = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &reply);
    curl_easy_cleanup(curl);
    curl_slist_free_all(recipients);
    if (code == CURLE_OK) {
        return RC_OK;
    }
    return fault(err, reply >= 500 && reply < 600 ? RC_INVALID : RC_UNAVAILABLE, "%s (reply %ld)",
                 curl_easy_strerror(code), reply);
}

static enum rc
settle(struct db *db, int64_t id, int64_t attempt, enum rc sent, const struct err *why,
       struct err *err)
{
    if (sent == RC_OK) {
        log_info("mail sent", kv_int("mail", id), kv_int("attempt", attempt));
        return accounts_db_drop_mail(db, id, err);
    }
    if (sent == RC_INVALID || attempt >= ATTEMPTS_MAX) {
        log_warn("a mail was given up", kv_int("mail", id), kv_int("attempt", attempt),
                 kv("reason", why->message));
        return accounts_db_drop_mail(db, id, err);
    }
    log_warn("a mail could not be sent yet", kv_int("mail", id), kv_int("attempt", attempt),
             kv("reason", why->message));
    return accounts_db_postpone_mail(db, id, INT64_C(1) << MIN(attempt, 11), err);
}

// One mail; RC_NOT_FOUND: none is due.
static enum rc
send_next(const struct conf *conf, struct db *db, struct err *err)
{
    g_autoptr(db_result) row = NULL;
    enum rc rc = accounts_db_take_mail(db, &row, err);
    if (rc) {
        return rc;
    }
    const char *recipient = db_text(row, 0, "recipient");
    g_autofree char *message =
        mail_encode(conf_text(conf, "smtp", "from"), recipient, db_text(row, 0, "subject"),
                    db_text(row, 0, "body"), now_us());
    struct err why = {0};
    enum rc sent = send_one(conf, recipient, message, &why);
    return settle(db, db_int(row, 0, "id"), db_int(row, 0, "attempt"), sent, &why, err);
}

enum rc
mail_add(struct db *db, const struct mail *mail, struct err *err)
{
    struct mail_text text = mail_text_of(mail->kind, mail->locale, mail->link, mail->other);
    enum rc rc =
        accounts_db_add_mail(db, mail->recipient, text.subject, text.body, mail->is_due, err);
    g_free(text.body);
    return rc;
}

void
mail_send_due(void *argument)
{
    static struct log_limit limit;
    struct identity *identity = argument;
    const struct conf *conf = service_conf(identity->service);
    if (!conf_text(conf, "smtp", "url")[0]) {
        return;
    }
    struct db *db = NULL;
    struct err err = {0};
    enum rc rc = db_get(identity->db, &db, &err);
    while (rc == RC_OK && !service_is_stopping(identity->service)) {
        rc = send_next(conf, db, &err);
    }
    if (rc && rc != RC_NOT_FOUND && log_limit_allows(&limit, 1)) {
        log_warn("cannot read mails to be sent", kv("reason", err.message));
    }
}
