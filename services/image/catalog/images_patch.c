// SPDX-License-Identifier: Apache-2.0
// PATCH: the two dialects of JSON patch that Glance knows, checked before the transaction, applied
// inside it.
#include "common/db/usage.h"
#include "services/image/access.h"
#include "services/image/api.h"
#include "services/image/catalog/attributes.h"
#include "services/image/catalog/image_sql.h"
#include "services/image/catalog/locations.h"
#include "services/image/catalog/patch.h"

#include <string.h>

#define PATCH_V20 "application/openstack-images-v2.0-json-patch" // {"replace": "/name", "value": …}
#define PATCH_V21 \
    "application/openstack-images-v2.1-json-patch" // {"op": "replace", "path": "/name", …}
#define MAX_CHANGES 256
#define ONE_LOCATION "/locations/"

static const char *const op_names[N_OPS] = {"add", "replace", "remove"};

struct patch {
    struct request *request;
    bool is_v20;
    GArray *changes;
};

static void
change_clear(gpointer data)
{
    g_free(((struct change *)data)->name);
    g_free(((struct change *)data)->position);
}

static enum rc
choose_dialect(struct request *request, struct reply *reply, bool *ret_is_v20, struct err *err)
{
    const char *type = request_header(request, "Content-Type");
    g_autofree char *bare = g_strdup(type ? type : "");
    bare[strcspn(bare, "; ")] = 0;
    *ret_is_v20 = !g_ascii_strcasecmp(bare, PATCH_V20);
    if (*ret_is_v20 || !g_ascii_strcasecmp(bare, PATCH_V21)) {
        return RC_OK;
    }
    reply_header(reply, "Accept-Patch", PATCH_V20 ", " PATCH_V21);
    return fault(err, RC_MEDIA_TYPE, "Content-Type must be one of " PATCH_V20 ", " PATCH_V21);
}

static bool
is_position(const char *text)
{
    int64_t position;
    return !strcmp(text, "-") || parse_int64(text, 0, INT32_MAX, &position);
}

// One segment of a JSON pointer (RFC 6901), unescaped.
static enum rc
name_from_pointer(const char *pointer, char **ret_name, char **ret_position, struct err *err)
{
    if (!pointer || pointer[0] != '/') {
        return fault(err, RC_INVALID, "Pointer `%.200s` does not start with \"/\".",
                     pointer ? pointer : "");
    }
    if (g_str_has_prefix(pointer, ONE_LOCATION) && is_position(pointer + strlen(ONE_LOCATION))) {
        *ret_position = g_strdup(pointer + strlen(ONE_LOCATION));
        pointer = "/locations";
    }
    g_autoptr(GString) name = g_string_new(NULL);
    for (const char *c = pointer + 1; *c; c++) {
        if (*c == '/' || (*c == '~' && c[1] != '0' && c[1] != '1')) {
            return fault(err, RC_INVALID, "Invalid JSON pointer for this resource: '%.200s'",
                         pointer);
        }
        g_string_append_c(name, *c == '~' ? (*++c == '1' ? '/' : '~') : *c);
    }
    if (name->len == 0) {
        return fault(err, RC_INVALID, "Invalid JSON pointer for this resource: '%.200s'", pointer);
    }
    *ret_name = g_string_free(g_steal_pointer(&name), FALSE);
    return RC_OK;
}

static enum rc
read_op(json_t *raw, bool is_v20, enum op *ret_op, const char **ret_pointer, struct err *err)
{
    int found = -1;
    const char *name = json_string_value(json_object_get(raw, "op"));
    for (int i = 0; i < N_OPS; i++) {
        if (is_v20 ? json_object_get(raw, op_names[i]) != NULL
                   : name && !strcmp(name, op_names[i])) {
            if (found >= 0) {
                return fault(err, RC_INVALID,
                             "Operation objects must contain only one member named "
                             "\"add\", \"remove\", or \"replace\".");
            }
            found = i;
        }
    }
    if (found < 0) {
        return fault(err, RC_INVALID,
                     "Invalid operation: `%.50s`. It must be one of the following: "
                     "add, remove, replace.",
                     name ? name : "");
    }
    *ret_op = (enum op)found;
    *ret_pointer = json_string_value(json_object_get(raw, is_v20 ? op_names[found] : "path"));
    return RC_OK;
}

