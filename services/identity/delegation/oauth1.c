// SPDX-License-Identifier: Apache-2.0
// OAuth 1.0a as Keystone's OS-OAUTH1: request token, authorization by a user, access token. Who is
// behind a signature is proven by it alone: these two rows need no token.
#include "services/identity/delegation/oauth1.h"
#include "common/base/util.h"
#include "services/identity/delegation/oauth1_db.h"
#include "services/identity/secret/secret.h"
#include "services/identity/token/auth_place.h"
#include <stdlib.h>
#include <string.h>

#define CLOCK_SKEW_S 600
#define VERIFIER_LEN 8

enum rc
oauth1_read(const struct request *request, bool with_query, struct oauth1_request *ret_signed,
            struct err *err)
{
    enum rc rc = oauth1_parse(request_header(request, "Authorization"), ret_signed, err);
    const char *name, *value;
    for (unsigned i = 0;
         rc == RC_OK && with_query && i < 64 && request_query_at(request, i, &name, &value); i++) {
        oauth1_add(ret_signed, name, value);
    }
    return rc;
}

static enum rc
open_secret(const struct request *request, const struct oauth1_secret *secret, char **ret_text,
            struct err *err)
{
    if (!secret->table) {
        *ret_text = g_strdup("");
        return RC_OK;
    }
    return secret_read(identity_of(request)->secrets, secret->table, secret->id, secret->sealed,
                       secret->plain, ret_text, err);
}

enum rc
oauth1_check(const struct request *request, const struct oauth1_request *signed_request,
             const struct oauth1_secret *consumer, const struct oauth1_secret *token,
             struct err *err)
{
    int64_t age_s = now_us() / 1000000 - signed_request->signed_at_s;
    g_autofree char *url = g_strconcat(request_base_url(request), request_url(request), NULL),
                    *text = oauth1_base_string(signed_request, request_method(request), url);
    char *consumer_secret = NULL, *token_secret = NULL;
    enum rc rc = open_secret(request, consumer, &consumer_secret, err);
    rc = rc ? rc : open_secret(request, token, &token_secret, err);
    if (rc == RC_OK && (!oauth1_is_good(signed_request, text, consumer_secret, token_secret) ||
                        age_s > CLOCK_SKEW_S || age_s < -CLOCK_SKEW_S)) {
        rc = auth_denied(err);
    }
    secret_text_free(consumer_secret);
    secret_text_free(token_secret);
    struct db *db = NULL;
    rc = rc ? rc : request_db(request, &db, err);
    return rc ? rc
              : oauth1_db_use_nonce(db, signed_request->consumer_key,
                                    signed_request->token ? signed_request->token : "",
                                    signed_request->signed_at_s, signed_request->nonce, err);
}

static enum rc
missing(const char *name, struct err *err)
{
    return fault(err, RC_INVALID, "invalid input for field '%s': it is missing", name);
}

// Key and secret of a new token; the secret is sealed for its row.
struct fresh {
    char id[HEX_ID_SIZE], secret[HEX_ID_SIZE];
    char *sealed; // owned
};

static enum rc
make_fresh(const struct request *request, const char *table, struct fresh *ret_fresh,
           struct err *err)
{
    hex_id_new(ret_fresh->id);
    hex_id_new(ret_fresh->secret);
    return secret_seal(identity_of(request)->secrets, table, ret_fresh->id, ret_fresh->secret,
                       &ret_fresh->sealed, err);
}

static void
reply_fresh(const struct fresh *fresh, const char *expires_at, struct reply *reply)
{
    reply->text =
        g_strdup_printf("oauth_token=%s&oauth_token_secret=%s%s%s", fresh->id, fresh->secret,
                        expires_at ? "&oauth_expires_at=" : "", expires_at ? expires_at : "");
    reply->content_type = "application/x-www-form-urlencoded";
    reply_header(reply, "Cache-Control", "no-store");
}

static int64_t
setting(const struct request *request, const char *name)
{
    return conf_int(service_conf(identity_of(request)->service), "oauth1", name);
}

// ---- request tokens

