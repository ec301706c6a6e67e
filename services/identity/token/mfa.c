// SPDX-License-Identifier: Apache-2.0
#include "services/identity/token/mfa.h"
#include "common/base/util.h"
#include "common/json/write.h"
#include "services/identity/federation/sign_in.h"
#include <string.h>

#define RULES_MAX 16
#define RULES "multi_factor_auth_rules"
#define ENABLED "multi_factor_auth_enabled"

static enum rc
check_rule(json_t *rule, struct err *err)
{
    bool ok =
        json_is_array(rule) && json_array_size(rule) > 0 && json_array_size(rule) <= RULES_MAX;
    for (size_t i = 0; ok && i < json_array_size(rule); i++) {
        const char *method = json_string_value(json_array_get(rule, i));
        ok = method && strlen(method) <= 64;
        for (size_t j = 0; ok && j < i; j++) {
            ok = strcmp(method, json_string_value(json_array_get(rule, j))) != 0;
        }
    }
    return ok ? RC_OK
              : fault(err, RC_INVALID,
                      "invalid input for field '" RULES
                      "': a rule is a list of 1 to %d different methods",
                      RULES_MAX);
}

enum rc
mfa_check_options(json_t *options, struct err *err)
{
    json_t *enabled = json_object_get(options, ENABLED), *rules = json_object_get(options, RULES);
    if (enabled && !json_is_boolean(enabled) && !json_is_null(enabled)) {
        return fault(err, RC_INVALID, "invalid input for field '" ENABLED "': it is not a boolean");
    }
    if (rules && !json_is_null(rules) &&
        (!json_is_array(rules) || json_array_size(rules) > RULES_MAX)) {
        return fault(err, RC_INVALID,
                     "invalid input for field '" RULES "': it is not a list of at most %d rules",
                     RULES_MAX);
    }
    enum rc rc = RC_OK;
    for (size_t i = 0; rc == RC_OK && i < json_array_size(rules); i++) {
        rc = check_rule(json_array_get(rules, i), err);
    }
    return rc;
}

static bool
is_met(json_t *rule, const char *const *methods)
{
    for (size_t i = 0; i < json_array_size(rule); i++) {
        const char *method = json_string_value(json_array_get(rule, i));
        if (method && auth_method_is_known(method) && !g_strv_contains(methods, method)) {
            return false;
        }
    }
    return true;
}

bool
mfa_is_enough(json_t *options, const char *methods)
{
    json_t *rules = json_object_get(options, RULES);
    if (json_array_size(rules) == 0 || json_is_false(json_object_get(options, ENABLED))) {
        return true;
    }
    g_auto(GStrv) used = g_strsplit(methods, ",", 16);
    bool found = false;
    for (size_t i = 0; i < json_array_size(rules) && !found; i++) {
        found = is_met(json_array_get(rules, i), (const char *const *)used);
    }
    return found;
}

// ---- receipts: claims "rcpt" (methods), sub, udom, iat_us, exp_us; of a federated sign-in fed, as
// tokens; by a token tok_id and aud_parent (audit ids) and tok_exp_us, which the next token has to
// keep to. Without aud_id they are no token.

static json_t *
body_of(const struct session *session, json_t *options, int64_t ends_us)
{
    const struct auth_context *token = &session->token;
    char issued_at[32], expires_at[32];
    iso8601_format(token->issued_at_us, true, issued_at);
    iso8601_format(ends_us, true, expires_at);
    json_t *methods = json_array();
    g_auto(GStrv) used = g_strsplit(session->methods, ",", 16);
    for (char **method = used; *method; method++) {
        json_array_append_new(methods, json_string(*method));
    }
    return json_pack("{s:{s:o, s:{s:s, s:s, s:{s:s, s:s}}, s:s, s:s}, s:O}", "receipt", "methods",
                     methods, "user", "id", token->user_id, "name", token->user_name, "domain",
                     "id", token->user_domain_id, "name", token->user_domain_name, "expires_at",
                     expires_at, "issued_at", issued_at, "required_auth_methods",
                     json_object_get(options, RULES));
}

