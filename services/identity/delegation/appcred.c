// SPDX-License-Identifier: Apache-2.0
// Application credentials and their access rules: /v3/users/{id}/application_credentials and
// …/access_rules. They are made by the user, on the token's project, with roles that the token has.
#include "common/base/util.h"
#include "services/identity/delegation/appcred_db.h"
#include <string.h>

#define ITEMS_MAX ACCESS_RULES_MAX

struct appcred {
    const char *name, *description, *secret, *expires_at;
    json_t *roles, *rules;
    bool unrestricted;
};
static const struct field fields[] = {
    FIELD(struct appcred, name, "name", FIELD_TEXT, FIELD_REQUIRED, 1, 255),
    FIELD(struct appcred, description, "description", FIELD_TEXT, FIELD_NULLABLE, 0, 65535),
    FIELD(struct appcred, secret, "secret", FIELD_TEXT, FIELD_NULLABLE | FIELD_SECRET, 1, 72),
    FIELD(struct appcred, expires_at, "expires_at", FIELD_TEXT, FIELD_NULLABLE, 1, 64),
    FIELD(struct appcred, roles, "roles", FIELD_ARRAY, FIELD_NULLABLE, 0, ITEMS_MAX),
    FIELD(struct appcred, rules, "access_rules", FIELD_ARRAY, FIELD_NULLABLE, 0, ITEMS_MAX),
    FIELD(struct appcred, unrestricted, "unrestricted", FIELD_BOOL, FIELD_NULLABLE),
};
static const struct body_spec body_spec = {.envelope = "application_credential",
                                           .fields = fields,
                                           .n_fields = N_ELEMENTS(fields),
                                           .struct_size = sizeof(struct appcred),
                                           .unknown = BODY_ALLOW_UNKNOWN};

struct rule {
    const char *id, *service, *path, *method;
};
static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", NULL};
static const struct field rule_fields[] = {
    FIELD(struct rule, id, "id", FIELD_TEXT, 0, 1, 64),
    FIELD(struct rule, service, "service", FIELD_TEXT, 0, 1, 64),
    FIELD(struct rule, path, "path", FIELD_TEXT, 0, 1, 225),
    {.name = "method",
     .type = FIELD_TEXT,
     .offset = offsetof(struct rule, method),
     .min = 1,
     .max = 16,
     .values = methods},
};
static const struct body_spec rule_spec = {
    .fields = rule_fields, .n_fields = N_ELEMENTS(rule_fields), .struct_size = sizeof(struct rule)};

static enum rc
allow(const struct request *request, const char *policy, struct err *err)
{
    json_auto_t *target =
        json_pack("{s:{s:{s:s}}}", "target", "user", "id", request_param(request, "id"));
    return request_allow(request, policy, target, err);
}

struct making {
    const struct auth_context *auth;
    const struct appcred *body;
    struct appcred_row row;
};

static enum rc
add_roles(struct db *db, const struct making *making, struct err *err)
{
    enum rc rc = RC_OK;
    if (!json_array_size(making->body->roles)) { // all of the token's
        for (size_t i = 0; rc == RC_OK && making->auth->role_ids[i]; i++) {
            rc = appcred_db_add_role(db, making->row.id, making->auth->role_ids[i], err);
        }
        return rc;
    }
    g_autoptr(db_result) place = NULL;
    rc = auth_db_project_scope(db, making->row.user_id,
                               &(struct named){.id = making->row.project_id}, &place, err);
    json_auto_t *held = rc ? NULL : db_json(place, 0, "roles");
    for (size_t i = 0; rc == RC_OK && i < json_array_size(making->body->roles); i++) {
        const char *role_id = auth_held_role(held, json_array_get(making->body->roles, i));
        bool is_beyond = making->auth->appcred_id && making->auth->appcred_id[0] && role_id &&
                         !g_strv_contains(making->auth->role_ids, role_id); // of another credential
        rc = role_id && !is_beyond
                 ? appcred_db_add_role(db, making->row.id, role_id, err)
                 : fault(err, RC_INVALID,
                         "invalid input for field 'roles': item %zu is not a role that you "
                         "have on the project",
                         i);
    }
    return rc;
}

// A rule by its parts, or by the id of one that the user has.
static enum rc
add_rule(struct db *db, const struct making *making, const struct rule *rule, struct err *err)
{
    if (rule->id) {
        return appcred_db_use_rule(db, making->row.id, making->row.user_id, rule->id, err);
    }
    const char *missing = !rule->service                      ? "service"
                          : !rule->method                     ? "method"
                          : !rule->path || *rule->path != '/' ? "path"
                                                              : NULL;
    return missing ? fault(err, RC_INVALID,
                           "invalid input for field 'access_rules': an item needs service, method "
                           "and a path that begins with /, or an id: '%s' is not right",
                           missing)
                   : appcred_db_add_rule(db, making->row.id, making->row.user_id, rule->service,
                                         rule->path, rule->method, err);
}

