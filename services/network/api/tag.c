// SPDX-License-Identifier: Apache-2.0
#include "services/network/api/tag.h"

#include "services/network/api/neutron.h"
#include "services/network/api/tag_db.h"

#include <string.h>

enum { MAX_TAGS = 50, MAX_TAG_CHARS = 255 };

struct tagging {
    struct request *request;
    const struct resource *resource;
    json_t *wanted;  // replace: the new list; else NULL
    const char *tag; // add, remove, check: the one; else NULL
    bool removes;
    json_t *result;
};

static int
position(json_t *tags, const char *tag)
{
    for (size_t i = 0; i < json_array_size(tags); i++) {
        if (strcmp(json_string_value(json_array_get(tags, i)), tag) == 0) {
            return (int)i;
        }
    }
    return -1;
}

static enum rc
missing(const struct tagging *tagging, struct err *err)
{
    return fault_typed(err, RC_NOT_FOUND, "TagNotFound", "Tag %.255s could not be found.",
                       tagging->tag);
}

static enum rc
change(struct tagging *tagging, json_t *tags, struct err *err)
{
    int at = tagging->tag ? position(tags, tagging->tag) : -1;
    if (tagging->removes && tagging->tag) {
        return at < 0 ? missing(tagging, err) : (json_array_remove(tags, (size_t)at), RC_OK);
    }
    if (tagging->tag) {
        if (at < 0) {
            json_array_append_new(tags, json_string(tagging->tag));
        }
        return json_array_size(tags) <= MAX_TAGS
                   ? RC_OK
                   : fault(err, RC_INVALID,
                           "The number of tags exceed the per-resource limit of %d", MAX_TAGS);
    }
    json_array_clear(tags);
    size_t i;
    json_t *tag;
    json_array_foreach(tagging->wanted, i, tag)
    {
        if (position(tags, json_string_value(tag)) < 0) {
            json_array_append(tags, tag);
        }
    }
    return RC_OK;
}

static enum rc
write_tags(struct db *db, void *argument, struct err *err)
{
    struct tagging *tagging = argument;
    const char *id = request_param(tagging->request, "id");
    g_autofree char *item = NULL;
    json_auto_t *tags = NULL;
    enum rc rc = resource_item(tagging->request, db, tagging->resource, id, &item, err);
    if (rc == RC_OK) {
        rc = tag_db_read(db, tagging->resource, id,
                         neutron_is_admin(tagging->request) ? NULL
                                                            : request_project(tagging->request),
                         &tags, err);
    }
    if (rc == RC_OK) {
        rc = change(tagging, tags, err);
    }
    if (rc == RC_OK) {
        rc = tag_db_write(db, tagging->resource, id, tags, err);
    }
    json_decref(tagging->result);
    tagging->result = rc == RC_OK ? json_incref(tags) : NULL;
    return rc;
}

static enum rc
run(struct request *request, struct tagging *tagging, struct err *err)
{
    struct db *db;
    tagging->request = request;
    tagging->resource = request_route(request)->data;
    enum rc rc = request_db(request, &db, err);
    return rc == RC_OK ? db_tx(db, write_tags, tagging, err) : rc;
}

static enum rc
check_tag(const char *tag, struct err *err)
{
    long n_chars = tag ? g_utf8_strlen(tag, -1) : 0;
    if (n_chars < 1 || n_chars > MAX_TAG_CHARS || strchr(tag, ',')) {
        return fault(
            err, RC_INVALID,
            "Invalid input for tags. Reason: a tag is a text of 1 to %d characters without commas.",
            MAX_TAG_CHARS);
    }
    return RC_OK;
}

static enum rc
tag_replace(struct request *request, struct reply *reply, struct err *err)
{
    json_t *wanted = json_object_get(request_json(request), "tags");
    if (!json_is_array(wanted) || json_array_size(wanted) > MAX_TAGS) {
        return fault(err, RC_INVALID, "Invalid tags body: a list of at most %d tags is needed.",
                     MAX_TAGS);
    }
    enum rc rc = RC_OK;
    for (size_t i = 0; rc == RC_OK && i < json_array_size(wanted); i++) {
        rc = check_tag(json_string_value(json_array_get(wanted, i)), err);
    }
    struct tagging tagging = {.wanted = wanted};
    if (rc == RC_OK) {
        rc = run(request, &tagging, err);
    }
    if (rc == RC_OK) {
        reply->json = json_pack("{s:o}", "tags", tagging.result);
    }
    return rc;
}

