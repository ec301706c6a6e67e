// SPDX-License-Identifier: Apache-2.0
// /os-server-groups: affinity and anti-affinity of servers.
#include <string.h>

#include "common/base/util.h"
#include "services/compute/api/action_log_db.h"
#include "services/compute/api/api.h"

static const char *const policies[] = {"anti-affinity", "affinity", "soft-anti-affinity",
                                       "soft-affinity", NULL};

static enum rc
group_list(struct request *request, struct reply *reply, struct err *err)
{
    const char *all = request_query(request, "all_projects");
    struct page page;
    struct db *db;
    g_autoptr(db_result) rows = NULL;
    enum rc rc = page_from_request(request, &page, err);
    if (rc != RC_OK || (rc = request_db(request, &db, err)) != RC_OK) {
        return rc;
    }
    const char *project_id = all && request_is_admin(request) ? request_query(request, "project_id")
                                                              : request_project(request);
    rc = group_db_list(db, project_id, NULL, request_version(request), page.limit, &rows, err);
    if (rc == RC_OK) {
        reply->text = g_strdup_printf("{\"server_groups\":%s}", db_text(rows, 0, "items"));
    }
    return rc;
}

static enum rc
reply_group(struct request *request, struct reply *reply, const char *id, struct err *err)
{
    struct db *db;
    g_autoptr(db_result) rows = NULL;
    const char *project_id = request_is_admin(request) ? NULL : request_project(request);
    enum rc rc = uuid_is_valid(id) ? request_db(request, &db, err) : RC_NOT_FOUND;
    if (rc == RC_OK) {
        rc = group_db_list(db, project_id, id, request_version(request), 1, &rows, err);
    }
    if (rc == RC_NOT_FOUND || (rc == RC_OK && db_int(rows, 0, "n") != 1)) {
        return fault(err, RC_NOT_FOUND, "Instance group %.64s could not be found.", id);
    }
    if (rc != RC_OK) {
        return rc;
    }
    json_auto_t *items = json_loads(db_text(rows, 0, "items"), 0, NULL);
    reply->json = json_pack("{s:O}", "server_group", json_array_get(items, 0));
    return RC_OK;
}

static enum rc
group_show(struct request *request, struct reply *reply, struct err *err)
{
    return reply_group(request, reply, request_param(request, "group_id"), err);
}

// One policy in an array until 2.63, by itself from 2.64.
static enum rc
read_policy(json_t *body, unsigned version, const char **ret_policy, struct err *err)
{
    static const char *const old_names[] = {"name", "policies", NULL};
    static const char *const new_names[] = {"name", "policy", "rules", NULL};
    enum rc rc = refuse_unknown_keys(body, version >= 64 ? new_names : old_names, err);
    if (rc != RC_OK) {
        return rc;
    }
    json_t *list = json_object_get(body, "policies");
    json_t *given = version >= 64 ? json_object_get(body, "policy") : json_array_get(list, 0);
    const char *text = json_string_value(given);
    bool is_soft = text && strncmp(text, "soft-", 5) == 0;
    for (const char *const *policy = policies; text && *policy; policy++) {
        if (strcmp(*policy, text) == 0 && (!is_soft || version >= 15) &&
            (version >= 64 || json_array_size(list) == 1)) {
            *ret_policy = *policy;
            return RC_OK;
        }
    }
    return fault(err, RC_INVALID, "Invalid input for field '%s': it is not one allowed policy",
                 version >= 64 ? "policy" : "policies");
}

static enum rc
read_rules(json_t *body, const char *policy, char **ret_rules, struct err *err)
{
    json_t *rules = json_object_get(body, "rules"),
           *most = json_object_get(rules, "max_server_per_host");
    int64_t number = json_integer_value(most);
    if (!rules || (json_is_object(rules) && json_object_size(rules) == 0)) {
        *ret_rules = g_strdup("{}");
        return RC_OK;
    }
    if (!json_is_object(rules) || json_object_size(rules) != 1 ||
        strcmp(policy, "anti-affinity") != 0 ||
        !(json_is_integer(most) ||
          (json_is_string(most) && parse_int64(json_string_value(most), 1, 1000000, &number))) ||
        number < 1) {
        return fault(err, RC_INVALID,
                     "Invalid input for field 'rules': only max_server_per_host of anti-affinity "
                     "is allowed");
    }
    *ret_rules = g_strdup_printf("{\"max_server_per_host\":%lld}", (long long)number);
    return RC_OK;
}

static enum rc
group_create(struct request *request, struct reply *reply, struct err *err)
{
    json_t *root = request_json(request), *body = json_object_get(root, "server_group");
    const char *name = json_string_value(json_object_get(body, "name"));
    g_autofree char *rules = NULL;
    char id[UUID_SIZE];
    uuid_new(id);
    struct group_new group = {
        .id = id,
        .project_id = request_project(request),
        .user_id = request_auth(request)->user_id,
        .name = name,
    };
    struct db *db;
    if (!json_is_object(body) || json_object_size(root) != 1) {
        return fault(err, RC_INVALID,
                     "Invalid input for field 'server_group': it is not of type 'object'");
    }
    if (!name || !*name || !text_is_clean(name, 255) || g_ascii_isspace(name[0]) ||
        g_ascii_isspace(name[strlen(name) - 1])) {
        return fault(err, RC_INVALID,
                     "Invalid input for field 'name': it is not a name of 1 to 255 characters");
    }
    enum rc rc = read_policy(body, request_version(request), &group.policy, err);
    if (rc != RC_OK || (rc = read_rules(body, group.policy, &rules, err)) != RC_OK ||
        (rc = request_db(request, &db, err)) != RC_OK) {
        return rc;
    }
    group.rules_json = rules;
    rc = group_db_create(db, &group, err);
    return rc == RC_OK ? reply_group(request, reply, id, err) : rc;
}

static enum rc
group_delete(struct request *request, struct reply *reply, struct err *err)
{
    const char *id = request_param(request, "group_id");
    const char *project_id = request_is_admin(request) ? NULL : request_project(request);
    struct db *db;
    if (!uuid_is_valid(id)) {
        return fault(err, RC_NOT_FOUND, "Instance group %.64s could not be found.", id);
    }
    enum rc rc = request_db(request, &db, err);
    return rc == RC_OK ? group_db_delete(db, project_id, id, err) : rc;
}

// clang-format off
const struct route group_routes[] = {
    {.method = "GET", .path = "/v2.1/os-server-groups", .handle = group_list, .status = 200, .summary = "list server groups"},
    {.method = "POST", .path = "/v2.1/os-server-groups", .handle = group_create, .status = 200, .summary = "create a server group"},
    {.method = "GET", .path = "/v2.1/os-server-groups/{group_id}", .handle = group_show, .status = 200, .summary = "show a server group"},
    {.method = "DELETE", .path = "/v2.1/os-server-groups/{group_id}", .handle = group_delete, .status = 204, .summary = "delete a server group"},
    {0},
};
// clang-format on