// The token that was used now, else the one that a receipt was got with.
static void
write_token(GString *claims, const struct session *session)
{
    const struct auth_context *by_token = session->person.by_token;
    const struct receipt *receipt = session->person.receipt;
    const char *id = by_token ? by_token->audit_id : receipt ? receipt->token_id : NULL;
    if (id) {
        json_write_member(claims, "tok_id", id);
        json_write_member(claims, "aud_parent", session->token.audit_parent_id);
        json_write_member_int(claims, "tok_exp_us", session->token.expires_at_us);
    }
}

enum rc
receipt_issue(const struct identity *identity, struct session *session, json_t *options,
              struct err *err)
{
    const struct auth_context *token = &session->token;
    int64_t ends_us = token->issued_at_us + identity->receipt_life_us;
    g_autoptr(GString) claims = g_string_new(NULL);
    json_write_open(claims, '{');
    json_write_member(claims, "rcpt", session->methods);
    json_write_member(claims, "sub", token->user_id);
    json_write_member(claims, "udom", token->user_domain_id);
    json_write_member_int(claims, "iat_us", token->issued_at_us);
    json_write_member_int(claims, "exp_us", ends_us);
    auth_write_federation(claims, token);
    write_token(claims, session);
    json_write_close(claims, '}');
    enum rc rc = jws_sign(identity->keys, claims->str, &session->receipt, err);
    if (rc == RC_OK) {
        session->receipt_body = body_of(session, options, ends_us);
    }
    return rc;
}

static bool
is_revoked(const struct identity *identity, json_t *claims)
{
    json_t *federation = json_object_get(claims, "fed");
    const char *token_id = json_string_value(json_object_get(claims, "tok_id"));
    const struct auth_context context = {
        .provider_id = json_string_value(json_array_get(federation, 0)),
        .protocol_id = json_string_value(json_array_get(federation, 1)),
        .user_id = json_string_value(json_object_get(claims, "sub")),
        .user_domain_id = json_string_value(json_object_get(claims, "udom")),
        .project_id = "",
        .project_domain_id = "",
        .domain_id = "",
        .audit_id = token_id ? token_id : "",
        .issued_at_us = json_integer_value(json_object_get(claims, "iat_us")),
    };
    return authenticator_is_revoked(identity->auth, &context);
}

enum rc
receipt_read(const struct identity *identity, const char *text, struct person *person,
             struct err *err)
{
    json_auto_t *claims = NULL;
    enum rc rc = jws_verify(identity->keys, text, &claims, err);
    const char *methods = json_string_value(json_object_get(claims, "rcpt")),
               *user_id = json_string_value(json_object_get(claims, "sub"));
    bool ok = rc == RC_OK && methods && user_id &&
              json_is_string(json_object_get(claims, "udom")) &&
              json_integer_value(json_object_get(claims, "exp_us")) > now_us() &&
              !is_revoked(identity, claims);
    if (!ok) {
        return rc && rc != RC_UNAUTHORIZED
                   ? rc
                   : fault_typed(err, RC_UNAUTHORIZED, "receipt", "Could not find auth receipt.");
    }
    person->receipt = g_new(struct receipt, 1);
    *person->receipt = (struct receipt){
        .methods = g_strdup(methods),
        .user_id = g_strdup(user_id),
        .federated = federated_from_claim(json_object_get(claims, "fed")),
        .token_id = g_strdup(json_string_value(json_object_get(claims, "tok_id"))),
        .chain_id = g_strdup(json_string_value(json_object_get(claims, "aud_parent"))),
        .token_ends_us = json_integer_value(json_object_get(claims, "tok_exp_us")),
    };
    return RC_OK;
}

void
receipt_free(struct receipt *receipt)
{
    if (receipt) {
        g_free(receipt->methods);
        g_free(receipt->user_id);
        federated_free(receipt->federated);
        g_free(receipt->token_id);
        g_free(receipt->chain_id);
        g_free(receipt);
    }
}
