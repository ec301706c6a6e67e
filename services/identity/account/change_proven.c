// SPDX-License-Identifier: Apache-2.0
// What an account changes by proof of an address: the address itself, and a forgotten password.
// Both end every token that the user has.
#include "common/base/util.h"
#include "services/identity/account/accounts.h"
#include "services/identity/account/audit.h"
#include "services/identity/account/profile_db.h"
#include "services/identity/tenancy/member_db.h"
#include "services/identity/token/auth.h"
#include <string.h>

// A change with a mail's token; what it made is rebuilt when the transaction runs again.
struct proving {
    const char *token;
    const char *hash;      // new password
    int64_t password_days; // how long it is good; 0: for ever
    struct proof proof;
};

static enum rc
mail_sent(struct request *request, struct reply *reply, const char *name, enum proof_kind kind)
{
    reply->json = json_pack("{s:{s:s, s:I}}", name, "status", "mail sent: use its token",
                            "expires_in_s", (json_int_t)proof_life_s(account_conf(request), kind));
    return RC_OK;
}

static enum rc
account_of_proof(struct db *db, const struct proof *proof, db_result **ret_row, struct err *err)
{
    g_autoptr(db_result) row = NULL;
    enum rc rc = profile_db_lock(db, proof->user_id, &row, err);
    if (rc == RC_NOT_FOUND || (rc == RC_OK && strcmp(db_text(row, 0, "state"), "active") &&
                               strcmp(db_text(row, 0, "state"), "waiting"))) {
        return fault(err, RC_GONE, "the account is not open");
    }
    if (rc == RC_OK) {
        *ret_row = g_steal_pointer(&row);
    }
    return rc;
}

static enum rc
tell(struct db *db, enum mail_kind kind, const char *recipient, const char *other,
     const db_result *account, struct err *err)
{
    const struct mail mail = {.kind = kind,
                              .recipient = recipient,
                              .locale = db_text(account, 0, "locale"),
                              .other = other,
                              .is_due = true};
    return mail_add(db, &mail, err);
}

static enum rc
finish(struct request *request, struct proving *proving, db_tx_fn fn, struct err *err)
{
    struct db *db = NULL;
    enum rc rc = request_db(request, &db, err);
    rc = rc ? rc : db_tx(db, fn, proving, err);
    proof_clear(&proving->proof);
    return rc ? rc : feed_catch_up(identity_of(request), err);
}

// ---- the address

struct email_body {
    const char *email, *password;
};
static const struct field email_fields[] = {
    FIELD(struct email_body, email, "email", FIELD_TEXT, FIELD_REQUIRED, 3, 254),
    FIELD(struct email_body, password, "password", FIELD_TEXT, FIELD_REQUIRED | FIELD_SECRET, 1,
          72),
};
static const struct body_spec email_body = {.fields = email_fields,
                                            .n_fields = N_ELEMENTS(email_fields),
                                            .struct_size = sizeof(struct email_body)};

struct email_change {
    const struct conf *conf;
    const char *user_id, *email;
};

static enum rc
ask_email_tx(struct db *db, void *argument, struct err *err)
{
    const struct email_change *change = argument;
    g_autoptr(db_result) account = NULL;
    bool is_known = false;
    enum rc rc = profile_db_lock(db, change->user_id, &account, err);
    if (rc) {
        return rc == RC_NOT_FOUND ? fault(err, rc, "this user has no account") : rc;
    }
    rc = accounts_db_is_known(db, change->email, &is_known, err);
    json_auto_t *detail = json_pack("{s:s}", "email", change->email);
    const struct audit_entry entry = {.user_id = change->user_id,
                                      .actor_id = change->user_id,
                                      .action = "account.email.ask",
                                      .detail = detail};
    const struct proof_ask ask = {.kind = PROOF_EMAIL,
                                  .email = change->email,
                                  .user_id = change->user_id,
                                  .mail = is_known ? MAIL_KNOWN : MAIL_EMAIL_PROOF,
                                  .locale = db_text(account, 0, "locale"),
                                  .is_due = true};
    rc = rc ? rc : proof_end(db, PROOF_EMAIL, NULL, change->user_id, NULL, err);
    rc = rc ? rc : proof_send(db, change->conf, &ask, err);
    rc = rc ? rc
            : tell(db, MAIL_EMAIL_ASKED, db_text(account, 0, "email"), change->email, account, err);
    return rc ? rc : audit_write(db, &entry, err);
}

