// SPDX-License-Identifier: Apache-2.0
// A flavor's extra specs, and which projects may use a private flavor.
#include <string.h>

#include "common/base/util.h"
#include "services/compute/api/api.h"
#include "services/compute/api/flavor_db.h"

static enum rc
check_visible(struct request *request, struct db **ret_db, struct err *err)
{
    struct flavor_query query = {
        .base_url = "",
        .project_id = request_project(request),
        .is_admin = request_is_admin(request),
    };
    g_autoptr(db_result) rows = NULL;
    enum rc rc = request_db(request, ret_db, err);
    return rc == RC_OK
               ? flavor_db_show(*ret_db, &query, request_param(request, "flavor_id"), &rows, err)
               : rc;
}

static enum rc
specs_list(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db;
    g_autoptr(db_result) rows = NULL;
    enum rc rc = check_visible(request, &db, err);
    if (rc == RC_OK &&
        (rc = flavor_db_specs(db, request_param(request, "flavor_id"), &rows, err)) == RC_OK) {
        item_reply(reply, "extra_specs", rows);
    }
    return rc;
}

static enum rc
spec_show(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db;
    g_autoptr(db_result) rows = NULL;
    const char *id = request_param(request, "flavor_id"), *key = request_param(request, "key");
    enum rc rc = check_visible(request, &db, err);
    if (rc != RC_OK || (rc = flavor_db_specs(db, id, &rows, err)) != RC_OK) {
        return rc;
    }
    json_auto_t *specs = json_loads(db_text(rows, 0, "item"), 0, NULL);
    json_t *value = json_object_get(specs, key);
    if (!value) {
        return fault(err, RC_NOT_FOUND, "Flavor %.255s has no extra specs with key %.255s.", id,
                     key);
    }
    reply->json = json_pack("{s:O}", key, value);
    return RC_OK;
}

static enum rc
check_spec(const char *key, json_t *value, struct err *err)
{
    size_t length = strlen(key);
    if (length < 1 || length > 255 ||
        strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_:. ") !=
            length) {
        return fault(err, RC_INVALID,
                     "Invalid input for field 'extra_specs': '%.100s' is no valid key", key);
    }
    if (!(json_is_string(value) && json_string_length(value) <= 255) && !json_is_number(value)) {
        return fault(err, RC_INVALID,
                     "Invalid input for field '%.100s': it is not a text of at most 255 characters",
                     key);
    }
    return RC_OK;
}

static enum rc
store_specs(struct request *request, json_t *specs, struct err *err)
{
    struct db *db;
    const char *key;
    json_t *value;
    json_object_foreach(specs, key, value)
    {
        enum rc rc = check_spec(key, value, err);
        if (rc != RC_OK) {
            return rc;
        }
    }
    char *text = json_dumps(specs, JSON_COMPACT);
    enum rc rc = request_db(request, &db, err);
    if (rc == RC_OK) {
        rc = flavor_db_set_specs(db, request_param(request, "flavor_id"), text, err);
    }
    free(text);
    return rc;
}

static enum rc
specs_create(struct request *request, struct reply *reply, struct err *err)
{
    json_t *root = request_json(request), *specs = json_object_get(root, "extra_specs");
    if (!json_is_object(specs) || json_object_size(root) != 1 || json_object_size(specs) > 512) {
        return fault(err, RC_INVALID,
                     "Invalid input for field 'extra_specs': it is not of type 'object'");
    }
    enum rc rc = store_specs(request, specs, err);
    if (rc == RC_OK) {
        reply->json = json_pack("{s:O}", "extra_specs", specs);
    }
    return rc;
}

static enum rc
spec_update(struct request *request, struct reply *reply, struct err *err)
{
    json_t *root = request_json(request);
    const char *key = request_param(request, "key");
    if (!json_is_object(root) || json_object_size(root) != 1 || !json_object_get(root, key)) {
        return fault(err, RC_INVALID, "Request body and URI mismatch: '%.100s' is expected alone",
                     key);
    }
    enum rc rc = store_specs(request, root, err);
    if (rc == RC_OK) {
        reply->json = json_incref(root);
    }
    return rc;
}

static enum rc
spec_delete(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db;
    enum rc rc = request_db(request, &db, err);
    if (rc != RC_OK) {
        return rc;
    }
    return flavor_db_unset_spec(db, request_param(request, "flavor_id"),
                                request_param(request, "key"), err);
}