static enum rc
run_quietly(struct request *request, struct tagging *tagging, struct err *err)
{
    enum rc rc = run(request, tagging, err);
    json_decref(tagging->result);
    return rc;
}

static enum rc
tag_clear(struct request *request, struct reply *reply, struct err *err)
{
    return run_quietly(request, &(struct tagging){.removes = true}, err);
}

static enum rc
tag_add(struct request *request, struct reply *reply, struct err *err)
{
    enum rc rc = check_tag(request_param(request, "tag"), err);
    return rc == RC_OK
               ? run_quietly(request, &(struct tagging){.tag = request_param(request, "tag")}, err)
               : rc;
}

static enum rc
tag_remove(struct request *request, struct reply *reply, struct err *err)
{
    return run_quietly(
        request, &(struct tagging){.tag = request_param(request, "tag"), .removes = true}, err);
}

static enum rc
read_tags(struct request *request, json_t **ret_tags, struct err *err)
{
    struct db *db;
    g_autofree char *item = NULL;
    enum rc rc = request_db(request, &db, err);
    if (rc == RC_OK) {
        rc = resource_item(request, db, request_route(request)->data, request_param(request, "id"),
                           &item, err);
    }
    if (rc == RC_OK) {
        json_auto_t *object = json_loads(item, 0, NULL);
        *ret_tags = json_incref(json_object_get(object, "tags"));
    }
    return rc;
}

static enum rc
tag_list(struct request *request, struct reply *reply, struct err *err)
{
    json_t *tags = NULL;
    enum rc rc = read_tags(request, &tags, err);
    if (rc == RC_OK) {
        reply->json = json_pack("{s:o}", "tags", tags);
    }
    return rc;
}

static enum rc
tag_check(struct request *request, struct reply *reply, struct err *err)
{
    json_auto_t *tags = NULL;
    enum rc rc = read_tags(request, &tags, err);
    const struct tagging tagging = {.tag = request_param(request, "tag")};
    return rc == RC_OK && position(tags, tagging.tag) < 0 ? missing(&tagging, err) : rc;
}

// clang-format off
#define TAG_ROUTES(resource_, path_) \
    {.method = "GET", .path = path_ "/{id}/tags", .handle = tag_list, .status = 200, .data = &resource_, .summary = "list tags"}, \
    {.method = "PUT", .path = path_ "/{id}/tags", .handle = tag_replace, .status = 200, .data = &resource_, .summary = "replace all tags"}, \
    {.method = "DELETE", .path = path_ "/{id}/tags", .handle = tag_clear, .status = 204, .data = &resource_, .summary = "remove all tags"}, \
    {.method = "GET", .path = path_ "/{id}/tags/{tag}", .handle = tag_check, .status = 204, .data = &resource_, .summary = "check a tag"}, \
    {.method = "PUT", .path = path_ "/{id}/tags/{tag}", .handle = tag_add, .flags = ROUTE_OPTIONAL_BODY, .status = 201, .data = &resource_, .summary = "add a tag"}, \
    {.method = "DELETE", .path = path_ "/{id}/tags/{tag}", .handle = tag_remove, .status = 204, .data = &resource_, .summary = "remove a tag"}

const struct route tag_routes[] = {
    TAG_ROUTES(network_resource, "/v2.0/networks"),
    TAG_ROUTES(subnet_resource, "/v2.0/subnets"),
    TAG_ROUTES(port_resource, "/v2.0/ports"),
    TAG_ROUTES(router_resource, "/v2.0/routers"),
    TAG_ROUTES(floatingip_resource, "/v2.0/floatingips"),
    TAG_ROUTES(security_group_resource, "/v2.0/security-groups"),
    TAG_ROUTES(subnetpool_resource, "/v2.0/subnetpools"),
    {0},
};
// clang-format on
