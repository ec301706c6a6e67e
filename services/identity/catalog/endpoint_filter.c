// SPDX-License-Identifier: Apache-2.0
// Which endpoints a project's catalog shows: /v3/OS-EP-FILTER, by single endpoints and by groups
// that a filter describes.
#include "common/base/util.h"
#include "services/identity/catalog/catalog_cache.h"
#include "services/identity/catalog/endpoint_filter_db.h"
#include "services/identity/identity_resource.h"
#include "services/identity/token/auth.h"
#include <string.h>

// ---- groups

static enum rc
check_filters(struct resource_op *op, struct err *err)
{
    static const char *const names[] = {"service_id", "interface", "region_id"};
    json_t *filters = json_object_get(op->values, "filters"), *value;
    const char *name;
    json_object_foreach(filters, name, value)
    {
        bool is_known = !strcmp(name, "enabled") && json_is_boolean(value);
        for (size_t i = 0; i < N_ELEMENTS(names) && !is_known; i++) {
            is_known = !strcmp(names[i], name) && json_is_string(value);
        }
        if (!is_known) {
            return fault(err, RC_INVALID,
                         "invalid input for field 'filters': %.64s is not service_id, interface, "
                         "region_id or enabled with a value of its type",
                         name);
        }
    }
    return RC_OK;
}

static const struct attribute attributes[] = {
    {"name", ATTR_TEXT, ATTR_RW | ATTR_FS | ATTR_REQUIRED, .min = 1, .max = 255},
    {"description", ATTR_TEXT, ATTR_RW | ATTR_BLANK | ATTR_NULLABLE, .max = 65535},
    {"filters", ATTR_OBJECT, ATTR_RW | ATTR_REQUIRED},
    {0},
};
static const struct resource endpoint_group = {
    .singular = "endpoint_group",
    .plural = "endpoint_groups",
    .path = "/v3/OS-EP-FILTER/endpoint_groups",
    .table = "endpoint_group",
    .not_found_format = "Could not find endpoint group: %s.",
    .style = KEYSTONE_STYLE,
    .policy_list = "identity:list_endpoint_groups",
    .policy_get = "identity:get_endpoint_group",
    .policy_create = "identity:create_endpoint_group",
    .policy_update = "identity:update_endpoint_group",
    .policy_delete = "identity:delete_endpoint_group",
    .default_sort = "id",
    .attributes = attributes,
    .before_create = check_filters,
    .before_update = check_filters,
};

static enum rc
update_group(struct request *request, struct reply *reply, struct err *err)
{
    return catalog_cache_forget_after(resource_update(request, reply, err), request);
}

static enum rc
delete_group(struct request *request, struct reply *reply, struct err *err)
{
    return catalog_cache_forget_after(resource_delete(request, reply, err), request);
}

// ---- what a project sees

static const enum filter_kind endpoint_kind = FILTER_ENDPOINT, group_kind = FILTER_GROUP;
typedef enum rc (*filter_fn)(struct db *db, enum filter_kind kind, const char *project_id,
                             const char *id, struct err *err);

static enum rc
run(struct request *request, filter_fn fn, struct err *err)
{
    enum filter_kind kind = *(const enum filter_kind *)request_route(request)->data;
    const char *project_id = request_param(request, "project_id"),
               *id = request_param(request, "id");
    struct db *db = NULL;
    enum rc rc = request_db(request, &db, err);
    rc = rc ? rc : filter_db_check_parts(db, kind, project_id, id, err);
    return rc ? rc : fn(db, kind, project_id, id, err);
}

static enum rc
add(struct request *request, struct reply *reply, struct err *err)
{
    return catalog_cache_forget_after(run(request, filter_db_add, err), request);
}

static enum rc
drop(struct request *request, struct reply *reply, struct err *err)
{
    return catalog_cache_forget_after(run(request, filter_db_remove, err), request);
}

static enum rc
check(struct request *request, struct reply *reply, struct err *err)
{
    return run(request, filter_db_has, err);
}

static enum rc
show_group_in_project(struct request *request, struct reply *reply, struct err *err)
{
    enum rc rc = run(request, filter_db_has, err);
    if (rc == RC_OK) {
        g_autofree char *self =
            g_strdup_printf("%s%s", request_base_url(request), request_url(request));
        reply->json = json_pack("{s:{s:s, s:s, s:{s:s}}}", "project_endpoint_group",
                                "endpoint_group_id", request_param(request, "id"), "project_id",
                                request_param(request, "project_id"), "links", "self", self);
    }
    return rc;
}

