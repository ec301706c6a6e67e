// SPDX-License-Identifier: Apache-2.0
// Images as records: create, show, delete, tags, deactivation.
#include "common/db/idempotency.h"
#include "services/image/access.h"
#include "services/image/api.h"
#include "services/image/catalog/attributes.h"
#include "services/image/catalog/image_fsm.h"
#include "services/image/catalog/image_sql.h"
#include "services/image/catalog/images.h"
#include "services/image/catalog/locations.h"

#include <string.h>

static json_t *
default_values(const struct request *request)
{
    return json_pack("{s:s, s:n, s:s, s:b, s:b, s:n, s:n, s:i, s:i, s:[], s:{}}", "owner",
                     request_project(request), "name", "visibility", "shared", "protected", 0,
                     "os_hidden", 0, "container_format", "disk_format", "min_disk", 0, "min_ram", 0,
                     "tags", "properties");
}

static enum rc
take_attribute(json_t *values, const char *name, json_t *value, struct err *err)
{
    enum rc rc = image_attribute_check(name, value, true, err);
    if (rc != RC_OK) {
        return rc;
    }
    if (!strcmp(name, "tags")) {
        json_auto_t *tags = NULL;
        rc = image_tags_check(value, &tags, err);
        json_object_set(values, name, tags);
    } else if (image_attribute_find(name)) {
        json_object_set(values, name, value);
    } else {
        json_object_set(json_object_get(values, "properties"), name, value);
    }
    return rc;
}

enum rc
image_values_from(const struct request *request, json_t *body, json_t **ret_values, struct err *err)
{
    json_t *value;
    const char *name;
    if (!json_is_object(body)) {
        return fault(err, RC_INVALID, "Body expected in request: a JSON object.");
    }
    json_auto_t *values = default_values(request);
    json_object_foreach(body, name, value)
    {
        enum rc rc = take_attribute(values, name, value, err);
        if (rc != RC_OK) {
            return rc;
        }
    }
    if (json_is_null(json_object_get(values, "owner"))) {
        json_object_set_new(values, "owner", json_string(request_project(request)));
    }
    if (json_object_size(json_object_get(values, "properties")) > MAX_PROPERTIES) {
        return fault(err, RC_TOO_LARGE,
                     "The limit has been exceeded on the number of allowed image properties. "
                     "Maximum: %d",
                     MAX_PROPERTIES);
    }
    *ret_values = json_incref(values);
    return RC_OK;
}

enum rc
image_allow_create(const struct request *request, json_t *values, struct err *err)
{
    const char *owner = json_string_value(json_object_get(values, "owner"));
    const char *visibility = json_string_value(json_object_get(values, "visibility"));
    if (!*owner) {
        return fault(err, RC_FORBIDDEN,
                     "You are not permitted to create images without a project.");
    }
    enum rc rc = image_allow_new(request, "add_image", owner, visibility, err);
    if (rc == RC_OK && !strcmp(visibility, "public")) {
        rc = image_allow_new(request, "publicize_image", owner, visibility, err);
    }
    if (rc == RC_OK && !strcmp(visibility, "community")) {
        rc = image_allow_new(request, "communitize_image", owner, visibility, err);
    }
    return rc;
}

struct creation {
    char id[UUID_SIZE];
    json_t *values;
    const char *key, *request_hash;
    char *existing;
};

static enum rc
create_in_tx(struct db *db, void *argument, struct err *err)
{
    struct creation *creation = argument;
    g_clear_pointer(&creation->existing, g_free);
    const char *owner = json_string_value(json_object_get(creation->values, "owner"));
    enum rc rc = idempotency_claim(db, owner, creation->key, creation->request_hash, creation->id,
                                   &creation->existing, err);
    return rc == RC_OK && !creation->existing
               ? image_db_create(db, creation->id, creation->values, err)
               : rc;
}

static enum rc
reply_with_image(struct request *request, struct db *db, const char *id, struct reply *reply,
                 struct err *err)
{
    struct viewer viewer = viewer_of(request);
    enum rc rc = image_db_show(db, &viewer, id, &reply->text, err);
    return rc == RC_OK ? locations_in_image(request, db, &reply->text, err) : rc;
}

static enum rc
images_create(struct request *request, struct reply *reply, struct err *err)
{
    json_auto_t *values = NULL;
    struct db *db = NULL;
    enum rc rc = image_values_from(request, request_json(request), &values, err);
    if (rc == RC_OK) {
        rc = image_allow_create(request, values, err);
    }
    if (rc == RC_OK) {
        rc = request_db(request, &db, err);
    }
    if (rc != RC_OK) {
        return rc;
    }
    g_autofree char *canonical = json_dumps(request_json(request), JSON_SORT_KEYS | JSON_COMPACT);
    g_autofree char *hash = sha256_hex(canonical, strlen(canonical));
    struct creation creation = {
        .values = values, .key = request_header(request, "Idempotency-Key"), .request_hash = hash};
    const char *given = json_string_value(json_object_get(values, "id"));
    if (given) {
        g_autofree char *lower = g_ascii_strdown(given, -1);
        g_strlcpy(creation.id, lower, sizeof creation.id);
    } else {
        uuid_new(creation.id);
    }
    rc = db_tx(db, create_in_tx, &creation, err);
    g_autofree char *existing = creation.existing;
    const char *id = existing ? existing : creation.id;
    if (rc == RC_OK) {
        rc = reply_with_image(request, db, id, reply, err);
    }
    if (rc == RC_OK) {
        reply_header_format(reply, "Location", "%s/v2/images/%s", request_base_url(request), id);
        reply_header(reply, "OpenStack-image-import-methods", IMPORT_METHODS);
        reply_header(reply, "OpenStack-image-store-ids",
                     stores_ids(image_service_of(request)->stores));
    }
    return rc;
}

