// SPDX-License-Identifier: Apache-2.0
// Namespaces of metadata definitions, and what the requests for their contents share.
#include "services/image/access.h"
#include "services/image/api.h"
#include "services/image/metadef/metadef.h"
#include "services/image/page.h"

#include <string.h>

#define DEFAULT_LIMIT 25
#define MAX_LIMIT 1000

// clang-format off
const struct metadef_kind metadef_kinds[N_METADEF_KINDS] = {
    [METADEF_OBJECT] = {"object", "objects", "object", "object", false,
        "get_metadef_object", "get_metadef_objects", "add_metadef_object", "modify_metadef_object", "delete_metadef_object"},
    [METADEF_PROPERTY] = {"property", "properties", "property", "property", true,
        "get_metadef_property", "get_metadef_properties", "add_metadef_property", "modify_metadef_property", "remove_metadef_property"},
    [METADEF_TAG] = {"tag", "tags", "tag", "tag", false,
        "get_metadef_tag", "get_metadef_tags", "add_metadef_tag", "modify_metadef_tag", "delete_metadef_tag"},
    [METADEF_RESOURCE_TYPE] = {"resource_type", "resource_type_associations", "resource-type association", "resource_type", false,
        "get_metadef_resource_type", "list_metadef_resource_types", "add_metadef_resource_type_association", NULL, "remove_metadef_resource_type_association"},
};
// clang-format on

enum rc
metadef_allow(const struct request *request, const char *rule, const metadef_space *space,
              struct err *err)
{
    json_auto_t *target = json_pack("{s:s, s:s, s:s}", "project_id", space->owner, "owner",
                                    space->owner, "visibility", space->visibility);
    return request_allow(request, rule, target, err);
}

enum rc
metadef_load(const struct request *request, const char *rule, struct db **ret_db,
             metadef_space **ret_space, struct err *err)
{
    struct viewer viewer = viewer_of(request);
    g_autoptr(metadef_space) space = NULL;
    enum rc rc = request_db(request, ret_db, err);
    if (rc == RC_OK) {
        rc = metadef_db_find(*ret_db, &viewer, request_param(request, "namespace"), &space, err);
    }
    if (rc == RC_OK && rule) {
        rc = metadef_allow(request, rule, space, err);
    }
    if (rc == RC_OK) {
        *ret_space = g_steal_pointer(&space);
    }
    return rc;
}

enum rc
metadef_page_read(const struct request *request, struct metadef_page *page, struct err *err)
{
    const char *limit = request_query(request, "limit");
    const char *direction = request_query(request, "sort_dir");
    const char *key = request_query(request, "sort_key");
    page->marker = request_query(request, "marker");
    page->sort_key = key ? key : "created_at";
    page->ascending = direction && !strcmp(direction, "asc");
    if (direction && !page->ascending && strcmp(direction, "desc")) {
        return fault(err, RC_INVALID, "Invalid sort direction: %.60s (sort_dir)", direction);
    }
    if (limit && !parse_int64(limit, 0, INT64_MAX, &page->limit)) {
        return fault(err, RC_INVALID, "limit param must be an integer and not negative");
    }
    return RC_OK;
}

// An object's properties by name, or the items in their order.
json_t *
metadef_collection(const struct metadef_kind *kind, json_t *items)
{
    if (!kind->is_map && kind != &metadef_kinds[METADEF_TAG]) {
        return json_incref(items);
    }
    json_t *collection = kind->is_map ? json_object() : json_array(), *each;
    size_t i;
    json_array_foreach(items, i, each)
    {
        json_t *name = json_object_get(each, "name");
        if (kind->is_map) {
            json_object_set(collection, json_string_value(name), each);
        } else {
            json_array_append_new(collection, json_pack("{s:O}", "name", name));
        }
    }
    return collection;
}

json_t *
metadef_prefixed(json_t *properties, const char *prefix)
{
    json_t *prefixed = json_object(), *each;
    const char *name;
    json_object_foreach(properties, name, each)
    {
        g_autofree char *full = g_strconcat(prefix, name, NULL);
        json_object_set(prefixed, full, each);
    }
    return prefixed;
}

// ---- create and update
static enum rc
check_sort_key(const char *key, struct err *err)
{
    static const char *const keys[] = {"namespace",  "display_name", "visibility", "owner",
                                       "created_at", "updated_at",   NULL};
    return g_strv_contains(keys, key)
               ? RC_OK
               : fault(err, RC_INVALID, "Invalid sort key: %.60s (sort_key)", key);
}

