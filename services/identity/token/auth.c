// SPDX-License-Identifier: Apache-2.0
// POST /v3/auth/tokens: proven, placed and signed. Everything that fails to prove who or where one
// is, is the same 401.
#include "services/identity/token/auth.h"
#include "common/base/util.h"
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
    enum rc rc = person_find(request, db, &kept, &session->person, err);
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

const struct route auth_routes[] = {
    {.method = "POST",
     .path = "/v3/auth/tokens",
     .handle = create_token,
     .flags = ROUTE_PUBLIC | ROUTE_SLOW,
     .is_quick = login_is_quick,
     .status = 201,
     .summary = "issue a token"},
    {0},
};