// The password again: a stolen token must not take the account away.
static enum rc
ask_email(struct request *request, struct reply *reply, struct err *err)
{
    const struct email_body *body = request_body(request);
    const struct login login = {.has_password = true,
                                .user = {.id = request_auth(request)->user_id},
                                .password = body->password};
    struct email_change change = {.conf = account_conf(request),
                                  .user_id = request_auth(request)->user_id};
    struct db *db = NULL;
    g_autoptr(db_result) user = NULL;
    enum rc rc = account_self(request, "identity:use_accounts", &db, err);
    rc = rc ? rc : admit_account_mail(request, "email", body->email, &change.email, err);
    rc = rc ? rc : auth_check_password(identity_of(request), db, &login, &user, err);
    if (rc == RC_UNAUTHORIZED) {
        return fault(err, RC_FORBIDDEN, "invalid input for field 'password': it is wrong");
    }
    rc = rc ? rc : db_tx(db, ask_email_tx, &change, err);
    return rc ? rc : mail_sent(request, reply, "email_change", PROOF_EMAIL);
}

static enum rc
change_email_tx(struct db *db, void *argument, struct err *err)
{
    struct proving *proving = argument;
    const struct proof *proof = &proving->proof;
    g_autoptr(db_result) account = NULL;
    enum rc rc = proof_take(db, PROOF_EMAIL, proving->token, &proving->proof, err);
    rc = rc ? rc : account_of_proof(db, proof, &account, err);
    if (rc) {
        return rc;
    }
    const char *old = db_text(account, 0, "email");
    json_auto_t *detail = json_pack("{s:s, s:s}", "old", old, "email", proof->email);
    const struct audit_entry entry = {
        .user_id = proof->user_id, .action = "account.email.change", .detail = detail};
    rc = profile_db_set_email(db, proof->user_id, proof->email, err);
    if (rc == RC_CONFLICT) {
        return fault(err, rc, "this address has its account already");
    }
    rc = rc ? rc : proof_end(db, PROOF_PASSWORD, NULL, proof->user_id, NULL, err);
    rc = rc ? rc : feed_revoke(db, &(struct revocation){.user_id = proof->user_id}, err);
    rc = rc ? rc : tell(db, MAIL_EMAIL_CHANGED, old, proof->email, account, err);
    rc = rc ? rc : tell(db, MAIL_EMAIL_CHANGED, proof->email, proof->email, account, err);
    return rc ? rc : audit_write(db, &entry, err);
}

static enum rc
change_email(struct request *request, struct reply *reply, struct err *err)
{
    const struct proof_body *body = request_body(request);
    struct proving proving = {.token = body->token};
    enum rc rc = admit_token(request, err);
    return rc ? rc : finish(request, &proving, change_email_tx, err);
}

// ---- the password

static const struct field forgotten_fields[] = {
    FIELD(struct email_body, email, "email", FIELD_TEXT, FIELD_REQUIRED, 3, 254)};
static const struct body_spec forgotten_body = {.fields = forgotten_fields,
                                                .n_fields = N_ELEMENTS(forgotten_fields),
                                                .struct_size = sizeof(struct email_body)};

// The same statements for an unknown address; its mail leaves for nobody.
static enum rc
ask_password_tx(struct db *db, void *argument, struct err *err)
{
    const struct email_change *change = argument;
    g_autoptr(db_result) account = NULL;
    enum rc rc = profile_db_find_by_email(db, change->email, &account, err);
    bool is_known = rc == RC_OK;
    if (rc && rc != RC_NOT_FOUND) {
        return rc;
    }
    const char *user_id = is_known ? db_text(account, 0, "user_id") : NULL;
    const struct audit_entry entry = {.user_id = user_id,
                                      .action = "account.password.ask",
                                      .outcome = is_known ? NULL : "unknown address"};
    const struct proof_ask ask = {.kind = PROOF_PASSWORD,
                                  .email = change->email,
                                  .user_id = user_id,
                                  .mail = MAIL_PASSWORD_RESET,
                                  .locale = is_known ? db_text(account, 0, "locale") : "en",
                                  .is_due = is_known};
    rc = proof_send(db, change->conf, &ask, err);
    return rc ? rc : audit_write(db, &entry, err);
}

static enum rc
ask_password(struct request *request, struct reply *reply, struct err *err)
{
    const struct email_body *body = request_body(request);
    struct email_change change = {.conf = account_conf(request)};
    struct db *db = NULL;
    enum rc rc = admit_mail(request, body->email, &change.email, err);
    rc = rc ? rc : request_db(request, &db, err);
    rc = rc ? rc : db_tx(db, ask_password_tx, &change, err);
    return rc ? rc : mail_sent(request, reply, "password_reset", PROOF_PASSWORD);
}

