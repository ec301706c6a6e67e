// SPDX-License-Identifier: Apache-2.0
// POST, GET, HEAD and DELETE /v3/auth/tokens. Everything that fails to prove who or where one is,
// is the same 401.
#include "services/identity/token/auth.h"
#include "common/base/util.h"
#include "common/log/log.h"
#include "services/identity/account/admit.h"
#include "services/identity/catalog/catalog_cache.h"
#include "services/identity/delegation/appcred_db.h"
#include "services/identity/delegation/trust_db.h"
#include "services/identity/federation/sign_in.h"
#include "services/identity/token/auth_place.h"
#include "services/identity/token/mfa.h"
#include <string.h>

enum rc
auth_denied(struct err *err)
{
    return fault(err, RC_UNAUTHORIZED, "The request you have made requires authentication.");
}

// ---- who

static void
person_done(struct person *person)
{
    db_result_free(person->row);
    auth_context_unref(person->by_token);
    db_result_free(person->appcred);
    db_result_free(person->trust);
    db_result_free(person->oauth1);
    federated_free(person->federated);
    receipt_free(person->receipt);
}

// A password that was right is stored with the work that is asked for now; the next sign-in may
// do it as well.
static void
renew_hash(struct db *db, const db_result *row, const char *password)
{
    const char *id = db_text(row, 0, "id"), *old = db_text(row, 0, "password_hash");
    g_autofree char *hash = NULL;
    struct err err = {0};
    enum rc rc = password_hash(password, &hash, &err);
    rc = rc ? rc : auth_db_renew_hash(db, id, old, hash, &err);
    if (rc) {
        log_warn("cannot renew the hash of a password", kv("user", id), kv("reason", err.message));
    }
}

// The same work for unknown, locked and known users.
enum rc
auth_check_password(const struct identity *identity, struct db *db, const struct login *login,
                    db_result **ret_row, struct err *err)
{
    g_autoptr(db_result) row = NULL;
    enum rc rc = auth_db_find_user(db, &login->user, &row, err);
    if (rc && rc != RC_NOT_FOUND) {
        return rc;
    }
    const char *hash = rc == RC_OK ? db_text(row, 0, "password_hash") : NULL;
    bool locked = rc == RC_OK && auth_is_locked(identity, row);
    if (!password_matches(login->password, locked ? NULL : hash)) {
        rc = rc == RC_OK && !locked ? auth_count_failure(identity, db, row, err) : RC_OK;
        return rc ? rc : auth_denied(err);
    }
    rc = auth_still_open(identity, db, row, err);
    rc = rc == RC_OK && db_int(row, 0, "n_failures") && !login->keeps_failures
             ? auth_db_forget_failures(db, db_text(row, 0, "id"), err)
             : rc;
    if (rc == RC_OK && password_is_outdated(hash)) {
        renew_hash(db, row, login->password);
    }
    if (rc == RC_OK) {
        *ret_row = g_steal_pointer(&row);
    }
    return rc;
}

static enum rc
check_token(const struct identity *identity, struct db *db, const struct login *login,
            struct person *person, struct err *err)
{
    enum rc rc = person->by_token
                     ? RC_OK
                     : authenticator_verify(identity->auth, login->token, &person->by_token, err);
    if (rc) { // Keystone says 404 here
        return rc == RC_UNAUTHORIZED ? fault(err, RC_NOT_FOUND, "Could not find token.") : rc;
    }
    rc = auth_may_descend(person->by_token, err);
    if (rc) {
        return rc;
    }
    if (person->row) {
        return !strcmp(db_text(person->row, 0, "id"), person->by_token->user_id) ? RC_OK
                                                                                 : auth_denied(err);
    }
    const struct named user = {.id = person->by_token->user_id};
    rc = auth_db_find_user(db, &user, &person->row, err);
    return rc == RC_NOT_FOUND ? auth_denied(err) : rc;
}

