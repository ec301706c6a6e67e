// SPDX-License-Identifier: Apache-2.0
// OAuth 1.0a access tokens of a user: list, show, delete, and their roles.
#include "services/identity/delegation/oauth1_db.h"
#include "services/identity/token/auth.h"
#include <string.h>

static enum rc
list(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db = NULL;
    g_autofree char *items = NULL;
    enum rc rc = request_db(request, &db, err);
    rc = rc ? rc
            : oauth1_db_list(db, request_param(request, "id"), request_base_url(request), &items,
                             err);
    if (rc == RC_OK) {
        reply->text = auth_wrap(request, "access_tokens", items);
    }
    return rc;
}

static enum rc
find(const struct request *request, struct db **ret_db, char **ret_text, struct err *err)
{
    enum rc rc = request_db(request, ret_db, err);
    return rc ? rc
              : oauth1_db_find(*ret_db, request_param(request, "id"),
                               request_param(request, "token_id"), request_base_url(request),
                               ret_text, err);
}

static enum rc
show(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db = NULL;
    return find(request, &db, &reply->text, err);
}

static enum rc
drop(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db = NULL;
    json_auto_t *target =
        json_pack("{s:{s:{s:s}}}", "target", "credential", "user_id", request_param(request, "id"));
    enum rc rc = request_allow(request, "identity:ec2_delete_credential", target, err);
    rc = rc ? rc : request_db(request, &db, err);
    rc = rc ? rc
            : oauth1_db_drop(db, request_param(request, "id"), request_param(request, "token_id"),
                             err);
    return rc ? rc : feed_catch_up(identity_of(request), err);
}

static enum rc
roles_of(const struct request *request, const char *role_id, char **ret_items, struct err *err)
{
    struct db *db = NULL;
    g_autofree char *token = NULL;
    enum rc rc = find(request, &db, &token, err);
    return rc ? rc
              : oauth1_db_roles(db, request_param(request, "token_id"), role_id,
                                request_base_url(request), ret_items, err);
}

static enum rc
list_roles(struct request *request, struct reply *reply, struct err *err)
{
    g_autofree char *items = NULL;
    enum rc rc = roles_of(request, NULL, &items, err);
    if (rc == RC_OK) {
        reply->text = auth_wrap(request, "roles", items);
    }
    return rc;
}

static enum rc
show_role(struct request *request, struct reply *reply, struct err *err)
{
    const char *role_id = request_param(request, "role_id");
    g_autofree char *items = NULL;
    enum rc rc = roles_of(request, role_id, &items, err);
    json_auto_t *roles = rc ? NULL : json_loads(items, 0, NULL);
    json_t *role = json_array_get(roles, 0);
    if (rc == RC_OK && !role) {
        rc = fault(err, RC_NOT_FOUND, "Could not find role: %.64s.", role_id);
    }
    if (rc == RC_OK) {
        reply->json = json_pack("{s:O}", "role", role);
    }
    return rc;
}

#define TOKENS "/v3/users/{id}/OS-OAUTH1/access_tokens"
const struct route oauth1_access_routes[] = {
    {.method = "GET",
     .path = TOKENS,
     .handle = list,
     .policy = "identity:list_access_tokens",
     .status = 200,
     .summary = "list a user's OAuth access tokens"},
    {.method = "GET",
     .path = TOKENS "/{token_id}",
     .handle = show,
     .policy = "identity:get_access_token",
     .status = 200,
     .summary = "show an OAuth access token"},
    {.method = "DELETE",
     .path = TOKENS "/{token_id}",
     .handle = drop,
     .status = 204,
     .summary = "delete an OAuth access token"},
    {.method = "GET",
     .path = TOKENS "/{token_id}/roles",
     .handle = list_roles,
     .policy = "identity:list_access_token_roles",
     .status = 200,
     .summary = "list an OAuth access token's roles"},
    {.method = "GET",
     .path = TOKENS "/{token_id}/roles/{role_id}",
     .handle = show_role,
     .policy = "identity:get_access_token_role",
     .status = 200,
     .summary = "show an OAuth access token's role"},
    {0},
};