struct reset_body {
    const char *token, *password;
};
static const struct field reset_fields[] = {
    FIELD(struct reset_body, token, "token", FIELD_TEXT, FIELD_REQUIRED | FIELD_SECRET, 1, 128),
    FIELD(struct reset_body, password, "password", FIELD_TEXT, FIELD_REQUIRED | FIELD_SECRET,
          ACCOUNT_PASSWORD_MIN, 72),
};
static const struct body_spec reset_body = {.fields = reset_fields,
                                            .n_fields = N_ELEMENTS(reset_fields),
                                            .struct_size = sizeof(struct reset_body)};

static enum rc
reset_password_tx(struct db *db, void *argument, struct err *err)
{
    struct proving *proving = argument;
    const struct proof *proof = &proving->proof;
    g_autoptr(db_result) account = NULL;
    enum rc rc = proof_take(db, PROOF_PASSWORD, proving->token, &proving->proof, err);
    rc = rc ? rc : account_of_proof(db, proof, &account, err);
    const struct audit_entry entry = {.user_id = proof->user_id,
                                      .action = "account.password.reset"};
    const struct new_password password = {.user_id = proof->user_id,
                                          .hash = proving->hash,
                                          .is_own = true,
                                          .expires_days = proving->password_days};
    rc = rc ? rc : member_db_set_password(db, &password, err);
    rc = rc ? rc : proof_end(db, PROOF_PASSWORD, NULL, proof->user_id, NULL, err);
    rc = rc ? rc : proof_end(db, PROOF_EMAIL, NULL, proof->user_id, NULL, err);
    rc = rc ? rc : feed_revoke(db, &(struct revocation){.user_id = proof->user_id}, err);
    rc =
        rc ? rc : tell(db, MAIL_PASSWORD_CHANGED, db_text(account, 0, "email"), NULL, account, err);
    return rc ? rc : audit_write(db, &entry, err);
}

// One of the last passwords is refused before the token is used.
static enum rc
check_unique(const struct request *request, const struct reset_body *body, struct err *err)
{
    int64_t n = identity_of(request)->compliance.n_unique_passwords;
    struct db *db = NULL;
    struct proof proof = {0};
    g_autoptr(db_result) rows = NULL;
    enum rc rc = request_db(request, &db, err);
    rc = rc ? rc : proof_find(db, PROOF_PASSWORD, body->token, &proof, err);
    rc = rc || !proof.user_id ? rc : member_db_last_passwords(db, proof.user_id, n, &rows, err);
    proof_clear(&proof);
    for (int i = 0; rc == RC_OK && rows && i < db_n_rows(rows); i++) {
        if (password_matches(body->password, db_text(rows, i, "hash"))) {
            return fault(err, RC_INVALID,
                         "invalid input for field 'password': it must not be one of the last %d",
                         (int)n);
        }
    }
    return rc;
}

static enum rc
reset_password(struct request *request, struct reply *reply, struct err *err)
{
    const struct reset_body *body = request_body(request);
    g_autofree char *hash = NULL;
    enum rc rc = admit_token(request, err);
    rc =
        rc ? rc : compliance_check_password(&identity_of(request)->compliance, body->password, err);
    rc = rc ? rc : check_unique(request, body, err);
    rc = rc ? rc : password_hash(body->password, &hash, err);
    struct proving proving = {.token = body->token,
                              .hash = hash,
                              .password_days =
                                  identity_of(request)->compliance.password_expires_days};
    return rc ? rc : finish(request, &proving, reset_password_tx, err);
}

const struct route change_proven_routes[] = {
    {.method = "POST",
     .path = "/accounts/v1/account/email",
     .handle = ask_email,
     .body = &email_body,
     .flags = ROUTE_SLOW,
     .status = 202,
     .summary = "change one's address: the new one is proven by mail, the old one is told"},
    {.method = "POST",
     .path = "/accounts/v1/email/verify",
     .handle = change_email,
     .body = &proof_body_spec,
     .flags = ROUTE_PUBLIC,
     .status = 204,
     .summary = "change the address with the mail's token"},
    {.method = "POST",
     .path = "/accounts/v1/password/forgotten",
     .handle = ask_password,
     .body = &forgotten_body,
     .flags = ROUTE_PUBLIC,
     .status = 202,
     .summary = "ask for a mail that lets one choose a new password"},
    {.method = "POST",
     .path = "/accounts/v1/password/reset",
     .handle = reset_password,
     .body = &reset_body,
     .flags = ROUTE_PUBLIC | ROUTE_SLOW,
     .status = 204,
     .summary = "choose a new password with the mail's token"},
    {0},
};