// The items of the body as arrays with names; RC_FORBIDDEN when the policy forbids one kind.
static enum rc
read_items(const struct request *request, json_t *body, json_t *items[N_METADEF_KINDS],
           struct err *err)
{
    for (int i = 0; i < N_METADEF_KINDS; i++) {
        const struct metadef_kind *kind = &metadef_kinds[i];
        json_t *given = json_object_get(body, kind->member), *each;
        const char *name;
        if (!given) {
            continue;
        }
        enum rc rc = request_allow(request, kind->add, NULL, err);
        if (rc != RC_OK) {
            return rc;
        }
        items[i] = kind->is_map ? json_array() : json_incref(given);
        json_object_foreach(given, name, each)
        {
            json_t *item = json_copy(each);
            json_object_set_new(item, "name", json_string(name));
            json_array_append_new(items[i], item);
            rc = metadef_check(kind->schema, item, err);
            if (rc != RC_OK) {
                return rc;
            }
        }
    }
    return RC_OK;
}

static void
set_defaults(const struct request *request, json_t *body)
{
    json_auto_t *defaults = json_pack("{s:s, s:b, s:s}", "visibility", "private", "protected", 0,
                                      "owner", request_project(request));
    json_object_update_missing(body, defaults);
}

// What was created, with what the client gave for its contents.
static void
echo_items(json_t *body, const char *item, struct reply *reply)
{
    reply->json = json_loads(item, 0, NULL);
    for (int i = 0; i < N_METADEF_KINDS; i++) {
        json_t *given = json_object_get(body, metadef_kinds[i].member);
        if (given) {
            json_object_set(reply->json, metadef_kinds[i].member, given);
        }
    }
    reply_header(reply, "Location", json_string_value(json_object_get(reply->json, "self")));
}

static enum rc
namespaces_create(struct request *request, struct reply *reply, struct err *err)
{
    json_t *body = request_json(request), *items[N_METADEF_KINDS] = {0};
    g_autofree char *item = NULL;
    struct db *db;
    enum rc rc = metadef_check("namespace", body, err);
    if (rc == RC_OK) {
        rc = read_items(request, body, items, err);
    }
    if (rc == RC_OK) {
        rc = request_db(request, &db, err);
    }
    if (rc == RC_OK) {
        set_defaults(request, body);
        rc = metadef_db_create(db, body, items, &item, err);
    }
    for (int i = 0; i < N_METADEF_KINDS; i++) {
        json_decref(items[i]);
    }
    if (rc == RC_OK) {
        echo_items(body, item, reply);
    }
    return rc;
}

static enum rc
namespaces_update(struct request *request, struct reply *reply, struct err *err)
{
    g_autoptr(metadef_space) space = NULL;
    struct db *db;
    enum rc rc = metadef_load(request, "modify_metadef_namespace", &db, &space, err);
    if (rc == RC_OK) {
        rc = metadef_check("namespace", request_json(request), err);
    }
    if (rc == RC_OK) {
        set_defaults(request, request_json(request));
        rc = metadef_db_update(db, space, request_json(request), &reply->text, err);
    }
    return rc;
}

static enum rc
namespaces_delete(struct request *request, struct reply *reply, struct err *err)
{
    g_autoptr(metadef_space) space = NULL;
    struct db *db;
    enum rc rc = metadef_load(request, "delete_metadef_namespace", &db, &space, err);
    return rc == RC_OK ? metadef_db_delete(db, space, err) : rc;
}

// ---- show and list
// With ?resource_type= the names of properties are as this type of resource has them.
static void
apply_prefix(json_t *shown, const char *resource_type)
{
    json_t *each, *properties = json_object_get(shown, "properties"), *name;
    const char *prefix = NULL;
    size_t i, j;
    json_array_foreach(json_object_get(shown, "resource_type_associations"), i, each)
    {
        if (!strcmp(json_string_value(json_object_get(each, "name")), resource_type)) {
            prefix = json_string_value(json_object_get(each, "prefix"));
        }
    }
    if (!prefix) {
        return;
    }
    if (properties) {
        json_object_set_new(shown, "properties", metadef_prefixed(properties, prefix));
    }
    json_array_foreach(json_object_get(shown, "objects"), i, each)
    {
        json_t *required = json_object_get(each, "required");
        properties = json_object_get(each, "properties");
        if (properties) {
            json_object_set_new(each, "properties", metadef_prefixed(properties, prefix));
        }
        json_array_foreach(required, j, name)
        {
            json_array_set_new(required, j, json_sprintf("%s%s", prefix, json_string_value(name)));
        }
    }
}