// The same work for unknown credentials.
static enum rc
check_appcred(struct db *db, const struct login *login, struct person *person, struct err *err)
{
    enum rc rc = appcred_db_for_login(db, login, &person->appcred, err);
    if (rc && rc != RC_NOT_FOUND) {
        return rc;
    }
    const char *hash = rc == RC_OK ? db_text(person->appcred, 0, "secret_hash") : NULL;
    if (!password_matches(login->appcred_secret, hash)) {
        return auth_denied(err);
    }
    int64_t expires_us = db_int(person->appcred, 0, "expires_us");
    if (expires_us && expires_us <= person->asked_at_us) {
        return auth_denied(err);
    }
    const struct named user = {.id = db_text(person->appcred, 0, "user_id")};
    rc = auth_db_find_user(db, &user, &person->row, err);
    return rc == RC_NOT_FOUND ? auth_denied(err) : rc;
}

enum rc
auth_check_account(const struct identity *identity, const db_result *row, struct err *err)
{
    int64_t days = identity->compliance.inactive_days;
    bool is_away = days && db_int(row, 0, "inactive_days") >= days;
    return db_bool(row, 0, "enabled") && db_bool(row, 0, "domain_enabled") && !is_away
               ? RC_OK
               : auth_denied(err);
}

// What a provider said before counts, unless one says something now.
static enum rc
join_receipt(struct person *person, struct err *err)
{
    struct receipt *receipt = person->receipt;
    if (strcmp(receipt->user_id, db_text(person->row, 0, "id"))) {
        return auth_denied(err);
    }
    if (!person->federated && !(person->by_token && person->by_token->provider_id[0])) {
        person->federated = g_steal_pointer(&receipt->federated);
    }
    return RC_OK;
}

static enum rc
find_person(const struct request *request, struct db *db, const struct login *login,
            struct person *person, struct err *err)
{
    const struct identity *identity = identity_of(request);
    enum rc rc = login->receipt ? receipt_read(identity, login->receipt, person, err) : RC_OK;
    rc = rc == RC_OK && login->has_password
             ? auth_check_password(identity, db, login, &person->row, err)
             : rc;
    rc = rc == RC_OK && login->has_token ? check_token(identity, db, login, person, err) : rc;
    rc = rc == RC_OK && login->has_appcred ? check_appcred(db, login, person, err) : rc;
    rc = rc == RC_OK && login->has_totp ? method_check_totp(identity, db, login, person, err) : rc;
    rc = rc == RC_OK && login->has_oauth1 ? method_check_oauth1(request, db, person, err) : rc;
    rc = rc == RC_OK && login->has_mapped ? method_check_mapped(request, db, login, person, err)
                                          : rc;
    if (rc == RC_OK && login->ec2_user_id) {
        const struct named user = {.id = login->ec2_user_id};
        rc = auth_db_find_user(db, &user, &person->row, err);
        rc = rc == RC_NOT_FOUND ? auth_denied(err) : rc;
    }
    rc = rc ? rc : auth_check_account(identity, person->row, err);
    if (rc == RC_OK && person->receipt) {
        rc = join_receipt(person, err);
    }
    if (rc == RC_OK && login->has_password && db_bool(person->row, 0, "is_password_expired")) {
        rc = fault_typed(err, RC_UNAUTHORIZED, "expired",
                         "The password is expired and needs to be changed for user: %s.",
                         db_text(person->row, 0, "id"));
    }
    bool seen = identity->compliance.inactive_days &&
                (login->has_password || login->has_appcred || login->has_mapped);
    return rc || !seen ? rc : auth_db_see_user(db, db_text(person->row, 0, "id"), err);
}

// ---- the token

static bool
has_method(const char *methods, const char *name, size_t len)
{
    while (*methods) {
        size_t n = strcspn(methods, ",");
        if (n == len && !memcmp(methods, name, n)) {
            return true;
        }
        methods += n + (methods[n] == ',');
    }
    return false;
}

// Of more, names divided by commas, those that are not there yet.
static void
add_methods(GString *methods, const char *more)
{
    while (more && *more) {
        size_t len = strcspn(more, ",");
        if (len && !has_method(methods->str, more, len)) {
            g_string_append(methods, methods->len ? "," : "");
            g_string_append_len(methods, more, (gssize)len);
        }
        more += len + (more[len] == ',');
    }
}