// Tokens carry the rules, so they are bounded together.
static enum rc
add_rules(struct db *db, const struct making *making, struct err *err)
{
    enum rc rc = RC_OK;
    size_t n = json_array_size(making->body->rules);
    for (size_t i = 0; rc == RC_OK && i < n; i++) {
        struct rule rule = {0};
        rc = body_decode(&rule_spec, json_array_get(making->body->rules, i), &rule, NULL, err);
        rc = rc ? rc : add_rule(db, making, &rule, err);
    }
    int64_t size = 0;
    rc = rc || !n ? rc : appcred_db_rules_size(db, making->row.id, &size, err);
    return rc || size <= ACCESS_RULES_MAX_BYTES
               ? rc
               : fault(err, RC_INVALID,
                       "invalid input for field 'access_rules': together they are longer than %d "
                       "bytes",
                       ACCESS_RULES_MAX_BYTES);
}

static enum rc
make_tx(struct db *db, void *argument, struct err *err)
{
    const struct making *making = argument;
    enum rc rc = appcred_db_add(db, &making->row, err);
    rc = rc ? rc : add_roles(db, making, err);
    return rc ? rc : add_rules(db, making, err);
}

static enum rc
check_request(const struct request *request, const struct appcred *body, struct err *err)
{
    const struct auth_context *auth = request_auth(request);
    int64_t expires_us = 0;
    if (auth->trust_id[0]) {
        return fault(err, RC_FORBIDDEN, "a token of a trust cannot make an application credential");
    }
    if (!auth->project_id[0]) {
        return fault(err, RC_INVALID, "an application credential needs a token with a project");
    }
    if (body->expires_at &&
        (!iso8601_parse(body->expires_at, &expires_us) || expires_us <= now_us())) {
        return fault(err, RC_INVALID,
                     "invalid input for field 'expires_at': it is not a time in the future");
    }
    return RC_OK;
}

// The secret is shown this once.
static enum rc
reply_with_secret(const struct request *request, struct db *db, const struct making *making,
                  const char *secret, struct reply *reply, struct err *err)
{
    g_autofree char *item = NULL;
    enum rc rc = appcred_db_find(db, making->row.user_id, making->row.id, request_base_url(request),
                                 &item, err);
    if (rc == RC_OK) {
        json_t *shown = json_loads(item, 0, NULL);
        json_object_set_new(shown, "secret", json_string(secret));
        reply->json = json_pack("{s:o}", "application_credential", shown);
    }
    return rc;
}

static enum rc
create(struct request *request, struct reply *reply, struct err *err)
{
    const struct appcred *body = request_body(request);
    const struct auth_context *auth = request_auth(request);
    char id[HEX_ID_SIZE];
    hex_id_new(id);
    g_autofree char *secret = body->secret ? g_strdup(body->secret) : random_token(48),
                    *audit_id = random_token(16), *hash = NULL;
    struct db *db = NULL;
    enum rc rc = allow(request, "identity:create_application_credential", err);
    rc = rc ? rc : request_db(request, &db, err);
    rc = rc ? rc : check_request(request, body, err);
    rc = rc ? rc : password_hash(secret, &hash, err);
    struct making making = {.auth = auth,
                            .body = body,
                            .row = {.id = id,
                                    .user_id = auth->user_id,
                                    .project_id = auth->project_id,
                                    .name = body->name,
                                    .description = body->description,
                                    .secret_hash = hash,
                                    .audit_id = audit_id,
                                    .expires_at = body->expires_at,
                                    .unrestricted = body->unrestricted}};
    rc = rc ? rc : db_tx(db, make_tx, &making, err);
    return rc ? rc : reply_with_secret(request, db, &making, secret, reply, err);
}

static enum rc
list(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db = NULL;
    g_autofree char *items = NULL;
    enum rc rc = allow(request, "identity:list_application_credentials", err);
    rc = rc ? rc : request_db(request, &db, err);
    rc = rc ? rc
            : appcred_db_list(db, request_param(request, "id"), request_query(request, "name"),
                              request_base_url(request), &items, err);
    if (rc == RC_OK) {
        reply->text = auth_wrap(request, "application_credentials", items);
    }
    return rc;
}

