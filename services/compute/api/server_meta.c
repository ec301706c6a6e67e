// SPDX-License-Identifier: Apache-2.0
// /servers/{id}/metadata and /servers/{id}/tags.
#include "services/compute/api/server_meta.h"

#include <string.h>

#include "common/base/util.h"
#include "services/compute/api/server.h"
#include "services/compute/api/server_change_db.h"

#define MAX_TAGS 50
#define MAX_TAG_CHARS 60

enum rc
meta_check(json_t *metadata, struct err *err)
{
    const char *key;
    json_t *value;
    json_object_foreach(metadata, key, value)
    {
        size_t length = (size_t)g_utf8_strlen(key, -1);
        if (length < 1 || length > 255 ||
            strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_:. ") !=
                strlen(key)) {
            return fault(err, RC_INVALID,
                         "Invalid input for field 'metadata': '%.100s' is no valid key", key);
        }
        if (!json_is_string(value) || g_utf8_strlen(json_string_value(value), -1) > 255) {
            return fault(
                err, RC_INVALID,
                "Invalid input for field '%.100s': it is not a text of at most 255 characters",
                key);
        }
    }
    return RC_OK;
}

enum rc
tag_check(const char *tag, struct err *err)
{
    if (!tag || !*tag || !text_is_clean(tag, MAX_TAG_CHARS) || strpbrk(tag, "/,")) {
        return fault(
            err, RC_INVALID,
            "Invalid input for field 'tags': a tag has 1 to 60 characters without '/' and ','");
    }
    return RC_OK;
}

enum rc
tags_check(json_t *tags, struct err *err)
{
    size_t i;
    json_t *tag;
    if (json_array_size(tags) > MAX_TAGS) {
        return fault(err, RC_INVALID, "Invalid input for field 'tags': there are more than %d",
                     MAX_TAGS);
    }
    json_array_foreach(tags, i, tag)
    {
        enum rc rc = tag_check(json_string_value(tag), err);
        if (rc != RC_OK) {
            return rc;
        }
    }
    return RC_OK;
}

static enum rc
find_unlocked(struct request *request, struct db **ret_db, struct server_brief *ret_server,
              struct err *err)
{
    enum rc rc = server_find(request, ret_db, ret_server, err);
    if (rc == RC_OK && ret_server->is_locked && !request_is_admin(request)) {
        rc = fault(err, RC_CONFLICT, "Instance %s is locked", ret_server->id);
    }
    return rc;
}

static enum rc
meta_list(struct request *request, struct reply *reply, struct err *err)
{
    struct server_brief server;
    struct db *db;
    g_autoptr(db_result) rows = NULL;
    enum rc rc = server_find(request, &db, &server, err);
    if (rc == RC_OK && (rc = server_db_metadata(db, server.id, &rows, err)) == RC_OK) {
        item_reply(reply, "metadata", rows);
    }
    return rc;
}

static enum rc
meta_show(struct request *request, struct reply *reply, struct err *err)
{
    struct server_brief server;
    struct db *db;
    g_autoptr(db_result) rows = NULL;
    const char *key = request_param(request, "key");
    enum rc rc = server_find(request, &db, &server, err);
    if (rc != RC_OK || (rc = server_db_metadata(db, server.id, &rows, err)) != RC_OK) {
        return rc;
    }
    json_auto_t *metadata = json_loads(db_text(rows, 0, "item"), 0, NULL);
    json_t *value = json_object_get(metadata, key);
    if (!value) {
        return fault(err, RC_NOT_FOUND, "Metadata item was not found");
    }
    reply->json = json_pack("{s:{s:O}}", "meta", key, value);
    return RC_OK;
}

static enum rc
store_metadata(struct request *request, struct reply *reply, json_t *metadata, bool replaces,
               struct err *err)
{
    struct server_brief server;
    struct db *db;
    g_autoptr(db_result) rows = NULL;
    enum rc rc = meta_check(metadata, err);
    if (rc != RC_OK || (rc = find_unlocked(request, &db, &server, err)) != RC_OK) {
        return rc;
    }
    char *text = json_dumps(metadata, JSON_COMPACT);
    rc = server_db_set_metadata(db, &server, text, replaces, &rows, err);
    free(text);
    if (rc == RC_OK) {
        item_reply(reply, "metadata", rows);
    }
    return rc;
}

// POST adds to what is there, PUT replaces it.
static enum rc
meta_store(struct request *request, struct reply *reply, struct err *err)
{
    json_t *root = request_json(request), *metadata = json_object_get(root, "metadata");
    if (!json_is_object(metadata) || json_object_size(root) != 1) {
        return fault(err, RC_INVALID,
                     "Invalid input for field 'metadata': it is not of type 'object'");
    }
    return store_metadata(request, reply, metadata, strcmp(request_method(request), "PUT") == 0,
                          err);
}

static enum rc
meta_item_store(struct request *request, struct reply *reply, struct err *err)
{
    json_t *root = request_json(request), *meta = json_object_get(root, "meta");
    const char *key = request_param(request, "key");
    if (!json_is_object(meta) || json_object_size(root) != 1 || json_object_size(meta) != 1) {
        return fault(err, RC_INVALID, "Invalid input for field 'meta': it must hold one item");
    }
    if (!json_object_get(meta, key)) {
        return fault(err, RC_INVALID, "Request body and URI mismatch");
    }
    enum rc rc = store_metadata(request, reply, meta, false, err);
    if (rc == RC_OK) {
        g_clear_pointer(&reply->text, g_free);
        reply->json = json_pack("{s:O}", "meta", meta);
    }
    return rc;
}

