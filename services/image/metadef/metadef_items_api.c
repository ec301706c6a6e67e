// SPDX-License-Identifier: Apache-2.0
// What is in a namespace: one set of handlers, the route's row names the kind.
#include "services/image/access.h"
#include "services/image/api.h"
#include "services/image/metadef/metadef.h"

#include <string.h>

static const struct metadef_kind *
kind_of(const struct request *request)
{
    return request_route(request)->data;
}

static enum rc
items_list(struct request *request, struct reply *reply, struct err *err)
{
    static const char *const sort_keys[] = {"name", "created_at", "updated_at", NULL};
    const struct metadef_kind *kind = kind_of(request);
    struct metadef_page page = {.limit = INT64_MAX};
    g_autoptr(metadef_space) space = NULL;
    json_auto_t *items = NULL;
    struct db *db;
    enum rc rc = metadef_page_read(request, &page, err);
    if (rc == RC_OK && !g_strv_contains(sort_keys, page.sort_key)) {
        return fault(err, RC_INVALID, "Invalid sort key: %.60s (sort_key)", page.sort_key);
    }
    if (rc == RC_OK) {
        rc = metadef_load(request, kind->list, &db, &space, err);
    }
    if (rc == RC_OK) {
        rc = metadef_item_db_list(db, space, kind, &page, &items, err);
    }
    if (rc == RC_OK) {
        reply->json = json_pack("{s:o}", kind->member, metadef_collection(kind, items));
        if (kind == &metadef_kinds[METADEF_OBJECT]) {
            json_object_set_new(reply->json, "schema", json_string("v2/schemas/metadefs/objects"));
        }
    }
    return rc;
}

static enum rc
item_create(struct request *request, struct reply *reply, struct err *err)
{
    const struct metadef_kind *kind = kind_of(request);
    json_t *body = request_json(request);
    g_autoptr(metadef_space) space = NULL;
    struct db *db;
    enum rc rc = metadef_load(request, kind->add, &db, &space, err);
    if (rc == RC_OK) {
        rc = metadef_check(kind->schema, body, err);
    }
    if (rc == RC_OK) {
        json_auto_t *items = json_pack("[O]", body);
        rc = metadef_item_db_add(db, space, kind, items, false, err);
    }
    return rc == RC_OK ? metadef_item_db_show(db, space, kind,
                                              json_string_value(json_object_get(body, "name")),
                                              &reply->json, err)
                       : rc;
}

// POST …/tags/{name} has no body.
static enum rc
tag_create(struct request *request, struct reply *reply, struct err *err)
{
    const struct metadef_kind *kind = kind_of(request);
    const char *name = request_param(request, "name");
    json_auto_t *tag = json_pack("{s:s}", "name", name);
    json_auto_t *items = json_pack("[O]", tag);
    g_autoptr(metadef_space) space = NULL;
    struct db *db;
    enum rc rc = metadef_load(request, kind->add, &db, &space, err);
    if (rc == RC_OK) {
        rc = metadef_check(kind->schema, tag, err);
    }
    if (rc == RC_OK) {
        rc = metadef_item_db_add(db, space, kind, items, false, err);
    }
    return rc == RC_OK ? metadef_item_db_show(db, space, kind, name, &reply->json, err) : rc;
}

