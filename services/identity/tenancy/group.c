// SPDX-License-Identifier: Apache-2.0
// Groups and their members. Who leaves a group loses its roles: the tokens end.
#include "services/identity/identity_resource.h"
#include "services/identity/tenancy/member_db.h"
#include "services/identity/tenancy/target.h"
#include "services/identity/token/auth.h"
#include <string.h>

static enum rc
before_update(struct resource_op *op, struct err *err)
{
    return identity_keeps(op, "domain_id", RC_INVALID, err);
}

static enum rc
before_delete(struct resource_op *op, struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc = member_db_members(op->db, op->id, &rows, err);
    for (int i = 0; rc == RC_OK && i < db_n_rows(rows); i++) {
        rc = feed_revoke(op->db, &(struct revocation){.user_id = db_text(rows, i, "user_id")}, err);
    }
    return rc;
}

// clang-format off
#define ATTRIBUTES \
    {"name", ATTR_TEXT, ATTR_RW | ATTR_FS | ATTR_REQUIRED, .min = 1, .max = 64}, \
    {"domain_id", ATTR_TEXT, ATTR_RW | ATTR_FS | ATTR_NULLABLE, .max = 64}, \
    {"description", ATTR_TEXT, ATTR_RW | ATTR_BLANK | ATTR_NULLABLE, .max = 65535, \
     .default_json = "\"\""}
// clang-format on
static const struct attribute attributes[] = {ATTRIBUTES, {0}};
static const struct resource group = {
    .singular = "group",
    .plural = "groups",
    .path = "/v3/groups",
    .table = "user_group",
    .not_found_format = "Could not find group: %s.",
    .style = KEYSTONE_STYLE | RESOURCE_MISSING_FIRST_DELETES,
    .list_scope = "$3::text = '' OR r.domain_id = $3",
    .policy_list = "identity:list_groups",
    .policy_get = "identity:get_group",
    .policy_create = "identity:create_group",
    .policy_update = "identity:update_group",
    .policy_delete = "identity:delete_group",
    .default_sort = "name",
    .attributes = attributes,
    .before_create = default_domain,
    .before_update = before_update,
    .before_delete = before_delete,
};

// A user's groups say how long the user is in them.
static const struct attribute attributes_of_user[] = {
    ATTRIBUTES,
    {"membership_expires_at", ATTR_TEXT, 0,
     .select = "to_char(r.member_until AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US')"},
    {0},
};
static const struct resource group_of_user = {
    .singular = "group",
    .plural = "groups",
    .path = "/v3/groups",
    .table = "group_of_user",
    .style = KEYSTONE_STYLE,
    .list_scope = "$3::text = '' OR r.domain_id = $3",
    .default_sort = "name",
    .attributes = attributes_of_user,
};

static enum rc
allow(const struct request *request, struct err *err)
{
    const char *rule = request_route(request)->data;
    bool has_user = strstr(request_route(request)->path, "{user_id}");
    const struct target target = {.group_id = request_param(request, "id"),
                                  .user_id = has_user ? request_param(request, "user_id") : NULL};
    return target_allow(request, rule, &target, err);
}

static enum rc
list_of_user(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db = NULL;
    const char *id = request_param(request, "id");
    const struct resource_whole whole = {"r.member_id = %s", id};
    enum rc rc = target_allow(request, "identity:list_groups_for_user",
                              &(struct target){.user_id = id}, err);
    rc = rc ? rc : request_db(request, &db, err);
    rc = rc ? rc : member_db_exists(db, "user", id, err);
    return rc ? rc : resource_list_within(request, &group_of_user, &whole, reply, err);
}

static enum rc
check_user(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db = NULL;
    enum rc rc = allow(request, err);
    rc = rc ? rc : request_db(request, &db, err);
    return rc ? rc
              : member_db_check(db, request_param(request, "id"), request_param(request, "user_id"),
                                err);
}

static enum rc
add_user(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db = NULL;
    enum rc rc = allow(request, err);
    rc = rc ? rc : request_db(request, &db, err);
    return rc ? rc
              : member_db_add(db, request_param(request, "id"), request_param(request, "user_id"),
                              err);
}

static enum rc
remove_tx(struct db *db, void *request, struct err *err)
{
    const char *user_id = request_param(request, "user_id");
    enum rc rc = member_db_remove(db, request_param(request, "id"), user_id, err);
    return rc ? rc : feed_revoke(db, &(struct revocation){.user_id = user_id}, err);
}

static enum rc
remove_user(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db = NULL;
    enum rc rc = allow(request, err);
    rc = rc ? rc : request_db(request, &db, err);
    rc = rc ? rc : db_tx(db, remove_tx, request, err);
    return rc ? rc : feed_catch_up(identity_of(request), err);
}

#define MEMBER "/v3/groups/{id}/users/{user_id}"
const struct route group_routes[] = {
    IDENTITY_ROUTES(group, "/v3/groups", NULL, 0),
    {.method = "GET",
     .path = "/v3/users/{id}/groups",
     .handle = list_of_user,
     .status = 200,
     .data = &group_of_user,
     .describe = resource_describe,
     .summary = "list a user's groups"},
    {.method = "GET",
     .path = MEMBER,
     .handle = check_user,
     .data = "identity:check_user_in_group",
     .status = 204,
     .summary = "check a group's user"},
    {.method = "PUT",
     .path = MEMBER,
     .handle = add_user,
     .data = "identity:add_user_to_group",
     .flags = ROUTE_ANY_BODY,
     .status = 204,
     .summary = "add a user to a group"},
    {.method = "DELETE",
     .path = MEMBER,
     .handle = remove_user,
     .data = "identity:remove_user_from_group",
     .status = 204,
     .summary = "remove a user from a group"},
    {0},
};
