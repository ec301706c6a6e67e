// SPDX-License-Identifier: Apache-2.0
// People open an account by themselves: they give an address and a password, get a mail, and prove
// with its token that the address is theirs. Status, text and work are the same whether or not the
// address has an account; only the mail differs.
#include "common/base/util.h"
#include "services/identity/account/accounts_db.h"
#include "services/identity/account/mail.h"
#include "services/identity/quota/quota.h"
#include <string.h>

#define PASSWORD_MIN 8

struct sign_up {
    const char *email, *password, *name, *project_name, *locale;
};
static const char *const locales[] = {"en", "ko", NULL};
static const struct field sign_up_fields[] = {
    FIELD(struct sign_up, email, "email", FIELD_TEXT, FIELD_REQUIRED, 3, 254),
    FIELD(struct sign_up, password, "password", FIELD_TEXT, FIELD_REQUIRED | FIELD_SECRET,
          PASSWORD_MIN, 72),
    FIELD(struct sign_up, name, "name", FIELD_TEXT, FIELD_NULLABLE, 0, 255),
    FIELD(struct sign_up, project_name, "project_name", FIELD_TEXT, FIELD_NULLABLE, 1, 64),
    {.name = "locale",
     .type = FIELD_TEXT,
     .flags = FIELD_NULLABLE,
     .offset = offsetof(struct sign_up, locale),
     .min = 2,
     .max = 16,
     .values = locales},
};
static const struct body_spec sign_up_body = {.fields = sign_up_fields,
                                              .n_fields = N_ELEMENTS(sign_up_fields),
                                              .struct_size = sizeof(struct sign_up)};
static const struct field resend_fields[] = {
    FIELD(struct sign_up, email, "email", FIELD_TEXT, FIELD_REQUIRED, 3, 254)};
static const struct body_spec resend_body = {.fields = resend_fields,
                                             .n_fields = N_ELEMENTS(resend_fields),
                                             .struct_size = sizeof(struct sign_up)};

struct proof {
    const char *token;
};
static const struct field proof_fields[] = {
    FIELD(struct proof, token, "token", FIELD_TEXT, FIELD_REQUIRED | FIELD_SECRET, 1, 128)};
static const struct body_spec proof_body = {.fields = proof_fields,
                                            .n_fields = N_ELEMENTS(proof_fields),
                                            .struct_size = sizeof(struct proof)};

static const struct conf *
conf_of(const struct request *request)
{
    return service_conf(identity_of(request)->service);
}

// ---- limits

// IPv4 /24, IPv6 /56: what one household or small network has.
static char *
network_of(const char *address)
{
    if (strchr(address, ':')) {
        g_auto(GStrv) groups = g_strsplit(address, ":", 8);
        g_autoptr(GString) head = g_string_new("network ");
        for (int i = 0; i < 3 && groups[i]; i++) {
            g_string_append_printf(head, "%s:", groups[i]);
        }
        g_string_append_printf(head, "%.*s",
                               groups[0] && groups[1] && groups[2] && groups[3] ? 2 : 0,
                               groups[3] ? groups[3] : "");
        return g_string_free(g_steal_pointer(&head), FALSE);
    }
    const char *last = strrchr(address, '.');
    return g_strdup_printf("network %.*s", last ? (int)(last - address) : (int)strlen(address),
                           address);
}

struct count {
    const struct conf *conf;
    const char *email;
    char *network;
};

static enum rc
count_tx(struct db *db, void *argument, struct err *err)
{
    const struct count *count = argument;
    int64_t window_s = conf_int(count->conf, "accounts", "rate_window");
    g_autofree char *address = g_strconcat("address ", count->email, NULL);
    enum rc rc = accounts_db_count(db, address, conf_int(count->conf, "accounts", "rate_address"),
                                   window_s, err);
    rc = rc ? rc
            : accounts_db_count(db, count->network,
                                conf_int(count->conf, "accounts", "rate_network"), window_s, err);
    return rc ? rc
              : accounts_db_count(db, "all", conf_int(count->conf, "accounts", "rate_all"),
                                  window_s, err);
}