// POST …/tags replaces the tags, or adds to them with the header X-Openstack-Append.
static enum rc
tags_create(struct request *request, struct reply *reply, struct err *err)
{
    const struct metadef_kind *kind = kind_of(request);
    const char *header = request_header(request, "X-Openstack-Append");
    json_t *tags = json_object_get(request_json(request), "tags"), *each;
    g_autoptr(metadef_space) space = NULL;
    bool append = false;
    struct db *db;
    size_t i;
    enum rc rc = metadef_load(request, "add_metadef_tags", &db, &space, err);
    if (rc == RC_OK && header && !parse_bool(header, &append)) {
        return fault(err, RC_INVALID, "X-Openstack-Append is not a boolean");
    }
    if (rc == RC_OK && !json_is_array(tags)) {
        return fault(err, RC_INVALID, "'tags' is required and an array");
    }
    for (i = 0; rc == RC_OK && (each = json_array_get(tags, i)); i++) {
        rc = metadef_check(kind->schema, each, err);
    }
    if (rc == RC_OK) {
        rc = metadef_item_db_add(db, space, kind, tags, !append, err);
    }
    if (rc == RC_OK) {
        reply->json = json_pack("{s:o}", "tags", metadef_collection(kind, tags));
    }
    return rc;
}

// The prefix that the namespace gives properties of this type of resource.
static enum rc
find_prefix(struct db *db, const metadef_space *space, const char *resource_type, char **ret_prefix,
            struct err *err)
{
    json_auto_t *association = NULL;
    enum rc rc = metadef_item_db_show(db, space, &metadef_kinds[METADEF_RESOURCE_TYPE],
                                      resource_type, &association, err);
    const char *prefix = json_string_value(json_object_get(association, "prefix"));
    *ret_prefix = g_strdup(prefix ? prefix : "");
    return rc;
}

static enum rc
item_show(struct request *request, struct reply *reply, struct err *err)
{
    const struct metadef_kind *kind = kind_of(request);
    const char *name = request_param(request, "name"), *own = name;
    const char *resource_type = request_query(request, "resource_type");
    g_autoptr(metadef_space) space = NULL;
    g_autofree char *prefix = NULL;
    struct db *db;
    enum rc rc = metadef_load(request, kind->get, &db, &space, err);
    if (rc == RC_OK && resource_type && kind->is_map) {
        rc = find_prefix(db, space, resource_type, &prefix, err);
        if (rc == RC_OK && !g_str_has_prefix(name, prefix)) {
            return fault(
                err, RC_NOT_FOUND,
                "Property %.80s does not start with the expected resource type association "
                "prefix of '%.80s'.",
                name, prefix);
        }
        own = rc == RC_OK ? name + strlen(prefix) : name;
    }
    if (rc == RC_OK) {
        rc = metadef_item_db_show(db, space, kind, own, &reply->json, err);
    }
    if (rc == RC_OK) {
        json_object_set_new(reply->json, "name", json_string(name));
    }
    return rc;
}

static enum rc
item_update(struct request *request, struct reply *reply, struct err *err)
{
    const struct metadef_kind *kind = kind_of(request);
    json_t *body = request_json(request);
    g_autoptr(metadef_space) space = NULL;
    struct db *db;
    enum rc rc = metadef_load(request, kind->modify, &db, &space, err);
    if (rc == RC_OK) {
        rc = metadef_check(kind->schema, body, err);
    }
    if (rc == RC_OK) {
        rc = metadef_item_db_update(db, space, kind, request_param(request, "name"), body, err);
    }
    return rc == RC_OK ? metadef_item_db_show(db, space, kind,
                                              json_string_value(json_object_get(body, "name")),
                                              &reply->json, err)
                       : rc;
}

static enum rc
item_delete(struct request *request, struct reply *reply, struct err *err)
{
    const struct metadef_kind *kind = kind_of(request);
    g_autoptr(metadef_space) space = NULL;
    struct db *db;
    enum rc rc = metadef_load(request, kind->remove, &db, &space, err);
    return rc == RC_OK
               ? metadef_item_db_remove(db, space, kind, request_param(request, "name"), err)
               : rc;
}

static enum rc
items_clear(struct request *request, struct reply *reply, struct err *err)
{
    g_autoptr(metadef_space) space = NULL;
    struct db *db;
    enum rc rc = metadef_load(request, "delete_metadef_namespace", &db, &space, err);
    if (rc == RC_OK && kind_of(request) == &metadef_kinds[METADEF_TAG]) {
        rc = metadef_allow(request, "delete_metadef_tags", space, err);
    }
    return rc == RC_OK ? metadef_item_db_remove(db, space, kind_of(request), NULL, err) : rc;
}