char *
auth_methods(const struct login *login, const struct person *person)
{
    const struct {
        bool was_used;
        const char *name;
    } used[] = {
        {login->has_password, "password"},
        {login->has_totp, "totp"},
        {person->appcred, APPCRED},
        {person->oauth1, "oauth1"},
        {login->ec2_user_id, "ec2credential"},
        {login->has_mapped, "mapped"},
    };
    GString *methods = g_string_new(NULL);
    for (size_t i = 0; i < N_ELEMENTS(used); i++) {
        add_methods(methods, used[i].was_used ? used[i].name : NULL);
    }
    add_methods(methods, person->receipt ? person->receipt->methods : NULL);
    if (person->by_token) {
        add_methods(methods, person->by_token->methods);
        add_methods(methods, "token");
    }
    return g_string_free(methods, FALSE);
}

// What all tokens made with it have in common: audit_id, expires_us (0: never). NULL: nothing.
static const db_result *
delegation_of(const struct person *person)
{
    return person->appcred ? person->appcred : person->trust ? person->trust : person->oauth1;
}

static void
fill_person(const struct identity *identity, const struct person *person,
            struct auth_context *token)
{
    token->user_id = db_text(person->row, 0, "id");
    token->user_name = db_text(person->row, 0, "name");
    token->user_domain_id = db_text(person->row, 0, "domain_id");
    token->user_domain_name = db_text(person->row, 0, "domain_name");
    token->password_expires_us = db_int(person->row, 0, "password_expires_us");
    token->issued_at_us = person->asked_at_us;
    token->expires_at_us = person->asked_at_us + identity->token_life_us;
    const db_result *delegation = delegation_of(person);
    int64_t ends_us = delegation ? db_int(delegation, 0, "expires_us") : 0;
    if (ends_us) {
        token->expires_at_us = MIN(token->expires_at_us, ends_us);
    }
    if (person->receipt && person->receipt->token_id) {
        token->expires_at_us = MIN(token->expires_at_us, person->receipt->token_ends_us);
        token->audit_parent_id = person->receipt->chain_id;
    }
    if (person->by_token) {
        auth_descend(person->by_token, token);
    }
    federation_fill(person, token);
}

enum rc
auth_reply(const struct request *request, const struct auth_context *context, const char *text,
           struct reply *reply, struct err *err)
{
    bool is_scoped = context->project_id[0] || context->domain_id[0] || context->is_system;
    bool has_appcred = context->appcred_id && context->appcred_id[0];
    g_autoptr(GRefString) catalog = NULL, providers = NULL;
    g_autofree char *appcred = NULL;
    struct db *db = NULL;
    enum rc rc = catalog_cache_providers(request, &providers, err);
    if (rc == RC_OK && is_scoped && !request_query(request, "nocatalog")) {
        rc = catalog_cache_text(request, context->project_id, &catalog, err);
    }
    if (rc == RC_OK && has_appcred) {
        rc = request_db(request, &db, err);
        rc = rc ? rc : appcred_db_in_token(db, context->audit_id, &appcred, err);
        rc = rc == RC_NOT_FOUND ? fault(err, rc, "Could not find token.") : rc; // just deleted
    }
    if (rc == RC_OK) {
        const struct token_parts parts = {catalog, appcred, providers};
        reply->text = token_text(context, &parts);
        if (text) {
            reply_header(reply, "X-Subject-Token", text);
        }
    }
    return rc;
}

static db_result *
row_if_any(db_result *rows)
{
    if (db_n_rows(rows) == 1) {
        return rows;
    }
    db_result_free(rows);
    return NULL;
}

// Of one with a token, auth_quick_begin has said when; what is to be known of it in a project is
// asked at once.
static enum rc
begin(struct db *db, const struct login *login, struct session *session, struct err *err)
{
    struct person *person = &session->person;
    if (!person->asked_at_us) {
        return auth_db_begin(db, &person->asked_at_us, err);
    }
    if (!session->is_quick || login->scope != SCOPE_PROJECT) {
        return RC_OK;
    }
    struct known known = {0};
    enum rc rc = auth_db_find_known(db, person->by_token->user_id, &login->target, &known, err);
    if (rc == RC_OK) {
        person->row = row_if_any(known.user);
        session->place.row = row_if_any(known.project);
    }
    return rc;
}