// One is added or removed, all of them are replaced.
static enum rc
check_location_path(const struct change *change, const char *pointer, struct err *err)
{
    return (change->op == OP_REPLACE) == !change->position
               ? RC_OK
               : fault(err, RC_INVALID, "Invalid JSON pointer for this resource: '%.200s'",
                       pointer);
}

static enum rc
read_change(json_t *raw, struct patch *patch, struct err *err)
{
    struct change change = {0};
    const char *pointer = NULL;
    if (!json_is_object(raw)) {
        return fault(err, RC_INVALID, "Operations must be JSON objects.");
    }
    enum rc rc = read_op(raw, patch->is_v20, &change.op, &pointer, err);
    if (rc == RC_OK) {
        rc = name_from_pointer(pointer, &change.name, &change.position, err);
    }
    if (rc != RC_OK) {
        return rc;
    }
    g_array_append_val(patch->changes, change);
    change.value = json_object_get(raw, "value");
    if (change.op != OP_REMOVE && !change.value) {
        return fault(err, RC_INVALID, "Operation \"%s\" requires a member named \"value\".",
                     op_names[change.op]);
    }
    g_array_index(patch->changes, struct change, patch->changes->len - 1) = change;
    if (!strcmp(change.name, "locations") && image_service_of(patch->request)->show_locations) {
        return check_location_path(&change, pointer, err);
    }
    return image_attribute_check(change.name, change.op == OP_REMOVE ? NULL : change.value, false,
                                 err);
}

static enum rc
read_changes(struct patch *patch, struct err *err)
{
    json_t *body = request_json(patch->request), *raw;
    if (!json_is_array(body) || json_array_size(body) > MAX_CHANGES) {
        return fault(err, RC_INVALID,
                     "Request body must be a JSON array of at most %d operation objects.",
                     MAX_CHANGES);
    }
    size_t i;
    json_array_foreach(body, i, raw)
    {
        enum rc rc = read_change(raw, patch, err);
        if (rc != RC_OK) {
            return rc;
        }
    }
    return RC_OK;
}

static enum rc
allow_change(const struct patch *patch, const struct change *change, const image_row *row,
             struct err *err)
{
    const char *text = json_string_value(change->value);
    if (!strcmp(change->name, "owner") && !viewer_of(patch->request).is_admin) {
        return fault(err, RC_FORBIDDEN, "Owner can't be updated by non admin.");
    }
    if (!strcmp(change->name, "visibility") && change->op != OP_REMOVE) {
        const char *rule = !strcmp(text, "public")      ? "publicize_image"
                           : !strcmp(text, "community") ? "communitize_image"
                                                        : "modify_image";
        return image_allow(patch->request, rule, row, NULL, err);
    }
    bool is_format =
        !strcmp(change->name, "disk_format") || !strcmp(change->name, "container_format");
    // Staged data waits for what was not said yet.
    bool is_missing =
        !strcmp(change->name, "disk_format") ? !row->disk_format : !row->container_format;
    if (is_format && strcmp(row->status, "queued") &&
        !(is_missing && !strcmp(row->status, "uploading"))) {
        return fault(err, RC_FORBIDDEN, "Attribute %s can be only replaced for a queued image.",
                     change->name);
    }
    return RC_OK;
}

static enum rc
apply_base(const struct change *change, json_t *values, struct err *err)
{
    if (change->op == OP_REMOVE) {
        return fault(err, RC_FORBIDDEN, "Property %s may not be removed.", change->name);
    }
    if (!strcmp(change->name, "tags")) {
        json_auto_t *tags = NULL;
        enum rc rc = image_tags_check(change->value, &tags, err);
        json_object_set(values, "tags", tags);
        return rc;
    }
    if (!strcmp(change->name, "owner") && json_is_null(change->value)) {
        return fault(err, RC_INVALID, "Invalid value for 'owner': an image has one");
    }
    json_object_set(values, change->name, change->value);
    return RC_OK;
}