#define OF "/v2/metadefs/namespaces/{namespace}/"
#define OBJECT &metadef_kinds[METADEF_OBJECT]
#define PROPERTY &metadef_kinds[METADEF_PROPERTY]
#define TAG &metadef_kinds[METADEF_TAG]
#define RESOURCE_TYPE &metadef_kinds[METADEF_RESOURCE_TYPE]
// clang-format off
const struct route metadef_items_routes[] = {
    {.method = "GET", .path = OF "objects", .data = OBJECT, .handle = items_list, .status = 200, .summary = "list objects"},
    {.method = "POST", .path = OF "objects", .data = OBJECT, .handle = item_create, .status = 201, .summary = "create an object"},
    {.method = "DELETE", .path = OF "objects", .data = OBJECT, .handle = items_clear, .status = 204, .summary = "delete all objects"},
    {.method = "GET", .path = OF "objects/{name}", .data = OBJECT, .handle = item_show, .status = 200, .summary = "show an object"},
    {.method = "PUT", .path = OF "objects/{name}", .data = OBJECT, .handle = item_update, .status = 200, .summary = "replace an object"},
    {.method = "DELETE", .path = OF "objects/{name}", .data = OBJECT, .handle = item_delete, .status = 204, .summary = "delete an object"},
    {.method = "GET", .path = OF "properties", .data = PROPERTY, .handle = items_list, .status = 200, .summary = "list properties"},
    {.method = "POST", .path = OF "properties", .data = PROPERTY, .handle = item_create, .status = 201, .summary = "create a property"},
    {.method = "DELETE", .path = OF "properties", .data = PROPERTY, .handle = items_clear, .status = 204, .summary = "delete all properties"},
    {.method = "GET", .path = OF "properties/{name}", .data = PROPERTY, .handle = item_show, .status = 200, .summary = "show a property"},
    {.method = "PUT", .path = OF "properties/{name}", .data = PROPERTY, .handle = item_update, .status = 200, .summary = "replace a property"},
    {.method = "DELETE", .path = OF "properties/{name}", .data = PROPERTY, .handle = item_delete, .status = 204, .summary = "delete a property"},
    {.method = "GET", .path = OF "tags", .data = TAG, .handle = items_list, .status = 200, .summary = "list tags"},
    {.method = "POST", .path = OF "tags", .data = TAG, .handle = tags_create, .status = 201, .summary = "replace or add tags"},
    {.method = "DELETE", .path = OF "tags", .data = TAG, .handle = items_clear, .status = 204, .summary = "delete all tags"},
    {.method = "GET", .path = OF "tags/{name}", .data = TAG, .handle = item_show, .status = 200, .summary = "show a tag"},
    {.method = "POST", .path = OF "tags/{name}", .data = TAG, .handle = tag_create, .flags = ROUTE_ANY_BODY, .status = 201, .summary = "create a tag"},
    {.method = "PUT", .path = OF "tags/{name}", .data = TAG, .handle = item_update, .status = 200, .summary = "rename a tag"},
    {.method = "DELETE", .path = OF "tags/{name}", .data = TAG, .handle = item_delete, .status = 204, .summary = "delete a tag"},
    {.method = "GET", .path = OF "resource_types", .data = RESOURCE_TYPE, .handle = items_list, .status = 200, .summary = "list associated resource types"},
    {.method = "POST", .path = OF "resource_types", .data = RESOURCE_TYPE, .handle = item_create, .status = 201, .summary = "associate a resource type"},
    {.method = "DELETE", .path = OF "resource_types/{name}", .data = RESOURCE_TYPE, .handle = item_delete, .status = 204, .summary = "end an association"},
    {0},
};
// clang-format on
