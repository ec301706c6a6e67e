// SPDX-License-Identifier: Apache-2.0
#include "services/identity/federation/sign_in.h"
#include "common/auth/revocation.h"
#include "common/base/util.h"
#include "common/log/log.h"
#include "services/identity/federation/assertion.h"
#include "services/identity/federation/federation.h"
#include "services/identity/federation/issuer.h"
#include "services/identity/federation/mapping.h"
#include "services/identity/federation/sign_in_db.h"
#include <string.h>

#define EXPIRED_AT_ONCE 500

struct federation {
    struct issuers *issuers;
    char **audiences, **proxies; // NULL-terminated
    char *ca_file, *prefix, *remote_id_attribute;
    int64_t leeway_s, default_ttl;
};

// Items without blanks and empty ones; the caller frees.
static char **
list_of(const char *text)
{
    g_auto(GStrv) parts = g_strsplit(text, ",", -1);
    GPtrArray *items = g_ptr_array_new();
    for (char **part = parts; *part; part++) {
        if (*g_strstrip(*part)) {
            g_ptr_array_add(items, g_strdup(*part));
        }
    }
    g_ptr_array_add(items, NULL);
    return (char **)g_ptr_array_free(items, FALSE);
}

struct federation *
federation_new(const struct conf *conf)
{
    static const char group[] = "federation";
    struct federation *federation = g_new0(struct federation, 1);
    const char *ca_file = conf_text(conf, group, "ca_file");
    const struct issuer_rules rules = {.may_http = conf_bool(conf, group, "may_http"),
                                       .ca_file = ca_file[0] ? ca_file : NULL,
                                       .keep_ms = conf_int(conf, group, "key_life") * 1000,
                                       .again_ms = conf_int(conf, group, "key_refetch") * 1000};
    federation->issuers = issuers_new(&rules);
    federation->audiences = list_of(conf_text(conf, group, "audiences"));
    federation->proxies = list_of(conf_text(conf, group, "trusted_proxies"));
    federation->prefix = g_strdup(conf_text(conf, group, "assertion_prefix"));
    federation->remote_id_attribute = g_strdup(conf_text(conf, group, "remote_id_attribute"));
    federation->leeway_s = conf_int(conf, group, "leeway");
    federation->default_ttl = conf_int(conf, group, "default_authorization_ttl");
    return federation;
}

void
federation_expire(void *identity)
{
    static struct log_limit limit;
    struct db *db = NULL;
    struct err err = {0};
    enum rc rc = db_get(((struct identity *)identity)->db, &db, &err);
    rc = rc ? rc : sign_in_db_expire(db, EXPIRED_AT_ONCE, &err);
    if (rc && log_limit_allows(&limit, 1)) {
        log_warn("cannot end memberships of federated users", kv("reason", err.message));
    }
}

void
federated_free(struct federated *federated)
{
    if (federated) {
        g_free(federated->provider_id);
        g_free(federated->protocol_id);
        g_strfreev(federated->group_ids);
        g_free(federated);
    }
}

static void
take_groups(struct federated *federated, json_t *ids)
{
    size_t n = json_array_size(ids);
    federated->group_ids = g_new0(char *, n + 1);
    for (size_t i = 0; i < n; i++) {
        federated->group_ids[i] = g_strdup(json_string_value(json_array_get(ids, i)));
    }
}

struct federated *
federated_from_claim(json_t *claim)
{
    const char *provider_id = json_string_value(json_array_get(claim, 0)),
               *protocol_id = json_string_value(json_array_get(claim, 1));
    json_t *groups = json_array_get(claim, 2);
    if (!provider_id || !protocol_id) {
        return NULL;
    }
    struct federated *federated = g_new0(struct federated, 1);
    federated->provider_id = g_strdup(provider_id);
    federated->protocol_id = g_strdup(protocol_id);
    if (json_is_array(groups)) {
        take_groups(federated, groups);
    }
    return federated;
}

// ---- the assertion

static bool
has(json_t *texts, const char *wanted)
{
    for (size_t i = 0; i < json_array_size(texts); i++) {
        if (!strcmp(json_string_value(json_array_get(texts, i)), wanted)) {
            return true;
        }
    }
    return false;
}