static enum rc
meta_item_delete(struct request *request, struct reply *reply, struct err *err)
{
    struct server_brief server;
    struct db *db;
    enum rc rc = find_unlocked(request, &db, &server, err);
    return rc == RC_OK ? server_db_unset_metadata(db, server.id, request_param(request, "key"), err)
                       : rc;
}

static enum rc
tag_list(struct request *request, struct reply *reply, struct err *err)
{
    struct server_brief server;
    struct db *db;
    g_autoptr(db_result) rows = NULL;
    enum rc rc = server_find(request, &db, &server, err);
    if (rc == RC_OK && (rc = server_db_tags(db, server.id, &rows, err)) == RC_OK) {
        item_reply(reply, "tags", rows);
    }
    return rc;
}

static enum rc
tag_list_store(struct request *request, struct reply *reply, struct err *err)
{
    json_t *root = request_json(request), *tags = json_object_get(root, "tags");
    struct server_brief server;
    struct db *db;
    if (!json_is_array(tags) || json_object_size(root) != 1) {
        return fault(err, RC_INVALID, "Invalid input for field 'tags': it is not of type 'array'");
    }
    enum rc rc = tags_check(tags, err);
    if (rc != RC_OK || (rc = find_unlocked(request, &db, &server, err)) != RC_OK) {
        return rc;
    }
    char *text = json_dumps(tags, JSON_COMPACT);
    rc = server_db_set_tags(db, server.id, text, err);
    free(text);
    return rc == RC_OK ? tag_list(request, reply, err) : rc;
}

static enum rc
tag_list_delete(struct request *request, struct reply *reply, struct err *err)
{
    struct server_brief server;
    struct db *db;
    enum rc rc = find_unlocked(request, &db, &server, err);
    return rc == RC_OK ? server_db_set_tags(db, server.id, "[]", err) : rc;
}

static enum rc
tag_show(struct request *request, struct reply *reply, struct err *err)
{
    struct server_brief server;
    struct db *db;
    enum rc rc = server_find(request, &db, &server, err);
    return rc == RC_OK ? server_db_find_tag(db, server.id, request_param(request, "tag"), err) : rc;
}

static enum rc
tag_store(struct request *request, struct reply *reply, struct err *err)
{
    struct server_brief server;
    struct db *db;
    bool is_new = false;
    const char *tag = request_param(request, "tag");
    enum rc rc = tag_check(tag, err);
    if (rc != RC_OK || (rc = find_unlocked(request, &db, &server, err)) != RC_OK ||
        (rc = server_db_add_tag(db, server.id, tag, MAX_TAGS, &is_new, err)) != RC_OK) {
        return rc;
    }
    reply->status = is_new ? 201 : 204;
    if (is_new) {
        reply_header_format(reply, "Location", "%s%s", request_base_url(request),
                            request_url(request));
    }
    return RC_OK;
}

static enum rc
tag_delete(struct request *request, struct reply *reply, struct err *err)
{
    struct server_brief server;
    struct db *db;
    enum rc rc = find_unlocked(request, &db, &server, err);
    return rc == RC_OK ? server_db_remove_tag(db, server.id, request_param(request, "tag"), err)
                       : rc;
}

#define META "/v2.1/servers/{server_id}/metadata"
#define TAGS "/v2.1/servers/{server_id}/tags"
// clang-format off
const struct route server_item_routes[] = {
    {.method = "GET", .path = META, .handle = meta_list, .status = 200, .summary = "list a server's metadata"},
    {.method = "POST", .path = META, .handle = meta_store, .status = 200, .summary = "add to a server's metadata"},
    {.method = "PUT", .path = META, .handle = meta_store, .status = 200, .summary = "replace a server's metadata"},
    {.method = "GET", .path = META "/{key}", .handle = meta_show, .status = 200, .summary = "show an item of metadata"},
    {.method = "PUT", .path = META "/{key}", .handle = meta_item_store, .status = 200, .summary = "set an item of metadata"},
    {.method = "DELETE", .path = META "/{key}", .handle = meta_item_delete, .status = 204, .summary = "delete an item of metadata"},
    {.method = "GET", .path = TAGS, .handle = tag_list, .status = 200, .min_version = 26, .summary = "list a server's tags"},
    {.method = "PUT", .path = TAGS, .handle = tag_list_store, .status = 200, .min_version = 26, .summary = "replace a server's tags"},
    {.method = "DELETE", .path = TAGS, .handle = tag_list_delete, .status = 204, .min_version = 26, .summary = "delete a server's tags"},
    {.method = "GET", .path = TAGS "/{tag}", .handle = tag_show, .status = 204, .min_version = 26, .summary = "check for a tag"},
    {.method = "PUT", .path = TAGS "/{tag}", .handle = tag_store, .status = 201, .min_version = 26, .summary = "add a tag"},
    {.method = "DELETE", .path = TAGS "/{tag}", .handle = tag_delete, .status = 204, .min_version = 26, .summary = "delete a tag"},
    {0},
};
// clang-format on
