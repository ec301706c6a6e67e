// SPDX-License-Identifier: Apache-2.0
// /images and their metadata: Glance's images as Nova worded them.
#include <string.h>

#include "common/base/util.h"
#include "services/compute/proxy/proxy.h"

#define METADATA_MAX_VERSION 38
#define PATCH_TYPE "application/openstack-images-v2.1-json-patch"
#define MAX_ITEM 255

// Glance's own attributes; what else an image has is Nova's metadata.
static const char *const own_attributes[] = {
    "id",           "name",       "status",       "visibility",
    "owner",        "protected",  "os_hidden",    "container_format",
    "disk_format",  "min_disk",   "min_ram",      "size",
    "virtual_size", "checksum",   "os_hash_algo", "os_hash_value",
    "tags",         "created_at", "updated_at",   "self",
    "file",         "schema",     "stores",       "locations",
    "direct_url",
};
static const struct {
    const char *status, *shown;
    int progress;
} statuses[] = {
    {"active", "ACTIVE", 100},   {"queued", "SAVING", 25},         {"saving", "SAVING", 50},
    {"uploading", "SAVING", 50}, {"importing", "SAVING", 50},      {"killed", "ERROR", 0},
    {"deleted", "DELETED", 0},   {"pending_delete", "DELETED", 0},
};
// Query parameters of the list, and Glance's.
static const struct {
    const char *ours, *glances, *prefix;
    bool is_lower, is_reference;
} filters[] = {
    {"name", "name", ""},
    {"status", "status", "", true},
    {"limit", "limit", ""},
    {"marker", "marker", ""},
    {"changes-since", "updated_at", "gte:"},
    {"minDisk", "min_disk", ""},
    {"minRam", "min_ram", ""},
    {"type", "image_type", ""},
    {"server", "instance_uuid", "", false, true},
};

// ---- views

static bool
is_own(const char *name)
{
    for (size_t i = 0; i < N_ELEMENTS(own_attributes); i++) {
        if (!strcmp(own_attributes[i], name)) {
            return true;
        }
    }
    return false;
}

static json_t *
metadata_of(json_t *image)
{
    json_t *metadata = json_object(), *value;
    const char *name;
    json_object_foreach(image, name, value)
    {
        if (!is_own(name)) {
            json_object_set(metadata, name, value);
        }
    }
    return metadata;
}

static json_t *
links_of(const struct request *request, const char *id)
{
    const struct compute *compute = request_context(request);
    const char *base = request_base_url(request);
    g_autofree char *self = g_strdup_printf("%s/v2.1/images/%s", base, id);
    g_autofree char *bookmark = g_strdup_printf("%s/images/%s", base, id);
    g_autofree char *alternate = g_strdup_printf("%s/images/%s", compute->image_url, id);
    return json_pack("[{s:s,s:s},{s:s,s:s},{s:s,s:s,s:s}]", "rel", "self", "href", self, "rel",
                     "bookmark", "href", bookmark, "rel", "alternate", "type",
                     "application/vnd.openstack.image", "href", alternate);
}

static json_t *
brief_view(const struct request *request, json_t *image)
{
    const char *id = proxy_text(image, "id");
    return json_pack("{s:s,s:o,s:o}", "id", id, "name", proxy_or_null(image, "name"), "links",
                     links_of(request, id));
}

static json_t *
server_view(const struct request *request, const char *id)
{
    const char *base = request_base_url(request);
    g_autofree char *self = g_strdup_printf("%s/v2.1/servers/%s", base, id);
    g_autofree char *bookmark = g_strdup_printf("%s/servers/%s", base, id);
    return json_pack("{s:s,s:[{s:s,s:s},{s:s,s:s}]}", "id", id, "links", "rel", "self", "href",
                     self, "rel", "bookmark", "href", bookmark);
}

static json_t *
full_view(const struct request *request, json_t *image)
{
    json_t *view = brief_view(request, image);
    const char *status = proxy_text(image, "status"), *shown = "UNKNOWN";
    const char *server_id = proxy_text(image, "instance_uuid");
    int progress = 0;
    for (size_t i = 0; i < N_ELEMENTS(statuses); i++) {
        if (!strcmp(statuses[i].status, status)) {
            shown = statuses[i].shown;
            progress = statuses[i].progress;
        }
    }
    json_object_set_new(view, "status", json_string(shown));
    json_object_set_new(view, "progress", json_integer(progress));
    json_object_set_new(view, "created", proxy_or_null(image, "created_at"));
    json_object_set_new(view, "updated", proxy_or_null(image, "updated_at"));
    json_object_set_new(view, "minDisk", proxy_or_null(image, "min_disk"));
    json_object_set_new(view, "minRam", proxy_or_null(image, "min_ram"));
    json_object_set_new(view, "OS-EXT-IMG-SIZE:size", proxy_or_null(image, "size"));
    json_object_set_new(view, "metadata", metadata_of(image));
    if (*server_id) {
        json_object_set_new(view, "server", server_view(request, server_id));
    }
    return view;
}