// Nobody but an issuer that an administrator gave the provider is asked for keys.
static enum rc
by_jwt(const struct federation *federation, const char *text, json_t *remote_ids,
       json_t **ret_assertion, struct err *err)
{
    struct jwt jwt = {0};
    struct jwk_set *keys = NULL;
    const struct jwt_rules rules = {.audiences = (const char *const *)federation->audiences,
                                    .now_s = now_us() / 1000000,
                                    .leeway_s = federation->leeway_s};
    if (!federation->audiences[0]) {
        return fault(err, RC_UNAUTHORIZED, "setting federation.audiences is empty");
    }
    enum rc rc = jwt_read(text, &jwt, err);
    if (rc == RC_OK && (!jwt.issuer || !has(remote_ids, jwt.issuer))) {
        rc = fault(err, RC_UNAUTHORIZED, "the issuer is none of the provider's remote_ids");
    }
    rc = rc ? rc : issuers_keys(federation->issuers, jwt.issuer, jwt.kid, &keys, err);
    rc = rc ? rc : jwt_verify(&jwt, keys, &rules, err);
    rc = rc ? rc : assertion_from_claims(jwt.claims, ret_assertion, err);
    jwk_set_unref(keys);
    jwt_done(&jwt);
    return rc;
}

struct headers {
    const char *prefix;
    json_t *assertion;
    enum rc rc;
    struct err *err;
};

static void
take_header(void *context, const char *name, const char *value)
{
    struct headers *headers = context;
    if (headers->rc == RC_OK && assertion_has_prefix(name, headers->prefix)) {
        const struct assertion_header header = {headers->prefix, name, value};
        headers->rc = assertion_add_header(headers->assertion, &header, headers->err);
    }
}

enum rc
federation_assertion(const struct request *request, json_t **ret_assertion, struct err *err)
{
    const struct federation *federation = identity_of(request)->federation;
    char peer[64];
    request_peer_address(request, peer);
    *ret_assertion = NULL;
    if (!federation->prefix[0] ||
        !g_strv_contains((const char *const *)federation->proxies, peer)) {
        return RC_OK;
    }
    struct headers headers = {federation->prefix, json_object(), RC_OK, err};
    request_each_header(request, take_header, &headers);
    if (headers.rc == RC_OK && json_object_size(headers.assertion)) {
        *ret_assertion = json_incref(headers.assertion);
    }
    json_decref(headers.assertion);
    return headers.rc;
}

const char *
federation_remote_id_attribute(const struct request *request)
{
    return identity_of(request)->federation->remote_id_attribute;
}

// One proxy may stand before several providers: the assertion says whose it is.
static enum rc
check_remote_id(const struct federation *federation, const db_result *row, json_t *assertion,
                json_t *remote_ids, struct err *err)
{
    const char *own = db_text(row, 0, "remote_id_attribute"),
               *name = own && own[0] ? own : federation->remote_id_attribute;
    json_t *values = json_object_get(assertion, name);
    return json_array_size(values) == 1 &&
                   has(remote_ids, json_string_value(json_array_get(values, 0)))
               ? RC_OK
               : fault(err, RC_UNAUTHORIZED,
                       "the assertion's remote_id_attribute is none of the provider's remote_ids");
}

static enum rc
find_assertion(const struct request *request, const db_result *row, json_t **ret_assertion,
               struct err *err)
{
    const struct federation *federation = identity_of(request)->federation;
    json_auto_t *remote_ids = db_json(row, 0, "remote_ids"), *assertion = NULL;
    const char *header = request_header(request, "Authorization");
    enum rc rc = federation_assertion(request, &assertion, err);
    if (rc == RC_OK && assertion) {
        rc = check_remote_id(federation, row, assertion, remote_ids, err);
    } else if (rc == RC_OK && header && !g_ascii_strncasecmp(header, "Bearer ", 7)) {
        rc = by_jwt(federation, header + 7 + strspn(header + 7, " "), remote_ids, &assertion, err);
    } else if (rc == RC_OK) {
        rc = fault(err, RC_UNAUTHORIZED, "the request has neither a token nor an assertion");
    }
    if (rc == RC_OK) {
        *ret_assertion = json_incref(assertion);
    }
    return rc;
}

// ---- who that is here

struct arrival {
    struct shadow shadow;
    char *user_id; // of shadow_tx
    json_t *group_ids;
};