static enum rc
reply_access(struct request *request, struct reply *reply, bool refuse_public, struct err *err)
{
    struct db *db;
    g_autoptr(db_result) rows = NULL;
    const char *id = request_param(request, "flavor_id");
    enum rc rc = request_db(request, &db, err);
    if (rc != RC_OK || (rc = flavor_db_access(db, id, &rows, err)) != RC_OK) {
        return rc;
    }
    if (refuse_public && db_bool(rows, 0, "is_public")) {
        return fault(err, RC_NOT_FOUND, "Access list not available for public flavors.");
    }
    item_reply(reply, "flavor_access", rows);
    return RC_OK;
}

static enum rc
access_list(struct request *request, struct reply *reply, struct err *err)
{
    return reply_access(request, reply, true, err);
}

static enum rc
change_access(struct request *request, const char *action, json_t *argument, struct err *err)
{
    struct db *db;
    const char *project = json_string_value(json_object_get(argument, "tenant"));
    const char *id = request_param(request, "flavor_id");
    g_autoptr(db_result) rows = NULL;
    if (!project || json_object_size(argument) != 1 || !uuid_is_valid(project)) {
        return fault(err, RC_INVALID, "Invalid input for field 'tenant': it is not a project's id");
    }
    enum rc rc = request_db(request, &db, err);
    if (rc != RC_OK || (rc = flavor_db_access(db, id, &rows, err)) != RC_OK) {
        return rc;
    }
    if (strcmp(action, "removeTenantAccess") == 0) {
        return flavor_db_revoke(db, id, project, err);
    }
    if (db_bool(rows, 0, "is_public")) {
        return fault(err, RC_CONFLICT, "Can not add access to a public flavor.");
    }
    return flavor_db_grant(db, id, project, err);
}

static enum rc
flavor_action(struct request *request, struct reply *reply, struct err *err)
{
    json_t *root = request_json(request);
    void *only = json_object_iter(root);
    const char *action = only ? json_object_iter_key(only) : "";
    if (json_object_size(root) != 1 ||
        (strcmp(action, "addTenantAccess") != 0 && strcmp(action, "removeTenantAccess") != 0)) {
        return fault(err, RC_INVALID, "There is no such action: %.100s", action);
    }
    enum rc rc = change_access(request, action, json_object_iter_value(only), err);
    return rc == RC_OK ? reply_access(request, reply, false, err) : rc;
}

// For identity, when a project is closed.
static enum rc
forget_project(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db;
    int64_t n = 0;
    enum rc rc = request_db(request, &db, err);
    rc = rc ? rc : flavor_db_revoke_all(db, request_param(request, "project_id"), &n, err);
    if (rc == RC_OK) {
        reply->json = json_pack("{s:I}", "removed", (json_int_t)n);
    }
    return rc;
}

// clang-format off
const struct route flavor_extra_routes[] = {
    {.method = "GET", .path = "/v2.1/flavors/{flavor_id}/os-extra_specs", .handle = specs_list, .status = 200, .summary = "list a flavor's extra specs"},
    {.method = "POST", .path = "/v2.1/flavors/{flavor_id}/os-extra_specs", .handle = specs_create, .policy = "os_compute_api:os-flavor-extra-specs:create", .status = 200, .summary = "set extra specs"},
    {.method = "GET", .path = "/v2.1/flavors/{flavor_id}/os-extra_specs/{key}", .handle = spec_show, .status = 200, .summary = "show an extra spec"},
    {.method = "PUT", .path = "/v2.1/flavors/{flavor_id}/os-extra_specs/{key}", .handle = spec_update, .policy = "os_compute_api:os-flavor-extra-specs:update", .status = 200, .summary = "set an extra spec"},
    {.method = "DELETE", .path = "/v2.1/flavors/{flavor_id}/os-extra_specs/{key}", .handle = spec_delete, .policy = "os_compute_api:os-flavor-extra-specs:delete", .status = 200, .summary = "delete an extra spec"},
    {.method = "GET", .path = "/v2.1/flavors/{flavor_id}/os-flavor-access", .handle = access_list, .policy = "os_compute_api:os-flavor-access", .status = 200, .summary = "projects that may use a private flavor"},
    {.method = "DELETE", .path = "/v2.1/internal/flavor-access/{project_id}", .handle = forget_project, .policy = "admin_api", .status = 200, .summary = "a project that is closed may use no private flavor any more"},
    {.method = "POST", .path = "/v2.1/flavors/{flavor_id}/action", .handle = flavor_action, .policy = "os_compute_api:os-flavor-access:add_tenant_access", .status = 200, .summary = "give or take access"},
    {0},
};
// clang-format on