// ---- images

static char *
list_path(struct request *request)
{
    GString *path = g_string_new("/v2/images?sort_key=created_at&sort_dir=desc");
    for (size_t i = 0; i < N_ELEMENTS(filters); i++) {
        const char *given = request_query(request, filters[i].ours);
        if (!given) {
            continue;
        }
        const char *slash = filters[i].is_reference ? strrchr(given, '/') : NULL;
        g_autofree char *value = g_strconcat(filters[i].prefix, slash ? slash + 1 : given, NULL);
        g_autofree char *cased =
            filters[i].is_lower ? g_ascii_strdown(value, -1) : g_steal_pointer(&value);
        g_autofree char *escaped = g_uri_escape_string(cased, NULL, false);
        g_string_append_printf(path, "&%s=%s", filters[i].glances, escaped);
    }
    return g_string_free(path, FALSE);
}

static enum rc
images_list(struct request *request, struct reply *reply, struct err *err)
{
    bool is_detail = request_route(request)->data != NULL;
    json_auto_t *found = NULL;
    g_autofree char *path = list_path(request);
    const struct proxy_call call = {"GET", path, NULL, NULL};
    enum rc rc = proxy_image(request, &call, &found, err);
    if (rc != RC_OK) {
        return rc;
    }
    json_t *image, *images = json_object_get(found, "images"), *list = json_array();
    size_t i;
    json_array_foreach(images, i, image)
    {
        json_array_append_new(list,
                              is_detail ? full_view(request, image) : brief_view(request, image));
    }
    reply->json = json_pack("{s:o}", "images", list);
    if (json_object_get(found, "next") && i > 0) {
        const char *last = proxy_text(json_array_get(images, i - 1), "id");
        g_autofree char *next =
            g_strdup_printf("%s/v2.1/images%s?marker=%s", request_base_url(request),
                            is_detail ? "/detail" : "", last);
        json_object_set_new(reply->json, "images_links",
                            json_pack("[{s:s,s:s}]", "rel", "next", "href", next));
    }
    return RC_OK;
}

static enum rc
image_call(struct request *request, const char *method, json_t *body, json_t **ret_image,
           struct err *err)
{
    const char *id = request_param(request, "image_id");
    g_autofree char *path = g_strconcat("/v2/images/", id, NULL);
    const struct proxy_call call = {method, path, body, body ? PATCH_TYPE : NULL};
    enum rc rc = uuid_is_valid(id) ? proxy_image(request, &call, ret_image, err) : RC_NOT_FOUND;
    return rc == RC_NOT_FOUND ? fault(err, rc, "Image not found.") : rc;
}

static enum rc
image_show(struct request *request, struct reply *reply, struct err *err)
{
    json_auto_t *image = NULL;
    enum rc rc = image_call(request, "GET", NULL, &image, err);
    if (rc == RC_OK) {
        reply->json = json_pack("{s:o}", "image", full_view(request, image));
    }
    return rc;
}

static enum rc
image_delete(struct request *request, struct reply *reply, struct err *err)
{
    return image_call(request, "DELETE", NULL, NULL, err);
}

// ---- metadata

static enum rc
metadata_list(struct request *request, struct reply *reply, struct err *err)
{
    json_auto_t *image = NULL;
    enum rc rc = image_call(request, "GET", NULL, &image, err);
    if (rc == RC_OK) {
        reply->json = json_pack("{s:o}", "metadata", metadata_of(image));
    }
    return rc;
}

static enum rc
metadata_show(struct request *request, struct reply *reply, struct err *err)
{
    const char *key = request_param(request, "key");
    json_auto_t *image = NULL;
    enum rc rc = image_call(request, "GET", NULL, &image, err);
    json_t *value = json_object_get(image, key);
    if (rc == RC_OK && (!value || is_own(key))) {
        return fault(err, RC_NOT_FOUND, "Metadata item was not found");
    }
    if (rc == RC_OK) {
        reply->json = json_pack("{s:{s:O}}", "meta", key, value);
    }
    return rc;
}

static void
add_change(json_t *patch, const char *op, const char *key, json_t *value)
{
    g_auto(GStrv) tildes = g_strsplit(key, "~", -1);
    g_autofree char *no_tildes = g_strjoinv("~0", tildes);
    g_auto(GStrv) slashes = g_strsplit(no_tildes, "/", -1);
    g_autofree char *escaped = g_strjoinv("~1", slashes);
    g_autofree char *path = g_strconcat("/", escaped, NULL);
    json_t *change = json_pack("{s:s,s:s}", "op", op, "path", path);
    if (value) {
        json_object_set(change, "value", value);
    }
    json_array_append_new(patch, change);
}