// Checks the address and the three limits; ret_email belongs to the request.
static enum rc
admit(struct request *request, const char *text, struct db **ret_db, const char **ret_email,
      struct err *err)
{
    if (!conf_text(conf_of(request), "smtp", "url")[0]) {
        return fault(err, RC_FORBIDDEN, "sign-up is closed");
    }
    g_autofree char *email = mail_address_check(text);
    if (!email) {
        return fault(err, RC_INVALID,
                     "invalid input for field 'email': it is not an e-mail address");
    }
    enum rc rc = request_db(request, ret_db, err);
    struct count count = {conf_of(request), email, network_of(request_client_address(request))};
    rc = rc ? rc : db_tx(*ret_db, count_tx, &count, err);
    g_free(count.network);
    if (rc == RC_OK) {
        *ret_email = request_strdup(request, email);
    }
    return rc;
}

// ---- asking

struct asking {
    const struct conf *conf;
    struct sign_up_row row;
    const char *link;
};

static enum rc
ask_tx(struct db *db, void *argument, struct err *err)
{
    struct asking *asking = argument;
    bool is_known = false;
    enum rc rc = accounts_db_is_known(db, asking->row.email, &is_known, err);
    if (rc) {
        return rc;
    }
    struct sign_up_row row = asking->row;
    g_autofree char *nobodys_token = random_token(32);
    row.token_hash = is_known ? nobodys_token : row.token_hash; // never mailed: cannot be used
    struct mail_text text =
        mail_text_of(is_known ? MAIL_KNOWN : MAIL_VERIFY, row.locale, asking->link);
    rc = accounts_db_add(db, &row, err);
    rc = rc ? rc : accounts_db_add_mail(db, row.email, text.subject, text.body, true, err);
    g_free(text.body);
    return rc;
}

static enum rc
accepted(struct reply *reply, const char *email, int64_t life_s)
{
    reply->json = json_pack("{s:{s:s, s:s, s:I}}", "sign_up", "email", email, "status",
                            "mail sent: use its token", "expires_in_s", (json_int_t)life_s);
    return RC_OK;
}

static enum rc
sign_up(struct request *request, struct reply *reply, struct err *err)
{
    const struct sign_up *body = request_body(request);
    const struct conf *conf = conf_of(request);
    struct db *db = NULL;
    const char *email = NULL;
    g_autofree char *hash = NULL, *token = random_token(32),
                    *token_hash = sha256_hex(token, strlen(token));
    g_autofree char *link = g_strconcat(conf_text(conf, "accounts", "verify_url"), token, NULL);
    enum rc rc = admit(request, body->email, &db, &email, err);
    rc =
        rc ? rc : compliance_check_password(&identity_of(request)->compliance, body->password, err);
    rc = rc ? rc : password_hash(body->password, &hash, err);
    if (rc) {
        return rc;
    }
    struct asking asking = {.conf = conf,
                            .row = {.email = email,
                                    .token_hash = token_hash,
                                    .password_hash = hash,
                                    .name = body->name ? body->name : "",
                                    .project_name = body->project_name,
                                    .locale = body->locale ? body->locale : "en",
                                    .life_s = conf_int(conf, "accounts", "token_life")},
                            .link = link};
    rc = db_tx(db, ask_tx, &asking, err);
    return rc ? rc : accepted(reply, email, asking.row.life_s);
}

static enum rc
resend_tx(struct db *db, void *argument, struct err *err)
{
    struct asking *asking = argument;
    g_autofree char *locale = NULL;
    enum rc rc = accounts_db_renew(db, asking->row.email, asking->row.token_hash,
                                   asking->row.life_s, &locale, err);
    struct mail_text text = mail_text_of(MAIL_VERIFY, locale ? locale : "en", asking->link);
    rc = rc ? rc
            : accounts_db_add_mail(db, asking->row.email, text.subject, text.body, locale != NULL,
                                   err);
    g_free(text.body);
    return rc;
}

static enum rc
resend(struct request *request, struct reply *reply, struct err *err)
{
    const struct sign_up *body = request_body(request);
    const struct conf *conf = conf_of(request);
    struct db *db = NULL;
    const char *email = NULL;
    g_autofree char *token = random_token(32), *token_hash = sha256_hex(token, strlen(token));
    g_autofree char *link = g_strconcat(conf_text(conf, "accounts", "verify_url"), token, NULL);
    enum rc rc = admit(request, body->email, &db, &email, err);
    if (rc) {
        return rc;
    }
    struct asking asking = {.conf = conf,
                            .row = {.email = email,
                                    .token_hash = token_hash,
                                    .life_s = conf_int(conf, "accounts", "token_life")},
                            .link = link};
    rc = db_tx(db, resend_tx, &asking, err);
    return rc ? rc : accepted(reply, email, asking.row.life_s);
}

// ---- proving