struct list_row {
    enum filter_list list;
    enum filter_kind kind;
    bool is_of_project;
    const char *name;
};
static const struct list_row project_endpoints = {PROJECT_ENDPOINTS, FILTER_ENDPOINT, true,
                                                  "endpoints"},
                             project_groups = {PROJECT_GROUPS, FILTER_GROUP, true,
                                               "endpoint_groups"},
                             endpoint_projects = {ENDPOINT_PROJECTS, FILTER_ENDPOINT, false,
                                                  "projects"},
                             group_projects = {GROUP_PROJECTS, FILTER_GROUP, false, "projects"},
                             group_endpoints = {GROUP_ENDPOINTS, FILTER_GROUP, false, "endpoints"};

static enum rc
list(struct request *request, struct reply *reply, struct err *err)
{
    const struct list_row *row = request_route(request)->data;
    const char *id = request_param(request, row->is_of_project ? "project_id" : "id");
    struct db *db = NULL;
    g_autofree char *items = NULL;
    enum rc rc = request_db(request, &db, err);
    rc = rc ? rc
            : filter_db_check_parts(db, row->kind, row->is_of_project ? id : NULL,
                                    row->is_of_project ? NULL : id, err);
    rc = rc ? rc : filter_db_list(db, row->list, id, request_base_url(request), &items, err);
    if (rc == RC_OK) {
        reply->text = auth_wrap(request, row->name, items);
    }
    return rc;
}

#define ROOT "/v3/OS-EP-FILTER"
#define GROUPS ROOT "/endpoint_groups"
// clang-format off
#define FILTER_ROUTE(method_, path_, handle_, flags_, status_, policy_, data_, summary_) \
    {.method = method_, .path = path_, .handle = handle_, .flags = flags_, .status = status_, .policy = "identity:" policy_, .data = &data_, .summary = summary_}
#define PROJECT_ENDPOINT ROOT "/projects/{project_id}/endpoints/{id}"
#define GROUP_PROJECT GROUPS "/{id}/projects/{project_id}"
const struct route endpoint_filter_routes[] = {
    HOOKED_ROUTES(endpoint_group, GROUPS, NULL, 0, resource_create, update_group, delete_group),
    FILTER_ROUTE("PUT", PROJECT_ENDPOINT, add, ROUTE_ANY_BODY, 204, "add_endpoint_to_project", endpoint_kind, "show an endpoint to a project"),
    FILTER_ROUTE("GET", PROJECT_ENDPOINT, check, 0, 204, "check_endpoint_in_project", endpoint_kind, "check that a project sees an endpoint"),
    FILTER_ROUTE("DELETE", PROJECT_ENDPOINT, drop, 0, 204, "remove_endpoint_from_project", endpoint_kind, "hide an endpoint from a project"),
    FILTER_ROUTE("PUT", GROUP_PROJECT, add, ROUTE_ANY_BODY, 204, "add_endpoint_group_to_project", group_kind, "show an endpoint group to a project"),
    FILTER_ROUTE("GET", GROUP_PROJECT, show_group_in_project, 0, 200, "get_endpoint_group_in_project", group_kind, "check that a project sees an endpoint group"),
    FILTER_ROUTE("DELETE", GROUP_PROJECT, drop, 0, 204, "remove_endpoint_group_from_project", group_kind, "hide an endpoint group from a project"),
    FILTER_ROUTE("GET", ROOT "/projects/{project_id}/endpoints", list, 0, 200, "list_endpoints_for_project", project_endpoints, "list a project's endpoints"),
    FILTER_ROUTE("GET", ROOT "/projects/{project_id}/endpoint_groups", list, 0, 200, "list_endpoint_groups_for_project", project_groups, "list a project's endpoint groups"),
    FILTER_ROUTE("GET", ROOT "/endpoints/{id}/projects", list, 0, 200, "list_projects_for_endpoint", endpoint_projects, "list projects that see an endpoint"),
    FILTER_ROUTE("GET", GROUPS "/{id}/projects", list, 0, 200, "list_projects_associated_with_endpoint_group", group_projects, "list projects of an endpoint group"),
    FILTER_ROUTE("GET", GROUPS "/{id}/endpoints", list, 0, 200, "list_endpoints_associated_with_endpoint_group", group_endpoints, "list endpoints of an endpoint group"),
    {0},
};
// clang-format on