static enum rc
shadow_tx(struct db *db, void *argument, struct err *err)
{
    struct arrival *arrival = argument;
    g_clear_pointer(&arrival->user_id, g_free);
    json_decref(arrival->group_ids);
    arrival->group_ids = NULL;
    return sign_in_db_shadow(db, &arrival->shadow, &arrival->user_id, &arrival->group_ids, err);
}

static const char *
text_of(json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text && text[0] ? text : NULL;
}

static enum rc
find_local(struct db *db, json_t *user, struct person *person, struct err *err)
{
    json_t *domain = json_object_get(user, "domain");
    const struct named named = {.id = text_of(user, "id"),
                                .name = text_of(user, "name"),
                                .domain_id = text_of(domain, "id"),
                                .domain_name = text_of(domain, "name")};
    bool is_named = named.id || (named.name && (named.domain_id || named.domain_name));
    enum rc rc = is_named ? auth_db_find_user(db, &named, &person->row, err) : RC_NOT_FOUND;
    return rc == RC_NOT_FOUND
               ? fault(err, RC_UNAUTHORIZED, "the mapping names a local user who is not there")
               : rc;
}

// Stable for one provider's domain, protocol and name for somebody; the caller frees.
static char *
derive_id(const struct shadow *shadow)
{
    g_autofree char *all = g_strjoin("\n", shadow->home_id, shadow->provider_id,
                                     shadow->protocol_id, shadow->unique_id, NULL);
    return sha256_hex(all, strlen(all));
}

static enum rc
find_shadow(struct db *db, struct arrival *arrival, struct person *person, struct err *err)
{
    g_autofree char *derived = derive_id(&arrival->shadow);
    arrival->shadow.derived_id = derived;
    enum rc rc = db_tx(db, shadow_tx, arrival, err);
    if (rc == RC_CONFLICT) { // somebody else took the name meanwhile: there is another one now
        rc = db_tx(db, shadow_tx, arrival, err);
    }
    if (rc) {
        return rc;
    }
    take_groups(person->federated, arrival->group_ids);
    const struct named named = {.id = arrival->user_id};
    return auth_db_find_user(db, &named, &person->row, err);
}

static enum rc
find_ephemeral(const struct identity *identity, struct db *db, const db_result *row, json_t *mapped,
               struct person *person, struct err *err)
{
    json_t *user = json_object_get(mapped, "user"), *domain = json_object_get(user, "domain");
    const char *id = text_of(user, "id"), *name = text_of(user, "name"), *given = id ? id : name;
    g_autofree char *unique_id = given ? g_uri_escape_string(given, "/", FALSE) : NULL;
    bool is_placed = domain && !strcmp(db_text(row, 0, "schema_version"), "2.0");
    struct arrival arrival = {
        .shadow = {.provider_id = person->federated->provider_id,
                   .protocol_id = person->federated->protocol_id,
                   .unique_id = unique_id,
                   .name = name ? name : id,
                   .email = text_of(user, "email"),
                   .home_id = db_text(row, 0, "domain_id"),
                   .domain_id = is_placed ? text_of(domain, "id") : db_text(row, 0, "domain_id"),
                   .domain_name = is_placed ? text_of(domain, "name") : NULL,
                   .groups = json_object_get(mapped, "groups"),
                   .projects = json_object_get(mapped, "projects"),
                   .ttl_min = db_int(row, 0, "ttl"),
                   .token_s = TOKEN_LIFE_MAX_S + identity->receipt_life_us / 1000000 + 60}};
    bool fits = unique_id && strlen(unique_id) <= UNIQUE_ID_MAX &&
                g_utf8_strlen(arrival.shadow.name, -1) <= 255;
    enum rc rc = fits ? find_shadow(db, &arrival, person, err)
                      : fault(err, RC_UNAUTHORIZED,
                              "the mapping gives no user, or one whose id or name is too long");
    g_free(arrival.user_id);
    json_decref(arrival.group_ids);
    return rc;
}

static enum rc
find_person(const struct request *request, struct db *db, const db_result *row,
            struct person *person, struct err *err)
{
    json_auto_t *assertion = NULL, *mapped = NULL, *rules = db_json(row, 0, "rules");
    bool names_domains = !strcmp(db_text(row, 0, "schema_version"), "2.0");
    enum rc rc = db_bool(row, 0, "enabled") && db_bool(row, 0, "domain_enabled")
                     ? find_assertion(request, row, &assertion, err)
                     : fault(err, RC_UNAUTHORIZED, "the provider or its domain is disabled");
    rc = rc ? rc : mapping_apply(rules, names_domains, assertion, &mapped, err);
    if (rc) {
        return rc;
    }
    json_t *user = json_object_get(mapped, "user");
    return g_strcmp0(text_of(user, "type"), "local")
               ? find_ephemeral(identity_of(request), db, row, mapped, person, err)
               : find_local(db, user, person, err);
}