enum rc
accounts_check_settings(const struct conf *conf, struct err *err)
{
    g_autofree char *sender = mail_address_of(conf_text(conf, "smtp", "from"));
    if (conf_text(conf, "smtp", "url")[0] &&
        (!sender || strpbrk(conf_text(conf, "smtp", "from"), "\r\n"))) {
        return fault(err, RC_INVALID, "setting smtp.from: '%s' has no address",
                     conf_text(conf, "smtp", "from"));
    }
    return quota_set_text(NULL, NULL, conf_text(conf, "accounts", "sandbox_limits"), err);
}

enum rc
accounts_prune(struct db *db, struct err *err)
{
    return accounts_db_prune(db, err);
}

struct proving {
    const struct conf *conf;
    char *token_hash;
    char user_id[HEX_ID_SIZE], project_id[HEX_ID_SIZE];
    char *email, *project_name; // results; rebuilt when the transaction runs again
};

static void
proving_done(struct proving *proving)
{
    g_free(proving->token_hash);
    g_free(proving->email);
    g_free(proving->project_name);
}

static enum rc
make_person(struct db *db, struct proving *proving, const db_result *row, struct err *err)
{
    const char *wanted = db_text(row, 0, "project_name");
    const struct person_row person = {.user_id = proving->user_id,
                                      .email = proving->email,
                                      .name = db_text(row, 0, "name"),
                                      .locale = db_text(row, 0, "locale"),
                                      .password_hash = db_text(row, 0, "password_hash"),
                                      .project_id = proving->project_id,
                                      .project_name = wanted ? wanted : proving->email};
    enum rc rc = accounts_db_make_person(db, &person, &proving->project_name, err);
    if (rc == RC_CONFLICT) {
        return fault(err, RC_GONE, "this address has its account already");
    }
    return rc ? rc
              : quota_set_text(db, proving->project_id,
                               conf_text(proving->conf, "accounts", "sandbox_limits"), err);
}

static enum rc
prove_tx(struct db *db, void *argument, struct err *err)
{
    struct proving *proving = argument;
    g_clear_pointer(&proving->email, g_free);
    g_clear_pointer(&proving->project_name, g_free);
    g_autoptr(db_result) row = NULL;
    enum rc rc = accounts_db_find(db, proving->token_hash, &row, err);
    if (rc) {
        return rc == RC_NOT_FOUND ? fault(err, rc, "this token is not known") : rc;
    }
    if (db_bool(row, 0, "is_used") || db_bool(row, 0, "is_late")) {
        return fault(err, RC_GONE, "this token %s",
                     db_bool(row, 0, "is_used") ? "was used before" : "has expired");
    }
    proving->email = g_strdup(db_text(row, 0, "email"));
    rc = make_person(db, proving, row, err);
    return rc ? rc : accounts_db_use(db, proving->email, err);
}

static enum rc
verify(struct request *request, struct reply *reply, struct err *err)
{
    const struct proof *body = request_body(request);
    struct proving proving = {.conf = conf_of(request),
                              .token_hash = sha256_hex(body->token, strlen(body->token))};
    hex_id_new(proving.user_id);
    hex_id_new(proving.project_id);
    struct db *db = NULL;
    enum rc rc = request_db(request, &db, err);
    rc = rc ? rc : db_tx(db, prove_tx, &proving, err);
    if (rc == RC_OK) {
        reply->json = json_pack("{s:{s:s, s:s, s:s}, s:{s:s, s:s}}", "user", "id", proving.user_id,
                                "name", proving.email, "domain_id", "default", "project", "id",
                                proving.project_id, "name", proving.project_name);
    }
    proving_done(&proving);
    return rc;
}

const struct route account_routes[] = {
    {.method = "POST",
     .path = "/accounts/v1/sign-up",
     .handle = sign_up,
     .body = &sign_up_body,
     .flags = ROUTE_PUBLIC | ROUTE_SLOW,
     .status = 202,
     .summary = "ask for an account; the proof comes by mail"},
    {.method = "POST",
     .path = "/accounts/v1/sign-up/verify",
     .handle = verify,
     .body = &proof_body,
     .flags = ROUTE_PUBLIC,
     .status = 201,
     .summary = "open the account with the mail's token"},
    {.method = "POST",
     .path = "/accounts/v1/sign-up/resend",
     .handle = resend,
     .body = &resend_body,
     .flags = ROUTE_PUBLIC,
     .status = 202,
     .summary = "ask for the mail again"},
    {0},
};
