// SPDX-License-Identifier: Apache-2.0
// People open an account by themselves: they give an address and a password, get a mail, and prove
// with its token that the address is theirs. Status, text and work are the same whether or not the
// address has an account; only the mail differs.
#include "common/base/util.h"
#include "services/identity/account/accounts.h"
#include <string.h>

struct sign_up {
    const char *email, *password, *name, *project_name, *locale, *terms_version;
};
static const struct field sign_up_fields[] = {
    FIELD(struct sign_up, email, "email", FIELD_TEXT, FIELD_REQUIRED, 3, 254),
    FIELD(struct sign_up, password, "password", FIELD_TEXT, FIELD_REQUIRED | FIELD_SECRET,
          ACCOUNT_PASSWORD_MIN, 72),
    FIELD(struct sign_up, name, "name", FIELD_TEXT, FIELD_NULLABLE, 0, ACCOUNT_NAME_MAX),
    FIELD(struct sign_up, project_name, "project_name", FIELD_TEXT, FIELD_NULLABLE, 1,
          PROJECT_NAME_MAX),
    FIELD(struct sign_up, terms_version, "terms_version", FIELD_TEXT, FIELD_NULLABLE, 1, 64),
    {.name = "locale",
     .type = FIELD_TEXT,
     .flags = FIELD_NULLABLE,
     .offset = offsetof(struct sign_up, locale),
     .min = 2,
     .max = 16,
     .values = account_locales},
};
static const struct body_spec sign_up_body = {.fields = sign_up_fields,
                                              .n_fields = N_ELEMENTS(sign_up_fields),
                                              .struct_size = sizeof(struct sign_up)};
static const struct field resend_fields[] = {
    FIELD(struct sign_up, email, "email", FIELD_TEXT, FIELD_REQUIRED, 3, 254)};
static const struct body_spec resend_body = {.fields = resend_fields,
                                             .n_fields = N_ELEMENTS(resend_fields),
                                             .struct_size = sizeof(struct sign_up)};

// ---- asking

struct asking {
    const struct conf *conf;
    const char *email, *locale;
    json_t *detail;
};

static enum rc
ask_tx(struct db *db, void *argument, struct err *err)
{
    const struct asking *asking = argument;
    bool is_known = false;
    enum rc rc = accounts_db_is_known(db, asking->email, &is_known, err);
    const struct proof_ask ask = {.kind = PROOF_SIGN_UP,
                                  .email = asking->email,
                                  .detail = asking->detail,
                                  .mail = is_known ? MAIL_KNOWN : MAIL_VERIFY,
                                  .locale = asking->locale,
                                  .is_due = true};
    return rc ? rc : proof_send(db, asking->conf, &ask, err);
}

static enum rc
accepted(const struct request *request, struct reply *reply, const char *email)
{
    int64_t life_s = proof_life_s(account_conf(request), PROOF_SIGN_UP);
    reply->json = json_pack("{s:{s:s, s:s, s:I}}", "sign_up", "email", email, "status",
                            "mail sent: use its token", "expires_in_s", (json_int_t)life_s);
    return RC_OK;
}

// What the proof keeps until it is used.
static enum rc
make_detail(const struct sign_up *body, json_t **ret_detail, struct err *err)
{
    g_autofree char *name = NULL, *project_name = NULL, *hash = NULL;
    enum rc rc = account_name("name", body->name, ACCOUNT_NAME_MAX, &name, err);
    rc =
        rc ? rc
           : account_name("project_name", body->project_name, PROJECT_NAME_MAX, &project_name, err);
    rc = rc ? rc : password_hash(body->password, &hash, err);
    if (rc == RC_OK) {
        *ret_detail = json_pack(
            "{s:s, s:s, s:s*, s:s, s:s*}", "password_hash", hash, "name", name ? name : "",
            "project_name", project_name && project_name[0] ? project_name : NULL, "locale",
            body->locale ? body->locale : "en", "terms_version", body->terms_version);
    }
    return rc;
}

static enum rc
sign_up(struct request *request, struct reply *reply, struct err *err)
{
    const struct sign_up *body = request_body(request);
    const struct conf *conf = account_conf(request);
    struct db *db = NULL;
    const char *email = NULL;
    bool is_waiting = false;
    json_auto_t *detail = NULL;
    enum rc rc = account_check_terms(conf, body->terms_version, err);
    rc = rc ? rc : admit_mail(request, body->email, &email, err);
    rc = rc ? rc : request_db(request, &db, err);
    rc = rc ? rc : account_check_mode(db, conf, email, &is_waiting, err);
    rc =
        rc ? rc : compliance_check_password(&identity_of(request)->compliance, body->password, err);
    rc = rc ? rc : make_detail(body, &detail, err);
    struct asking asking = {conf, email, body->locale ? body->locale : "en", detail};
    rc = rc ? rc : db_tx(db, ask_tx, &asking, err);
    return rc ? rc : accepted(request, reply, email);
}

static enum rc
resend_tx(struct db *db, void *argument, struct err *err)
{
    const struct asking *asking = argument;
    return proof_renew_sign_up(db, asking->conf, asking->email, err);
}