// A trust's count of uses, the end of a row of failures, and the signature.
static enum rc
sign(const struct identity *identity, struct db *db, const struct login *login,
     struct session *session, struct err *err)
{
    const struct person *person = &session->person;
    enum rc rc = person->trust ? trust_db_use(db, session->token.trust_id, err) : RC_OK;
    if (rc == RC_OK && db_int(person->row, 0, "n_failures") && !person->by_token &&
        !delegation_of(person)) {
        rc = auth_db_forget_failures(db, db_text(person->row, 0, "id"), err);
    }
    g_autofree char *claims = claims_text(&session->token);
    rc = rc ? rc : jws_sign(identity->keys, claims, &session->text, err);
    if (rc == RC_OK) {
        auth_quick_keep(identity, login, session, claims);
    }
    return rc;
}

// Who it is, and whether that is proven well enough; else a receipt.
static enum rc
prove(const struct request *request, struct db *db, const struct login *login,
      struct session *session, struct err *err)
{
    const struct identity *identity = identity_of(request);
    struct login kept = *login;
    kept.keeps_failures = true;
    enum rc rc = find_person(request, db, &kept, &session->person, err);
    if (rc) {
        return rc;
    }
    session->methods = auth_methods(login, &session->person);
    json_auto_t *options = db_json(session->person.row, 0, "options");
    if (login->ec2_user_id || mfa_is_enough(options, session->methods)) {
        return RC_OK;
    }
    fill_person(identity, &session->person, &session->token);
    return receipt_issue(identity, session, options, err);
}

enum rc
auth_open(const struct request *request, const struct login *login, struct session *session,
          struct err *err)
{
    struct identity *identity = identity_of(request);
    static const char *const no_roles[] = {NULL};
    struct person *person = &session->person;
    struct auth_context *token = &session->token;
    *token = (struct auth_context){.project_id = "",
                                   .domain_id = "",
                                   .audit_parent_id = "",
                                   .roles = no_roles,
                                   .role_ids = no_roles};
    struct db *db = NULL;
    enum rc rc = auth_quick_begin(identity, login, session, err);
    if (rc || session->held) {
        return rc ? rc : auth_quick_open(identity, login, session, err);
    }
    rc = request_db(request, &db, err);
    rc = rc ? rc : begin(db, login, session, err);
    rc = rc ? rc : prove(request, db, login, session, err);
    if (rc || session->receipt) {
        return rc;
    }
    rc = place_find(db, login, person, &session->place, token, err);
    if (rc) {
        return rc;
    }
    session->audit_id = id_text_new();
    fill_person(identity, person, token);
    token->methods = session->methods;
    const db_result *delegation = delegation_of(person);
    token->audit_id = delegation            ? db_text(delegation, 0, "audit_id")
                      : login->ec2_audit_id ? login->ec2_audit_id
                                            : session->audit_id;
    return sign(identity, db, login, session, err);
}

// What can be guessed is limited by network.
enum rc
auth_log_in(const struct request *request, const struct login *login, struct session *session,
            struct err *err)
{
    bool can_be_guessed =
        login->has_password || login->has_totp || login->has_appcred || login->has_mapped;
    enum rc rc = can_be_guessed ? admit_login(request, err) : RC_OK;
    rc = rc ? rc : auth_open(request, login, session, err);
    if (rc == RC_UNAUTHORIZED && can_be_guessed) {
        admit_login_failed(request);
    }
    return rc;
}

void
session_done(struct session *session)
{
    place_done(&session->place);
    person_done(&session->person);
    auth_context_unref(session->held);
    g_free(session->methods);
    g_free(session->audit_id);
    g_free(session->text);
    g_free(session->receipt);
    json_decref(session->receipt_body);
}

enum rc
auth_reply_session(const struct request *request, struct session *session, struct reply *reply,
                   struct err *err)
{
    if (session->text) {
        return auth_reply(request, &session->token, session->text, reply, err);
    }
    reply->status = 401;
    reply->json = g_steal_pointer(&session->receipt_body);
    reply_header(reply, "Openstack-Auth-Receipt", session->receipt);
    return RC_OK;
}