static enum rc
create_request_token(struct request *request, struct reply *reply, struct err *err)
{
    struct oauth1_request signed_request = {0};
    const char *project_id = request_header(request, "Requested-Project-Id");
    enum rc rc = oauth1_read(request, true, &signed_request, err);
    if (rc) {
        return rc;
    }
    struct db *db = NULL;
    g_autoptr(db_result) consumer = NULL, made = NULL;
    struct fresh fresh = {.sealed = NULL};
    rc = project_id ? request_db(request, &db, err) : missing("Requested-Project-Id", err);
    rc = rc ? rc : oauth1_db_consumer(db, signed_request.consumer_key, &consumer, err);
    if (rc == RC_OK) {
        const struct oauth1_secret secret = {"consumer", db_text(consumer, 0, "id"),
                                             db_text(consumer, 0, "sealed"),
                                             db_text(consumer, 0, "secret")},
                                   none = {.table = NULL};
        rc = oauth1_check(request, &signed_request, &secret, &none, err);
    }
    rc = rc ? rc : make_fresh(request, "oauth1_request_token", &fresh, err);
    const struct oauth1_token_row row = {.id = fresh.id,
                                         .consumer_id = signed_request.consumer_key,
                                         .project_id = project_id,
                                         .sealed = fresh.sealed,
                                         .life_s = setting(request, "request_token_life")};
    if (rc == RC_OK) {
        rc = oauth1_db_add_request(db, &row, &made, err);
        rc = rc == RC_NOT_FOUND ? fault(err, rc, "Could not find project: %.64s.", project_id) : rc;
    }
    if (rc == RC_OK) {
        reply_fresh(&fresh, db_text(made, 0, "expires_at"), reply);
    }
    g_free(fresh.sealed);
    oauth1_request_done(&signed_request);
    return rc;
}

static void
verifier_new(char ret_verifier[VERIFIER_LEN + 1])
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    unsigned char bytes[VERIFIER_LEN];
    random_bytes(bytes, sizeof bytes);
    for (size_t i = 0; i < VERIFIER_LEN; i++) {
        ret_verifier[i] = letters[bytes[i] % (sizeof letters - 1)];
    }
    ret_verifier[VERIFIER_LEN] = 0;
}

struct authorization {
    json_t *roles;
};
static const struct field authorization_fields[] = {
    FIELD(struct authorization, roles, "roles", FIELD_ARRAY, FIELD_REQUIRED, 1, 64)};
static const struct body_spec authorization_body = {.fields = authorization_fields,
                                                    .n_fields = N_ELEMENTS(authorization_fields),
                                                    .struct_size = sizeof(struct authorization)};

// The user's own roles there, of those that were asked for. RC_UNAUTHORIZED: not all of them.
static enum rc
held_roles(struct db *db, const char *user_id, const char *project_id, json_t *asked,
           json_t *ret_ids, struct err *err)
{
    g_autoptr(db_result) row = NULL;
    const struct named project = {.id = project_id};
    enum rc rc = auth_db_project_scope(db, user_id, &project, &row, err);
    json_auto_t *held = rc ? NULL : db_json(row, 0, "roles");
    for (size_t i = 0; rc == RC_OK && i < json_array_size(asked); i++) {
        const char *id = auth_held_role(held, json_array_get(asked, i));
        rc = id ? RC_OK
                : fault_typed(err, RC_UNAUTHORIZED, "roles",
                              "authorizing user does not have role required");
        json_array_append_new(ret_ids, id ? json_string(id) : json_null());
    }
    return rc;
}

static enum rc
authorize(struct request *request, struct reply *reply, struct err *err)
{
    const struct authorization *body = request_body(request);
    const char *id = request_param(request, "id"), *user_id = request_auth(request)->user_id;
    char verifier[VERIFIER_LEN + 1];
    verifier_new(verifier);
    g_autofree char *digest = sha256_hex(verifier, VERIFIER_LEN);
    g_autoptr(db_result) row = NULL;
    json_auto_t *role_ids = json_array();
    struct db *db = NULL;
    enum rc rc = request_db(request, &db, err);
    rc = rc ? rc : oauth1_db_request(db, id, &row, err);
    if (rc == RC_OK && !db_bool(row, 0, "is_live")) {
        rc = fault_typed(err, RC_UNAUTHORIZED, "expired", "Request token is expired");
    }
    rc = rc ? rc
            : held_roles(db, user_id, db_text(row, 0, "project_id"), body->roles, role_ids, err);
    rc = rc ? rc : oauth1_db_authorize(db, id, user_id, digest, role_ids, err);
    if (rc == RC_OK) {
        reply->json = json_pack("{s:{s:s}}", "token", "oauth_verifier", verifier);
    }
    return rc;
}