static enum rc
check_items(json_t *items, struct err *err)
{
    const char *key;
    json_t *value;
    if (!json_is_object(items)) {
        return fault(err, RC_INVALID, "Invalid input for field 'metadata': it is not an object");
    }
    json_object_foreach(items, key, value)
    {
        if (!*key || strlen(key) > MAX_ITEM || is_own(key) || !json_is_string(value) ||
            json_string_length(value) > MAX_ITEM) {
            return fault(err, RC_INVALID, "Invalid input for field '%.64s'", key);
        }
    }
    return RC_OK;
}

// Items are added; with `replaces` all others go.
static enum rc
metadata_write(struct request *request, json_t *items, bool replaces, json_t **ret_metadata,
               struct err *err)
{
    json_auto_t *image = NULL, *changed = NULL, *patch = json_array(), *old = NULL;
    const char *key;
    json_t *value;
    enum rc rc = check_items(items, err);
    if (rc == RC_OK) {
        rc = image_call(request, "GET", NULL, &image, err);
    }
    if (rc != RC_OK) {
        return rc;
    }
    old = metadata_of(image);
    json_object_foreach(old, key, value)
    {
        if (replaces && !json_object_get(items, key)) {
            add_change(patch, "remove", key, NULL);
        }
    }
    json_object_foreach(items, key, value)
    {
        add_change(patch, json_object_get(old, key) ? "replace" : "add", key, value);
    }
    rc = image_call(request, "PATCH", patch, &changed, err);
    if (rc == RC_OK) {
        *ret_metadata = metadata_of(changed);
    }
    return rc;
}

static enum rc
metadata_update(struct request *request, struct reply *reply, struct err *err)
{
    bool replaces = !strcmp(request_route(request)->method, "PUT");
    json_t *metadata = NULL;
    enum rc rc = metadata_write(request, json_object_get(request_json(request), "metadata"),
                                replaces, &metadata, err);
    if (rc == RC_OK) {
        reply->json = json_pack("{s:o}", "metadata", metadata);
    }
    return rc;
}

static enum rc
metadata_set(struct request *request, struct reply *reply, struct err *err)
{
    const char *key = request_param(request, "key");
    json_t *meta = json_object_get(request_json(request), "meta"), *metadata = NULL;
    if (json_object_size(meta) != 1 || !json_object_get(meta, key)) {
        return fault(err, RC_INVALID, "Request body and URI mismatch");
    }
    enum rc rc = metadata_write(request, meta, false, &metadata, err);
    if (rc == RC_OK) {
        reply->json = json_pack("{s:O}", "meta", meta);
        json_decref(metadata);
    }
    return rc;
}

static enum rc
metadata_delete(struct request *request, struct reply *reply, struct err *err)
{
    const char *key = request_param(request, "key");
    json_auto_t *image = NULL, *patch = json_array();
    enum rc rc = image_call(request, "GET", NULL, &image, err);
    if (rc == RC_OK && (!json_object_get(image, key) || is_own(key))) {
        return fault(err, RC_NOT_FOUND, "Invalid metadata key");
    }
    add_change(patch, "remove", key, NULL);
    return rc == RC_OK ? image_call(request, "PATCH", patch, NULL, err) : rc;
}

#define IMAGES "/v2.1/images"
#define METADATA IMAGES "/{image_id}/metadata"
#define OLD .flags = ROUTE_SLOW, .max_version = PROXY_MAX_VERSION
#define OLDER .flags = ROUTE_SLOW, .max_version = METADATA_MAX_VERSION
// clang-format off
const struct route proxy_image_routes[] = {
    {.method = "GET", .path = IMAGES, .handle = images_list, OLD, .status = 200, .summary = "list images, as the image service has them"},
    {.method = "GET", .path = IMAGES "/detail", .handle = images_list, OLD, .data = filters, .status = 200, .summary = "list images in full"},
    {.method = "GET", .path = IMAGES "/{image_id}", .handle = image_show, OLD, .status = 200, .summary = "show an image"},
    {.method = "DELETE", .path = IMAGES "/{image_id}", .handle = image_delete, OLD, .status = 204, .summary = "delete an image"},
    {.method = "GET", .path = METADATA, .handle = metadata_list, OLDER, .status = 200, .summary = "list an image's properties"},
    {.method = "POST", .path = METADATA, .handle = metadata_update, OLDER, .status = 200, .summary = "set some of an image's properties"},
    {.method = "PUT", .path = METADATA, .handle = metadata_update, OLDER, .status = 200, .summary = "set all of an image's properties"},
    {.method = "GET", .path = METADATA "/{key}", .handle = metadata_show, OLDER, .status = 200, .summary = "show a property"},
    {.method = "PUT", .path = METADATA "/{key}", .handle = metadata_set, OLDER, .status = 200, .summary = "set a property"},
    {.method = "DELETE", .path = METADATA "/{key}", .handle = metadata_delete, OLDER, .status = 204, .summary = "remove a property"},
    {0},
};
// clang-format on