static enum rc
create_token(struct request *request, struct reply *reply, struct err *err)
{
    struct login login;
    enum rc rc = login_parse(request_json(request), &login, err);
    if (rc) {
        return rc;
    }
    login.receipt = request_header(request, "Openstack-Auth-Receipt");
    struct session session = {0};
    rc = auth_log_in(request, &login, &session, err);
    rc = rc ? rc : auth_reply_session(request, &session, reply, err);
    session_done(&session);
    return rc;
}

// ---- others' tokens

// As in Keystone, a service may ask about work that took longer than its token (allow_expired).
static enum rc
verify_subject(const struct request *request, const char *text, struct auth_context **ret_subject,
               struct err *err)
{
    const struct identity *identity = identity_of(request);
    const char *is_late = request_query(request, "allow_expired");
    bool value = false;
    return is_late && parse_bool(is_late, &value) && value
               ? authenticator_verify_late(identity->auth, text, identity->expired_window_us,
                                           ret_subject, err)
               : authenticator_verify(identity->auth, text, ret_subject, err);
}

static enum rc
find_subject(const struct request *request, const char *rule, struct auth_context **ret_subject,
             struct err *err)
{
    const char *text = request_header(request, "X-Subject-Token");
    struct auth_context *subject = NULL;
    enum rc rc = text ? verify_subject(request, text, &subject, err) : RC_UNAUTHORIZED;
    if (rc == RC_UNAUTHORIZED) {
        return text ? fault(err, RC_NOT_FOUND, "Could not find token.")
                    : fault(err, RC_NOT_FOUND,
                            "Could not find token: header X-Subject-Token is missing.");
    }
    if (rc) {
        return rc;
    }
    json_auto_t *target =
        json_pack("{s:{s:{s:s}}}", "target", "token", "user_id", subject->user_id);
    rc = request_allow(request, rule, target, err);
    if (rc) {
        auth_context_unref(subject);
        return rc;
    }
    *ret_subject = subject;
    return RC_OK;
}

// As in Keystone: who does not say that it knows access rules is not told of a token that has some.
static enum rc
check_asker_knows_rules(const struct request *request, const struct auth_context *subject,
                        struct err *err)
{
    const char *version = request_header(request, "OpenStack-Identity-Access-Rules");
    return subject->n_access_rules && !(version && g_ascii_strtod(version, NULL) >= 1)
               ? fault(err, RC_NOT_FOUND, "Could not find token.")
               : RC_OK;
}

static enum rc
show_token(struct request *request, struct reply *reply, struct err *err)
{
    struct auth_context *subject = NULL;
    bool is_head = !strcmp(request_method(request), "HEAD");
    enum rc rc = find_subject(request, is_head ? "identity:check_token" : "identity:validate_token",
                              &subject, err);
    rc = rc ? rc : check_asker_knows_rules(request, subject, err);
    rc = rc ? rc
            : auth_reply(request, subject, request_header(request, "X-Subject-Token"), reply, err);
    auth_context_unref(subject);
    return rc;
}

static enum rc
revoke_tx(struct db *db, void *subject, struct err *err)
{
    const struct revocation revocation = {.audit_id =
                                              ((const struct auth_context *)subject)->audit_id};
    return feed_revoke(db, &revocation, err);
}

static enum rc
delete_token(struct request *request, struct reply *reply, struct err *err)
{
    struct auth_context *subject = NULL;
    struct db *db = NULL;
    enum rc rc = find_subject(request, "identity:revoke_token", &subject, err);
    rc = rc ? rc : request_db(request, &db, err);
    rc = rc ? rc : db_tx(db, revoke_tx, subject, err);
    rc = rc ? rc : feed_catch_up(identity_of(request), err);
    auth_context_unref(subject);
    return rc;
}

const struct route auth_routes[] = {
    {.method = "POST",
     .path = "/v3/auth/tokens",
     .handle = create_token,
     .flags = ROUTE_PUBLIC | ROUTE_SLOW,
     .is_quick = login_is_quick,
     .status = 201,
     .summary = "issue a token"},
    {.method = "GET",
     .path = "/v3/auth/tokens",
     .handle = show_token,
     .flags = ROUTE_ANY_TOKEN,
     .status = 200,
     .summary = "validate a token"},
    {.method = "DELETE",
     .path = "/v3/auth/tokens",
     .handle = delete_token,
     .status = 204,
     .summary = "revoke a token"},
    {0},
};