static enum rc
images_show(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db;
    g_autoptr(image_row) row = NULL;
    enum rc rc = image_open(request, "get_image", &db, &row, err);
    return rc == RC_OK ? reply_with_image(request, db, row->id, reply, err) : rc;
}

struct transition {
    struct request *request;
    enum image_event event;
    const char *rule;
};

static enum rc
transition_in_tx(struct db *db, void *argument, struct err *err)
{
    const struct transition *transition = argument;
    struct viewer viewer = viewer_of(transition->request);
    g_autoptr(image_row) row = NULL;
    const char *status = NULL;
    enum rc rc =
        image_db_find(db, &viewer, request_param(transition->request, "image_id"), true, &row, err);
    if (rc == RC_OK) {
        rc = image_allow(transition->request, transition->rule, row, NULL, err);
    }
    if (rc == RC_OK && transition->event == IMAGE_DELETE && row->protected) {
        return fault(err, RC_FORBIDDEN, "Image %s is protected and cannot be deleted.", row->id);
    }
    if (rc == RC_OK) {
        rc = image_fsm_step(row->status, transition->event, &status, err);
        // Glance calls the two actions in a wrong state forbidden, not in conflict.
        if (rc == RC_CONFLICT && transition->event != IMAGE_DELETE) {
            return fault(err, RC_FORBIDDEN,
                         "Not allowed to change the status of image %s from '%s'", row->id,
                         row->status);
        }
    }
    return rc == RC_OK && strcmp(status, row->status) ? image_db_set_status(db, row, status, err)
                                                      : rc;
}

static enum rc
images_transition(struct request *request, struct reply *reply, struct err *err)
{
    const struct transition *constant = request_route(request)->data;
    struct transition transition = *constant;
    transition.request = request;
    struct db *db;
    enum rc rc = request_db(request, &db, err);
    return rc == RC_OK ? db_tx(db, transition_in_tx, &transition, err) : rc;
}

static enum rc
tags_put(struct request *request, struct reply *reply, struct err *err)
{
    const char *tag = request_param(request, "tag");
    struct db *db;
    g_autoptr(image_row) row = NULL;
    if (!*tag || !text_is_clean(tag, 255)) {
        return fault(err, RC_INVALID, "Tag must be 1 to 255 characters long");
    }
    enum rc rc = image_open(request, "modify_image", &db, &row, err);
    return rc == RC_OK ? image_db_tag(db, row->id, tag, err) : rc;
}

static enum rc
tags_delete(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db;
    g_autoptr(image_row) row = NULL;
    enum rc rc = image_open(request, "modify_image", &db, &row, err);
    return rc == RC_OK ? image_db_untag(db, row->id, request_param(request, "tag"), err) : rc;
}

static const struct transition to_deleted = {.event = IMAGE_DELETE, .rule = "delete_image"};
static const struct transition to_deactivated = {.event = IMAGE_DEACTIVATE, .rule = "deactivate"};
static const struct transition to_reactivated = {.event = IMAGE_REACTIVATE, .rule = "reactivate"};

// clang-format off
const struct route images_routes[] = {
    {.method = "GET", .path = "/v2/images", .handle = images_list, .status = 200, .summary = "list images"},
    {.method = "POST", .path = "/v2/images", .handle = images_create, .status = 201, .summary = "create an image"},
    {.method = "DELETE", .path = "/v2/images", .handle = images_nameless, .status = 204, .summary = "not allowed: an id is missing"},
    {.method = "GET", .path = "/v2/images/{image_id}", .handle = images_show, .status = 200, .summary = "show an image"},
    {.method = "PATCH", .path = "/v2/images/{image_id}", .handle = images_patch, .status = 200, .flags = ROUTE_SLOW,
     .is_quick = images_patch_is_quick, .summary = "change an image"},
    {.method = "DELETE", .path = "/v2/images/{image_id}", .handle = images_transition, .status = 204, .data = &to_deleted,
     .summary = "delete an image"},
    {.method = "POST", .path = "/v2/images/{image_id}/actions/deactivate", .handle = images_transition, .status = 204,
     .flags = ROUTE_ANY_BODY, .data = &to_deactivated, .summary = "stop downloads of an image"},
    {.method = "POST", .path = "/v2/images/{image_id}/actions/reactivate", .handle = images_transition, .status = 204,
     .flags = ROUTE_ANY_BODY, .data = &to_reactivated, .summary = "allow downloads of an image again"},
    {.method = "PUT", .path = "/v2/images/{image_id}/tags/{tag}", .handle = tags_put, .status = 204, .flags = ROUTE_ANY_BODY,
     .summary = "add a tag"},
    {.method = "DELETE", .path = "/v2/images/{image_id}/tags/{tag}", .handle = tags_delete, .status = 204, .flags = ROUTE_ANY_BODY,
     .summary = "remove a tag"},
    {0},
};
// clang-format on