// Under one's own path, somebody else's credential is refused as it is under its owner's.
static enum rc
refuse_others(const struct request *request, struct db *db, const char *rule, struct err *err)
{
    const char *id = request_param(request, "credential_id");
    g_autofree char *owner_id = NULL;
    struct err ignored;
    if (appcred_db_owner(db, id, &owner_id, &ignored) == RC_OK) {
        json_auto_t *target =
            json_pack("{s:s, s:{s:{s:s}}}", "user_id", owner_id, "target", "user", "id", owner_id);
        enum rc rc = request_allow(request, rule, target, err);
        if (rc) {
            return rc;
        }
    }
    return fault(err, RC_NOT_FOUND, "Could not find Application Credential: %.64s.", id);
}

static enum rc
show(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db = NULL;
    g_autofree char *item = NULL;
    enum rc rc = allow(request, "identity:get_application_credential", err);
    rc = rc ? rc : request_db(request, &db, err);
    rc = rc ? rc
            : appcred_db_find(db, request_param(request, "id"),
                              request_param(request, "credential_id"), request_base_url(request),
                              &item, err);
    if (rc == RC_OK) {
        reply->text = g_strdup_printf("{\"application_credential\":%s}", item);
    }
    return rc == RC_NOT_FOUND
               ? refuse_others(request, db, "identity:get_application_credential", err)
               : rc;
}

static enum rc
drop_tx(struct db *db, void *request, struct err *err)
{
    g_autofree char *audit_id = NULL;
    const char *user_id = request_param(request, "id");
    enum rc rc =
        appcred_db_drop(db, user_id, request_param(request, "credential_id"), &audit_id, err);
    return rc ? rc
              : feed_revoke(db, &(struct revocation){.audit_id = audit_id, .user_id = user_id},
                            err);
}

static enum rc
drop(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db = NULL;
    enum rc rc = allow(request, "identity:delete_application_credential", err);
    rc = rc ? rc : request_db(request, &db, err);
    rc = rc ? rc : db_tx(db, drop_tx, request, err);
    if (rc == RC_NOT_FOUND) {
        return refuse_others(request, db, "identity:delete_application_credential", err);
    }
    return rc ? rc : feed_catch_up(identity_of(request), err);
}

// ---- access rules

static enum rc
list_rules(struct request *request, struct reply *reply, struct err *err)
{
    const struct access_rule filter = {.service = request_query(request, "service"),
                                       .method = request_query(request, "method"),
                                       .path = request_query(request, "path")};
    struct db *db = NULL;
    g_autofree char *items = NULL;
    enum rc rc = allow(request, "identity:list_access_rules", err);
    rc = rc ? rc : request_db(request, &db, err);
    rc = rc ? rc
            : appcred_db_rules(db, request_param(request, "id"), &filter, request_base_url(request),
                               &items, err);
    if (rc == RC_OK) {
        reply->text = auth_wrap(request, "access_rules", items);
    }
    return rc;
}

static enum rc
show_rule(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db = NULL;
    enum rc rc = allow(request, "identity:get_access_rule", err);
    rc = rc ? rc : request_db(request, &db, err);
    return rc ? rc
              : appcred_db_find_rule(db, request_param(request, "id"),
                                     request_param(request, "rule_id"), request_base_url(request),
                                     &reply->text, err);
}

static enum rc
drop_rule(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db = NULL;
    enum rc rc = allow(request, "identity:delete_access_rule", err);
    rc = rc ? rc : request_db(request, &db, err);
    return rc ? rc
              : appcred_db_drop_rule(db, request_param(request, "id"),
                                     request_param(request, "rule_id"), err);
}

#define CREDENTIALS "/v3/users/{id}/application_credentials"
#define RULES "/v3/users/{id}/access_rules"
const struct route appcred_routes[] = {
    {.method = "POST",
     .path = CREDENTIALS,
     .handle = create,
     .body = &body_spec,
     .flags = ROUTE_SLOW,
     .status = 201,
     .summary = "create an application credential"},
    {.method = "GET",
     .path = CREDENTIALS,
     .handle = list,
     .status = 200,
     .summary = "list application credentials"},
    {.method = "GET",
     .path = CREDENTIALS "/{credential_id}",
     .handle = show,
     .status = 200,
     .summary = "show an application credential"},
    {.method = "DELETE",
     .path = CREDENTIALS "/{credential_id}",
     .handle = drop,
     .status = 204,
     .summary = "delete an application credential"},
    {.method = "GET",
     .path = RULES,
     .handle = list_rules,
     .status = 200,
     .summary = "list access rules"},
    {.method = "GET",
     .path = RULES "/{rule_id}",
     .handle = show_rule,
     .status = 200,
     .summary = "show an access rule"},
    {.method = "DELETE",
     .path = RULES "/{rule_id}",
     .handle = drop_rule,
     .status = 204,
     .summary = "delete an access rule"},
    {0},
};