static enum rc
namespaces_show(struct request *request, struct reply *reply, struct err *err)
{
    static const struct metadef_page all = {"created_at", true, NULL, INT64_MAX};
    const char *resource_type = request_query(request, "resource_type");
    g_autoptr(metadef_space) space = NULL;
    struct db *db;
    enum rc rc = metadef_load(request, "get_metadef_namespace", &db, &space, err);
    if (rc != RC_OK) {
        return rc;
    }
    json_auto_t *shown = json_loads(space->item, 0, NULL);
    for (int i = 0; rc == RC_OK && i < N_METADEF_KINDS; i++) {
        const struct metadef_kind *kind = &metadef_kinds[i];
        json_auto_t *items = NULL;
        rc = metadef_allow(request, kind->list, space, err);
        if (rc == RC_OK) {
            rc = metadef_item_db_list(db, space, kind, &all, &items, err);
        }
        if (rc == RC_OK && json_array_size(items)) {
            json_object_set_new(shown, kind->member, metadef_collection(kind, items));
        }
    }
    if (rc == RC_OK && resource_type) {
        apply_prefix(shown, resource_type);
    }
    reply->json = rc == RC_OK ? json_incref(shown) : NULL;
    return rc;
}

static enum rc
namespaces_list(struct request *request, struct reply *reply, struct err *err)
{
    struct metadef_list list = {.viewer = viewer_of(request),
                                .page.limit = DEFAULT_LIMIT,
                                .visibility = request_query(request, "visibility"),
                                .resource_types = request_query(request, "resource_types"),
                                .owner = request_query(request, "owner")};
    g_autofree char *items = NULL, *last = NULL;
    struct db *db;
    enum rc rc = metadef_page_read(request, &list.page, err);
    list.page.limit = MIN(list.page.limit, MAX_LIMIT);
    if (rc == RC_OK) {
        rc = check_sort_key(list.page.sort_key, err);
    }
    if (rc == RC_OK && list.visibility && strcmp(list.visibility, "public") &&
        strcmp(list.visibility, "private")) {
        return fault(err, RC_INVALID, "Invalid visibility value: %.60s", list.visibility);
    }
    if (rc == RC_OK) {
        rc = request_db(request, &db, err);
    }
    if (rc == RC_OK) {
        rc = metadef_db_list(db, &list, &items, &last, err);
    }
    if (rc == RC_OK) {
        g_autofree char *links = page_links(request, "/v2/metadefs/namespaces", last);
        reply->text = g_strdup_printf(
            "{\"namespaces\": %s, %s, \"schema\": \"/v2/schemas/metadefs/namespaces\"}", items,
            links);
    }
    return rc;
}

static enum rc
resource_types_list(struct request *request, struct reply *reply, struct err *err)
{
    g_autofree char *items = NULL;
    struct db *db;
    enum rc rc = request_db(request, &db, err);
    if (rc == RC_OK) {
        rc = metadef_db_resource_types(db, &items, err);
    }
    if (rc == RC_OK) {
        reply->text = g_strdup_printf("{\"resource_types\": %s}", items);
    }
    return rc;
}

static enum rc
schemas_show(struct request *request, struct reply *reply, struct err *err)
{
    const char *name = request_param(request, "name");
    reply->json = metadef_schema(name);
    return reply->json ? RC_OK : fault(err, RC_NOT_FOUND, "No schema is called '%.60s'", name);
}

#define SPACES "/v2/metadefs/namespaces"
// clang-format off
const struct route metadef_routes[] = {
    {.method = "GET", .path = "/v2/schemas/metadefs/{name}", .handle = schemas_show, .status = 200, .summary = "show a JSON schema of the metadata definitions"},
    {.method = "GET", .path = "/v2/metadefs/resource_types", .handle = resource_types_list, .policy = "list_metadef_resource_types", .status = 200,
     .summary = "list resource types"},
    {.method = "GET", .path = SPACES, .handle = namespaces_list, .policy = "get_metadef_namespaces", .status = 200, .summary = "list namespaces of metadata definitions"},
    {.method = "POST", .path = SPACES, .handle = namespaces_create, .policy = "add_metadef_namespace", .status = 201, .summary = "create a namespace"},
    {.method = "GET", .path = SPACES "/{namespace}", .handle = namespaces_show, .status = 200, .summary = "show a namespace with its contents"},
    {.method = "PUT", .path = SPACES "/{namespace}", .handle = namespaces_update, .status = 200, .summary = "replace a namespace's attributes"},
    {.method = "DELETE", .path = SPACES "/{namespace}", .handle = namespaces_delete, .status = 204, .summary = "delete a namespace with its contents"},
    {0},
};
// clang-format on