// ---- access tokens

struct exchange {
    const char *request_id;
    struct oauth1_token_row row;
    db_result *made;
};

static enum rc
exchange_tx(struct db *db, void *argument, struct err *err)
{
    struct exchange *exchange = argument;
    g_clear_pointer(&exchange->made, db_result_free);
    return oauth1_db_exchange(db, exchange->request_id, &exchange->row, &exchange->made, err);
}

// The request token that a signature names: its own consumer's, alive, authorized, with the right
// verifier and signature.
static enum rc
check_exchange(const struct request *request, struct db *db,
               const struct oauth1_request *signed_request, const db_result *token, struct err *err)
{
    g_autoptr(db_result) consumer = NULL;
    const char *consumer_id = db_text(token, 0, "consumer_id"),
               *digest = db_text(token, 0, "verifier_digest");
    g_autofree char *given = sha256_hex(signed_request->verifier, strlen(signed_request->verifier));
    enum rc rc = oauth1_db_consumer(db, consumer_id, &consumer, err);
    if (rc) {
        return rc;
    }
    const struct oauth1_secret consumer_secret = {"consumer", consumer_id,
                                                  db_text(consumer, 0, "sealed"),
                                                  db_text(consumer, 0, "secret")},
                               token_secret = {"oauth1_request_token", db_text(token, 0, "id"),
                                               db_text(token, 0, "sealed"), NULL};
    rc = strcmp(consumer_id, signed_request->consumer_key)
             ? auth_denied(err)
             : oauth1_check(request, signed_request, &consumer_secret, &token_secret, err);
    if (rc == RC_OK &&
        (!db_bool(token, 0, "is_live") || !digest || !equal_constant_time(digest, given))) {
        rc = auth_denied(err);
    }
    return rc;
}

static enum rc
exchange_token(const struct request *request, const struct oauth1_request *signed_request,
               struct reply *reply, struct err *err)
{
    g_autoptr(db_result) token = NULL;
    struct fresh fresh = {.sealed = NULL};
    g_autofree char *audit_id = random_token(16);
    struct db *db = NULL;
    enum rc rc = request_db(request, &db, err);
    rc = rc ? rc : oauth1_db_request(db, signed_request->token, &token, err);
    rc = rc ? rc : check_exchange(request, db, signed_request, token, err);
    rc = rc ? rc : make_fresh(request, "oauth1_access_token", &fresh, err);
    struct exchange exchange = {.request_id = signed_request->token,
                                .row = {.id = fresh.id,
                                        .sealed = fresh.sealed,
                                        .audit_id = audit_id,
                                        .life_s = setting(request, "access_token_life")}};
    rc = rc ? rc : db_tx(db, exchange_tx, &exchange, err);
    if (rc == RC_OK) {
        reply_fresh(&fresh, db_text(exchange.made, 0, "expires_at"), reply);
    }
    db_result_free(exchange.made);
    g_free(fresh.sealed);
    return rc;
}

static enum rc
create_access_token(struct request *request, struct reply *reply, struct err *err)
{
    struct oauth1_request signed_request = {0};
    enum rc rc = oauth1_read(request, true, &signed_request, err);
    if (rc) {
        return rc;
    }
    rc = !signed_request.token      ? missing("oauth_token", err)
         : !signed_request.verifier ? missing("oauth_verifier", err)
                                    : exchange_token(request, &signed_request, reply, err);
    oauth1_request_done(&signed_request);
    return rc;
}

const struct route oauth1_routes[] = {
    {.method = "POST",
     .path = "/v3/OS-OAUTH1/request_token",
     .handle = create_request_token,
     .flags = ROUTE_PUBLIC | ROUTE_ANY_BODY,
     .status = 201,
     .summary = "a request token for a consumer"},
    {.method = "PUT",
     .path = "/v3/OS-OAUTH1/authorize/{id}",
     .handle = authorize,
     .policy = "identity:authorize_request_token",
     .body = &authorization_body,
     .status = 200,
     .summary = "authorize a request token"},
    {.method = "POST",
     .path = "/v3/OS-OAUTH1/access_token",
     .handle = create_access_token,
     .flags = ROUTE_PUBLIC | ROUTE_ANY_BODY,
     .status = 201,
     .summary = "exchange a request token for an access token"},
    {0},
};
