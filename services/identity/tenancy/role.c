// SPDX-License-Identifier: Apache-2.0
// Roles and which role implies which.
#include "services/identity/identity_resource.h"
#include "services/identity/tenancy/options.h"
#include "services/identity/tenancy/role_db.h"
#include "services/identity/token/auth.h"
#include <string.h>

// A domain's own role has rules of its own, besides.
static enum rc
allow_own(const struct resource_op *op, json_t *role, const char *rule, struct err *err)
{
    return json_is_string(json_object_get(role, "domain_id"))
               ? request_allow(op->request, rule, NULL, err)
               : RC_OK;
}

static enum rc
before_list(const struct request *request, struct err *err)
{
    return request_query(request, "domain_id")
               ? request_allow(request, "identity:list_domain_roles", NULL, err)
               : RC_OK;
}

static enum rc
before_create(struct resource_op *op, struct err *err)
{
    enum rc rc = allow_own(op, op->values, "identity:create_domain_role", err);
    return rc ? rc : options_check(op, tenancy_options, err);
}

static enum rc
before_update(struct resource_op *op, struct err *err)
{
    enum rc rc = allow_own(op, op->old, "identity:update_domain_role", err);
    rc = rc ? rc : options_check_update(op, err);
    rc = rc ? rc : identity_strip_name(op, err);
    rc = rc ? rc : identity_keeps(op, "domain_id", RC_INVALID, err);
    return rc ? rc : options_check(op, tenancy_options, err);
}

static enum rc
before_delete(struct resource_op *op, struct err *err)
{
    enum rc rc = allow_own(op, op->old, "identity:delete_domain_role", err);
    rc = rc ? rc : options_check_delete(op, err);
    return rc ? rc : feed_revoke(op->db, &(struct revocation){.role_id = op->id}, err);
}

static const struct attribute attributes[] = {
    {"name", ATTR_TEXT, ATTR_RW | ATTR_FS | ATTR_REQUIRED, .min = 1, .max = 255},
    {"domain_id", ATTR_TEXT, ATTR_RW | ATTR_FILTER | ATTR_NULLABLE, .max = 64,
     .unless_filtered = "r.domain_id IS NULL"},
    {"description", ATTR_TEXT, ATTR_RW | ATTR_BLANK | ATTR_NULLABLE, .max = 65535},
    {"options", ATTR_OBJECT, ATTR_RW, .default_json = "{}"},
    {0},
};
static const struct resource role = {
    .singular = "role",
    .plural = "roles",
    .path = "/v3/roles",
    .table = "role",
    .not_found_format = "Could not find role: %s.",
    .style = KEYSTONE_STYLE | RESOURCE_MISSING_FIRST,
    .policy_list = "identity:list_roles",
    .policy_get = "identity:get_role",
    .policy_create = "identity:create_role",
    .policy_update = "identity:update_role",
    .policy_delete = "identity:delete_role",
    .default_sort = "name",
    .attributes = attributes,
    .before_list = before_list,
    .before_create = before_create,
    .before_update = before_update,
    .before_delete = before_delete,
};

static enum rc
show(struct request *request, struct reply *reply, struct err *err)
{
    enum rc rc = resource_show(request, reply, err);
    if (rc) {
        return rc;
    }
    json_auto_t *root = json_loads(reply->text, 0, NULL);
    json_t *domain_id = json_object_get(json_object_get(root, "role"), "domain_id");
    return json_is_string(domain_id) ? request_allow(request, "identity:get_domain_role", NULL, err)
                                     : RC_OK;
}

// ---- implied roles

static enum rc
reply_inference(const struct request *request, struct db *db, struct reply *reply, struct err *err)
{
    g_autofree char *item = NULL;
    enum rc rc =
        role_db_inference(db, request_param(request, "id"), request_param(request, "implied_id"),
                          request_base_url(request), &item, err);
    if (rc == RC_OK) {
        reply->text = g_strdup_printf("{\"role_inference\":%s,\"links\":{\"self\":\"%s%s\"}}", item,
                                      request_base_url(request), request_url(request));
    }
    return rc;
}

