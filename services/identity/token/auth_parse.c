// SPDX-License-Identifier: Apache-2.0
// The body of POST /v3/auth/tokens. Pure. What is wrong is named by its path.
#include "common/base/util.h"
#include "services/identity/token/auth.h"
#include <string.h>

static enum rc
bad(struct err *err, const char *path, const char *what)
{
    return fault(err, RC_INVALID, "invalid input for field '%s': %s", path, what);
}

static enum rc
object_at(json_t *parent, const char *name, bool required, json_t **ret_object, struct err *err)
{
    json_t *value = json_object_get(parent, name);
    if (value && !json_is_object(value)) {
        return bad(err, name, "it is not an object");
    }
    if (!value && required) {
        return bad(err, name, "it is missing");
    }
    *ret_object = value;
    return RC_OK;
}

static enum rc
text_at(json_t *parent, const char *name, const char **ret_text, struct err *err)
{
    json_t *value = json_object_get(parent, name);
    if (!value || json_is_null(value)) {
        return RC_OK;
    }
    if (!json_is_string(value) || strlen(json_string_value(value)) != json_string_length(value) ||
        json_string_length(value) > 16384) {
        return bad(err, name, "it is not a text");
    }
    *ret_text = json_string_value(value);
    return RC_OK;
}

// {"id"} or {"name", "domain": {"id"} or {"name"}}; a domain itself has no domain.
static enum rc
parse_named(json_t *object, const char *what, bool in_domain, struct named *ret_named,
            struct err *err)
{
    struct named named = {0};
    json_t *domain = NULL;
    enum rc rc = text_at(object, "id", &named.id, err);
    rc = rc ? rc : text_at(object, "name", &named.name, err);
    rc = rc ? rc : object_at(object, "domain", false, &domain, err);
    rc = rc || !domain ? rc : text_at(domain, "id", &named.domain_id, err);
    rc = rc || !domain ? rc : text_at(domain, "name", &named.domain_name, err);
    if (rc) {
        return rc;
    }
    if (!named.id && !named.name) {
        return bad(err, what, "it has neither id nor name");
    }
    if (!named.id && in_domain && !named.domain_id && !named.domain_name) {
        return bad(err, what, "a name needs its domain");
    }
    *ret_named = named;
    return RC_OK;
}

static enum rc
parse_password(json_t *identity, struct login *login, struct err *err)
{
    json_t *password = NULL, *user = NULL;
    enum rc rc = object_at(identity, "password", true, &password, err);
    rc = rc ? rc : object_at(password, "user", true, &user, err);
    rc = rc ? rc : parse_named(user, "user", true, &login->user, err);
    rc = rc ? rc : text_at(user, "password", &login->password, err);
    if (rc == RC_OK && !login->password) {
        rc = bad(err, "password", "it is missing");
    }
    login->has_password = true;
    return rc;
}

static enum rc
parse_token(json_t *identity, struct login *login, struct err *err)
{
    json_t *token = NULL;
    enum rc rc = object_at(identity, "token", true, &token, err);
    rc = rc ? rc : text_at(token, "id", &login->token, err);
    if (rc == RC_OK && !login->token) {
        rc = bad(err, "token.id", "it is missing");
    }
    login->has_token = true;
    return rc;
}

static enum rc
parse_appcred(json_t *identity, struct login *login, struct err *err)
{
    json_t *object = NULL, *user = NULL;
    enum rc rc = object_at(identity, "application_credential", true, &object, err);
    rc = rc ? rc : text_at(object, "id", &login->appcred_id, err);
    rc = rc ? rc : text_at(object, "name", &login->appcred_name, err);
    rc = rc ? rc : text_at(object, "secret", &login->appcred_secret, err);
    if (rc == RC_OK && !login->appcred_secret) {
        rc = bad(err, "secret", "it is missing");
    }
    if (rc == RC_OK && !login->appcred_id) {
        rc = object_at(object, "user", true, &user, err);
        rc = rc ? rc : parse_named(user, "user", true, &login->user, err);
        rc = rc || login->appcred_name
                 ? rc
                 : bad(err, "application_credential", "it has neither id nor name");
    }
    login->has_appcred = true;
    return rc;
}

static enum rc
parse_totp(json_t *identity, struct login *login, struct err *err)
{
    json_t *totp = NULL, *user = NULL;
    enum rc rc = object_at(identity, "totp", true, &totp, err);
    rc = rc ? rc : object_at(totp, "user", true, &user, err);
    rc = rc ? rc : parse_named(user, "user", true, &login->totp_user, err);
    rc = rc ? rc : text_at(user, "passcode", &login->passcode, err);
    if (rc == RC_OK && !login->passcode) {
        rc = bad(err, "passcode", "it is missing");
    }
    login->has_totp = true;
    return rc;
}

// The proof is in the Authorization header.
static enum rc
parse_oauth1(json_t *identity, struct login *login, struct err *err)
{
    login->has_oauth1 = true;
    return RC_OK;
}

// By an identity provider, whose word is in headers; or, as Keystone once had it, by a token.
static enum rc
parse_mapped(json_t *identity, struct login *login, struct err *err)
{
    json_t *mapped = NULL;
    enum rc rc = object_at(identity, "mapped", true, &mapped, err);
    rc = rc ? rc : text_at(mapped, "id", &login->token, err);
    rc = rc ? rc : text_at(mapped, "identity_provider", &login->provider_id, err);
    rc = rc ? rc : text_at(mapped, "protocol", &login->protocol_id, err);
    login->has_token |= login->token != NULL;
    login->has_mapped = !login->token;
    if (rc == RC_OK && login->has_mapped && (!login->provider_id || !login->protocol_id)) {
        rc = bad(err, login->provider_id ? "mapped.protocol" : "mapped.identity_provider",
                 "it is missing");
    }
    return rc;
}