static enum rc
explain(const struct login *login, enum rc rc, struct err *err)
{
    static struct log_limit limit;
    bool known =
        federation_id_is_valid(login->provider_id) && federation_id_is_valid(login->protocol_id);
    if (rc && log_limit_allows(&limit, 10)) {
        log_info("federated sign-in refused", kv("provider", known ? login->provider_id : "?"),
                 kv("protocol", known ? login->protocol_id : "?"), kv("reason", err->message));
    }
    if (rc == RC_UNAVAILABLE) {
        rc = fault(err, rc, "The identity provider cannot be asked now.");
        err->retry_after_s = 1;
        return rc;
    }
    return rc == RC_UNAUTHORIZED || rc == RC_NOT_FOUND || rc == RC_CONFLICT ? auth_denied(err) : rc;
}

enum rc
method_check_mapped(const struct request *request, struct db *db, const struct login *login,
                    struct person *person, struct err *err)
{
    g_autoptr(db_result) row = NULL;
    enum rc rc =
        sign_in_db_load(db, login, identity_of(request)->federation->default_ttl, &row, err);
    if (rc) {
        return rc == RC_NOT_FOUND
                   ? explain(login,
                             fault(err, rc, "there is no such provider, protocol or mapping"), err)
                   : rc;
    }
    person->federated = g_new0(struct federated, 1);
    person->federated->provider_id = g_strdup(login->provider_id);
    person->federated->protocol_id = g_strdup(login->protocol_id);
    return explain(login, find_person(request, db, row, person, err), err);
}

// ---- tokens of it

void
federation_fill(const struct person *person, struct auth_context *token)
{
    const struct federated *own = person->federated;
    const struct auth_context *by = person->by_token;
    token->provider_id = own ? own->provider_id : by ? by->provider_id : "";
    token->protocol_id = own ? own->protocol_id : by ? by->protocol_id : "";
    token->group_ids = person->trust ? NULL // the roles are the trustor's
                       : own         ? (const char *const *)own->group_ids
                       : by          ? by->group_ids
                                     : NULL;
}

enum rc
federation_place(struct db *db, const struct person *person, enum scope_kind scope,
                 const struct named *target, struct place *place, struct err *err)
{
    const char *const *groups = person->federated
                                    ? (const char *const *)person->federated->group_ids
                                : person->by_token ? person->by_token->group_ids
                                                   : NULL;
    if (!groups || !groups[0] || place->row) {
        return RC_OK;
    }
    enum rc rc = sign_in_db_scope(db, db_text(person->row, 0, "id"), groups, scope, target,
                                  &place->row, err);
    return rc == RC_NOT_FOUND ? RC_OK : rc;
}

static enum rc
sign_in(struct request *request, struct reply *reply, struct err *err)
{
    const struct login login = {.has_mapped = true,
                                .provider_id = request_param(request, "idp_id"),
                                .protocol_id = request_param(request, "protocol_id"),
                                .scope = SCOPE_UNSCOPED,
                                .receipt = request_header(request, "Openstack-Auth-Receipt")};
    struct session session = {0};
    enum rc rc = auth_log_in(request, &login, &session, err);
    if (rc == RC_OK) {
        rc = auth_reply_session(request, &session, reply, err);
    }
    session_done(&session);
    return rc;
}

#define AUTH FEDERATION_PATH "/identity_providers/{idp_id}/protocols/{protocol_id}/auth"
#define AUTH_ROUTE(method_)                                                 \
    {                                                                       \
        .method = method_, .path = AUTH, .handle = sign_in,                 \
        .flags = ROUTE_PUBLIC | ROUTE_SLOW | ROUTE_ANY_BODY, .status = 201, \
        .summary = "a token for who an identity provider says it is"        \
    }
const struct route federation_sign_in_routes[] = {AUTH_ROUTE("GET"), AUTH_ROUTE("POST"), {0}};