static enum rc
show_implied(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db = NULL;
    enum rc rc = request_db(request, &db, err);
    rc = rc ? rc : reply_inference(request, db, reply, err);
    if (rc == RC_OK && !strcmp(request_method(request), "HEAD")) {
        reply->status = 204;
    }
    return rc;
}

// One at a time: two that each are no circle may be one together.
static enum rc
imply_tx(struct db *db, void *request, struct err *err)
{
    enum rc rc = db_lock_text(db, "implied_role", "all", err);
    return rc ? rc
              : role_db_imply(db, request_param(request, "id"),
                              request_param(request, "implied_id"), err);
}

static enum rc
add_implied(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db = NULL;
    enum rc rc = request_db(request, &db, err);
    rc = rc ? rc : db_tx(db, imply_tx, request, err);
    return rc ? rc : reply_inference(request, db, reply, err);
}

// Tokens that name the implied role may owe it to the prior one.
static enum rc
drop_tx(struct db *db, void *request, struct err *err)
{
    const char *implied_id = request_param(request, "implied_id");
    enum rc rc = role_db_unimply(db, request_param(request, "id"), implied_id, err);
    return rc ? rc : feed_revoke(db, &(struct revocation){.role_id = implied_id}, err);
}

static enum rc
drop_implied(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db = NULL;
    enum rc rc = request_db(request, &db, err);
    rc = rc ? rc : db_tx(db, drop_tx, request, err);
    return rc ? rc : feed_catch_up(identity_of(request), err);
}

static enum rc
list_implied(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db = NULL;
    g_autofree char *item = NULL;
    enum rc rc = request_db(request, &db, err);
    rc = rc ? rc
            : role_db_inferences_of(db, request_param(request, "id"), request_base_url(request),
                                    &item, err);
    if (rc == RC_OK) {
        reply->text = g_strdup_printf("{\"role_inference\":%s,\"links\":{\"self\":\"%s%s\"}}", item,
                                      request_base_url(request), request_url(request));
    }
    return rc;
}

static enum rc
list_inferences(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db = NULL;
    g_autofree char *items = NULL;
    enum rc rc = request_db(request, &db, err);
    rc = rc ? rc : role_db_inferences(db, request_base_url(request), &items, err);
    if (rc == RC_OK) {
        reply->text = auth_wrap(request, "role_inferences", items);
    }
    return rc;
}

#define IMPLIES "/v3/roles/{id}/implies"
const struct route role_routes[] = {
    SHOWN_ROUTES(role, "/v3/roles", "{role}", 0, resource_create, show, identity_update,
                 identity_delete),
    {.method = "GET",
     .path = IMPLIES,
     .handle = list_implied,
     .policy = "identity:list_implied_roles",
     .status = 200,
     .summary = "list implied roles"},
    {.method = "GET",
     .path = IMPLIES "/{implied_id}",
     .handle = show_implied,
     .policy = "identity:check_implied_role",
     .status = 200,
     .summary = "show an implied role"},
    {.method = "PUT",
     .path = IMPLIES "/{implied_id}",
     .handle = add_implied,
     .policy = "identity:create_implied_role",
     .flags = ROUTE_ANY_BODY,
     .status = 201,
     .summary = "make a role imply another"},
    {.method = "DELETE",
     .path = IMPLIES "/{implied_id}",
     .handle = drop_implied,
     .policy = "identity:delete_implied_role",
     .status = 204,
     .summary = "end an implication"},
    {.method = "GET",
     .path = "/v3/role_inferences",
     .handle = list_inferences,
     .policy = "identity:list_role_inference_rules",
     .status = 200,
     .summary = "list all implications"},
    {0},
};