static const struct {
    const char *name;
    enum rc (*parse)(json_t *identity, struct login *login, struct err *err);
} methods_known[] = {
    {"password", parse_password},
    {"token", parse_token},
    {"application_credential", parse_appcred},
    {"totp", parse_totp},
    {"oauth1", parse_oauth1},
    {"mapped", parse_mapped},
};

bool
auth_method_is_known(const char *name)
{
    bool found = false;
    for (size_t i = 0; i < N_ELEMENTS(methods_known) && !found; i++) {
        found = !strcmp(name, methods_known[i].name);
    }
    return found;
}

static enum rc
parse_method(const char *name, json_t *identity, struct login *login, struct err *err)
{
    for (size_t i = 0; i < N_ELEMENTS(methods_known); i++) {
        if (!strcmp(name, methods_known[i].name)) {
            return methods_known[i].parse(identity, login, err);
        }
    }
    return fault_typed(err, RC_UNAUTHORIZED, "method",
                       "Attempted to authenticate with an unsupported method: %.40s.", name);
}

static enum rc
parse_methods(json_t *identity, struct login *login, struct err *err)
{
    json_t *methods = json_object_get(identity, "methods");
    if (!json_is_array(methods) || json_array_size(methods) == 0 || json_array_size(methods) > 8) {
        return bad(err, "methods", "it is not a list of authentication methods");
    }
    for (size_t i = 0; i < json_array_size(methods); i++) {
        const char *method = json_string_value(json_array_get(methods, i));
        enum rc rc = method ? parse_method(method, identity, login, err)
                            : bad(err, "methods", "it holds something that is not a text");
        if (rc) {
            return rc;
        }
    }
    return RC_OK;
}

static enum rc
parse_scope(json_t *scope, struct login *login, struct err *err)
{
    json_t *project = NULL, *domain = NULL, *system = NULL, *trust = NULL;
    enum rc rc = object_at(scope, "project", false, &project, err);
    rc = rc ? rc : object_at(scope, "domain", false, &domain, err);
    rc = rc ? rc : object_at(scope, "system", false, &system, err);
    rc = rc ? rc : object_at(scope, "OS-TRUST:trust", false, &trust, err);
    if (rc) {
        return rc;
    }
    int n_scopes = !!project + !!domain + !!system + !!trust + !!json_object_get(scope, "unscoped");
    if (n_scopes != 1) {
        return bad(
            err, "scope",
            "it must be exactly one of project, domain, system, OS-TRUST:trust and unscoped");
    }
    if (trust) {
        login->scope = SCOPE_TRUST;
        rc = text_at(trust, "id", &login->target.id, err);
        return rc || login->target.id ? rc : bad(err, "OS-TRUST:trust.id", "it is missing");
    }
    if (project) {
        login->scope = SCOPE_PROJECT;
        return parse_named(project, "project", true, &login->target, err);
    }
    if (domain) {
        login->scope = SCOPE_DOMAIN;
        return parse_named(domain, "domain", false, &login->target, err);
    }
    login->scope = system ? SCOPE_SYSTEM : SCOPE_UNSCOPED;
    return !system || json_is_true(json_object_get(system, "all"))
               ? RC_OK
               : bad(err, "system", "its member all must be true");
}

enum rc
login_parse(json_t *root, struct login *ret_login, struct err *err)
{
    struct login login = {.scope = SCOPE_DEFAULT};
    json_t *auth = NULL, *identity = NULL,
           *scope = json_object_get(json_object_get(root, "auth"), "scope");
    enum rc rc = object_at(root, "auth", true, &auth, err);
    rc = rc ? rc : object_at(auth, "identity", true, &identity, err);
    rc = rc ? rc : parse_methods(identity, &login, err);
    if (rc == RC_OK && json_is_string(scope) && !strcmp(json_string_value(scope), "unscoped")) {
        login.scope = SCOPE_UNSCOPED;
    } else if (rc == RC_OK && scope && !json_is_null(scope)) {
        rc = json_is_object(scope) ? parse_scope(scope, &login, err)
                                   : bad(err, "scope", "it is not an object");
    }
    bool is_joined = login.has_password || login.has_token || login.has_totp;
    if (rc == RC_OK && login.has_oauth1 && (is_joined || login.has_appcred)) {
        rc = bad(err, "oauth1", "it stands alone");
    }
    if (rc == RC_OK && login.has_mapped && (is_joined || login.has_appcred || login.has_oauth1)) {
        rc = bad(err, "mapped", "it stands alone");
    }
    if (rc == RC_OK && login.has_appcred && (is_joined || login.scope != SCOPE_DEFAULT)) {
        rc = bad(err, "application_credential",
                 "it stands alone, without scope: its project is the scope");
    }
    if (rc == RC_OK) {
        *ret_login = login;
    }
    return rc;
}

bool
login_is_quick(const struct request *request)
{
    json_t *auth = json_object_get(request_json(request), "auth");
    json_t *methods = json_object_get(json_object_get(auth, "identity"), "methods");
    const char *only = json_string_value(json_array_get(methods, 0));
    return json_array_size(methods) == 1 && only && !strcmp(only, "token");
}