static enum rc
apply_property(const struct patch *patch, const struct change *change, json_t *properties,
               struct err *err)
{
    bool exists = json_object_get(properties, change->name) != NULL;
    if (change->op != OP_ADD && !exists) {
        return fault(err, RC_CONFLICT, "Property %.255s does not exist.", change->name);
    }
    if (change->op == OP_ADD && exists && patch->is_v20) {
        return fault(err, RC_CONFLICT, "Property %.255s already present.", change->name);
    }
    if (change->op == OP_REMOVE) {
        json_object_del(properties, change->name);
    } else {
        json_object_set(properties, change->name, change->value);
    }
    return json_object_size(properties) <= MAX_PROPERTIES
               ? RC_OK
               : fault(err, RC_TOO_LARGE,
                       "The limit has been exceeded on the number of allowed image "
                       "properties. Maximum: %d",
                       MAX_PROPERTIES);
}

static enum rc
apply_changes(const struct patch *patch, const image_row *row, json_t *values, struct err *err)
{
    enum rc rc = RC_OK;
    for (guint i = 0; rc == RC_OK && i < patch->changes->len; i++) {
        const struct change *change = &g_array_index(patch->changes, struct change, i);
        rc = allow_change(patch, change, row, err);
        if (rc == RC_OK) {
            rc = image_attribute_find(change->name)
                     ? apply_base(change, values, err)
                     : apply_property(patch, change, json_object_get(values, "properties"), err);
        }
    }
    return rc;
}

// The new owner pays from the instant of the change.
static enum rc
move_usage(struct db *db, const image_row *row, json_t *values, struct err *err)
{
    const char *owner = json_string_value(json_object_get(values, "owner"));
    const char *name = json_string_value(json_object_get(values, "name"));
    if (!row->has_data || !strcmp(owner, row->owner)) {
        return RC_OK;
    }
    const struct usage usage = {owner,         "image",  row->id, name ? name : "",
                                "image.bytes", row->size};
    enum rc rc = usage_close(db, row->id, err);
    return rc == RC_OK ? usage_open(db, &usage, 1, err) : rc;
}

static enum rc
patch_in_tx(struct db *db, void *argument, struct err *err)
{
    const struct patch *patch = argument;
    struct viewer viewer = viewer_of(patch->request);
    g_autoptr(image_row) row = NULL;
    json_auto_t *values = NULL;
    enum rc rc =
        image_db_find(db, &viewer, request_param(patch->request, "image_id"), true, &row, err);
    if (rc == RC_OK) {
        rc = image_allow(patch->request, "modify_image", row, NULL, err);
    }
    if (rc == RC_OK) {
        rc = image_db_values(db, row->id, &values, err);
    }
    if (rc == RC_OK) {
        rc = apply_changes(patch, row, values, err);
    }
    if (rc == RC_OK && patch->changes->len > 0) {
        rc = image_db_update(db, row->id, values, err);
    }
    return rc == RC_OK ? move_usage(db, row, values, err) : rc;
}

static bool
has_locations(const GArray *changes)
{
    for (guint i = 0; i < changes->len; i++) {
        if (!strcmp(g_array_index(changes, struct change, i).name, "locations")) {
            return true;
        }
    }
    return false;
}

bool
images_patch_is_quick(const struct request *request)
{
    size_t i;
    json_t *raw;
    if (!image_service_of(request)->show_locations) {
        return true;
    }
    json_array_foreach(request_json(request), i, raw)
    {
        const char *name;
        json_t *value;
        json_object_foreach(raw, name, value)
        {
            if (json_is_string(value) && g_str_has_prefix(json_string_value(value), "/locations")) {
                return false;
            }
        }
    }
    return true;
}

enum rc
images_patch(struct request *request, struct reply *reply, struct err *err)
{
    struct patch patch = {.request = request};
    struct db *db;
    g_autoptr(GArray) changes = g_array_new(FALSE, FALSE, sizeof(struct change));
    g_array_set_clear_func(changes, change_clear);
    patch.changes = changes;
    enum rc rc = choose_dialect(request, reply, &patch.is_v20, err);
    if (rc == RC_OK) {
        rc = read_changes(&patch, err);
    }
    if (rc == RC_OK) {
        rc = request_db(request, &db, err);
    }
    if (rc == RC_OK) {
        rc = has_locations(changes) ? locations_patch(request, db, changes, err)
                                    : db_tx(db, patch_in_tx, &patch, err);
    }
    struct viewer viewer = viewer_of(request);
    if (rc == RC_OK) {
        rc = image_db_show(db, &viewer, request_param(request, "image_id"), &reply->text, err);
    }
    return rc == RC_OK ? locations_in_image(request, db, &reply->text, err) : rc;
}