static enum rc
resend(struct request *request, struct reply *reply, struct err *err)
{
    const struct sign_up *body = request_body(request);
    struct asking asking = {.conf = account_conf(request)};
    struct db *db = NULL;
    enum rc rc = admit_mail(request, body->email, &asking.email, err);
    rc = rc ? rc : request_db(request, &db, err);
    rc = rc ? rc : db_tx(db, resend_tx, &asking, err);
    return rc ? rc : accepted(request, reply, asking.email);
}

// ---- proving

struct proving {
    const struct conf *conf;
    const char *token;
    char user_id[HEX_ID_SIZE], project_id[HEX_ID_SIZE];
    // Results, rebuilt when the transaction runs again.
    struct proof proof;
    bool is_waiting;
    char *project_name;
};

static const char *
detail_text(const struct proving *proving, const char *name)
{
    return json_string_value(json_object_get(proving->proof.detail, name));
}

static enum rc
open_account(struct db *db, struct proving *proving, struct err *err)
{
    const char *name = detail_text(proving, "name"), *locale = detail_text(proving, "locale");
    const char *wanted = detail_text(proving, "project_name");
    const struct person_row person = {.user_id = proving->user_id,
                                      .email = proving->proof.email,
                                      .name = name ? name : "",
                                      .locale = locale ? locale : "en",
                                      .password_hash = detail_text(proving, "password_hash"),
                                      .terms_version = detail_text(proving, "terms_version"),
                                      .is_waiting = proving->is_waiting,
                                      .home_id = proving->project_id};
    const struct project_row project = {.id = proving->project_id,
                                        .user_id = proving->user_id,
                                        .name = wanted ? wanted : proving->proof.email};
    enum rc rc = account_make(db, proving->conf, &person, err);
    if (rc == RC_CONFLICT) {
        return fault(err, RC_GONE, "this address has its account already");
    }
    return rc ? rc : account_make_project(db, proving->conf, &project, &proving->project_name, err);
}

static enum rc
prove_tx(struct db *db, void *argument, struct err *err)
{
    struct proving *proving = argument;
    g_clear_pointer(&proving->project_name, g_free);
    enum rc rc = proof_take(db, PROOF_SIGN_UP, proving->token, &proving->proof, err);
    rc =
        rc ? rc
           : account_check_mode(db, proving->conf, proving->proof.email, &proving->is_waiting, err);
    rc = rc ? rc : open_account(db, proving, err);
    return rc ? rc : proof_end(db, PROOF_SIGN_UP, proving->proof.email, NULL, NULL, err);
}

static enum rc
verify(struct request *request, struct reply *reply, struct err *err)
{
    const struct proof_body *body = request_body(request);
    struct proving proving = {.conf = account_conf(request), .token = body->token};
    hex_id_new(proving.user_id);
    hex_id_new(proving.project_id);
    struct db *db = NULL;
    enum rc rc = admit_token(request, err);
    rc = rc ? rc : request_db(request, &db, err);
    rc = rc ? rc : db_tx(db, prove_tx, &proving, err);
    if (rc == RC_OK) {
        reply->json =
            json_pack("{s:{s:s, s:s, s:s}, s:{s:s, s:s}, s:{s:s}}", "user", "id", proving.user_id,
                      "name", proving.proof.email, "domain_id", "default", "project", "id",
                      proving.project_id, "name", proving.project_name, "account", "state",
                      proving.is_waiting ? "waiting" : "active");
    }
    proof_clear(&proving.proof);
    g_free(proving.project_name);
    return rc;
}

static enum rc
show_terms(struct request *request, struct reply *reply, struct err *err)
{
    const struct conf *conf = account_conf(request);
    const char *terms = conf_text(conf, "accounts", "terms_version");
    bool is_open = conf_text(conf, "smtp", "url")[0] != '\0';
    reply->json = json_pack("{s:{s:b, s:s?, s:[s, s]}}", "sign_up", "open", is_open,
                            "terms_version", terms[0] ? terms : NULL, "locales", "en", "ko");
    return RC_OK;
}

#define SIGN_UP "/accounts/v1/sign-up"
const struct route account_routes[] = {
    {.method = "GET",
     .path = SIGN_UP,
     .handle = show_terms,
     .flags = ROUTE_PUBLIC,
     .status = 200,
     .summary = "what a sign-up must accept"},
    {.method = "POST",
     .path = SIGN_UP,
     .handle = sign_up,
     .body = &sign_up_body,
     .flags = ROUTE_PUBLIC | ROUTE_SLOW,
     .status = 202,
     .summary = "ask for an account; the proof comes by mail"},
    {.method = "POST",
     .path = SIGN_UP "/verify",
     .handle = verify,
     .body = &proof_body_spec,
     .flags = ROUTE_PUBLIC,
     .status = 201,
     .summary = "open the account with the mail's token"},
    {.method = "POST",
     .path = SIGN_UP "/resend",
     .handle = resend,
     .body = &resend_body,
     .flags = ROUTE_PUBLIC,
     .status = 202,
     .summary = "ask for the mail again"},
    {0},
};
