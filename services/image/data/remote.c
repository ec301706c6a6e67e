// SPDX-License-Identifier: Apache-2.0
#include "services/image/data/remote.h"

#include "common/base/util.h"
#include "common/client/client.h"
#include "services/image/image.h"

#include <string.h>

enum rc
remote_new(const char *token, json_t *method, struct remote **ret_remote, struct err *err)
{
    const char *region = json_string_value(json_object_get(method, "glance_region"));
    const char *image_id = json_string_value(json_object_get(method, "glance_image_id"));
    json_t *interface = json_object_get(method, "glance_service_interface");
    if (!region) {
        return fault(err, RC_INVALID,
                     "'glance_region' needs to be set for glance-download import method");
    }
    if (!image_id) {
        return fault(err, RC_INVALID,
                     "'glance_image_id' needs to be set for glance-download import method");
    }
    if (!uuid_is_valid(image_id)) {
        return fault(err, RC_INVALID, "Remote image id does not look like a UUID: %.80s", image_id);
    }
    if (interface && !json_is_string(interface)) {
        return fault(err, RC_INVALID, "'glance_service_interface' is not a text");
    }
    struct remote *remote = g_new0(struct remote, 1);
    remote->token = g_strdup(token);
    remote->region = g_strdup(region);
    remote->interface = g_strdup(interface ? json_string_value(interface) : "public");
    remote->image_id = g_strdup(image_id);
    *ret_remote = remote;
    return RC_OK;
}

void
remote_free(struct remote *remote)
{
    if (remote) {
        g_free(remote->token);
        g_free(remote->region);
        g_free(remote->interface);
        g_free(remote->image_id);
        g_free(remote);
    }
}

void
remote_source_clear(struct remote_source *source)
{
    g_free(source->url);
    g_free(source->adopted);
    g_free(source->disk_format);
    g_free(source->container_format);
}

static const char *
text_of(json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

// The image endpoint of the region and interface; borrowed from the catalog.
static const char *
endpoint_of(json_t *catalog, const struct remote *remote)
{
    json_t *service, *endpoint;
    size_t i, j;
    json_array_foreach(json_object_get(catalog, "catalog"), i, service)
    {
        if (strcmp(text_of(service, "type"), "image")) {
            continue;
        }
        json_array_foreach(json_object_get(service, "endpoints"), j, endpoint)
        {
            if (!strcmp(text_of(endpoint, "region"), remote->region) &&
                !strcmp(text_of(endpoint, "interface"), remote->interface)) {
                return text_of(endpoint, "url");
            }
        }
    }
    return NULL;
}

static enum rc
find_image_url(const struct image_service *service, const struct remote *remote, char **ret_url,
               struct err *err)
{
    g_autofree char *url = g_strdup_printf(
        "%s/v3/auth/catalog", conf_text(service_conf(service->service), "identity", "url"));
    const struct call call = {.method = "GET", .url = url, .token = remote->token};
    json_auto_t *catalog = NULL;
    enum rc rc = client_call(service->client, &call, &catalog, err);
    const char *endpoint = rc == RC_OK ? endpoint_of(catalog, remote) : NULL;
    if (rc == RC_OK && !endpoint) {
        return fault(err, RC_NOT_FOUND,
                     "no image service in the region '%.80s' with the interface '%.80s'",
                     remote->region, remote->interface);
    }
    if (rc == RC_OK) {
        g_autofree char *base = g_strdup(endpoint);
        while (g_str_has_suffix(base, "/")) {
            base[strlen(base) - 1] = '\0';
        }
        *ret_url = g_strdup_printf("%s%s/images/%s", base,
                                   g_str_has_suffix(base, "/v2") ? "" : "/v2", remote->image_id);
    }
    return rc;
}

// Properties that mean the same everywhere.
static json_t *
properties_to_adopt(json_t *image)
{
    static const char *const prefixes[] = {"hw_", "trait:", "os_distro", "os_secure_boot",
                                           "os_type"};
    json_t *properties = json_object(), *value;
    const char *name;
    json_object_foreach(image, name, value)
    {
        for (size_t i = 0; i < N_ELEMENTS(prefixes); i++) {
            if (json_is_string(value) && g_str_has_prefix(name, prefixes[i])) {
                json_object_set(properties, name, value);
            }
        }
    }
    return properties;
}

enum rc
remote_find(const struct image_service *service, const struct remote *remote,
            struct remote_source *source, struct err *err)
{
    g_autofree char *url = NULL;
    json_auto_t *image = NULL;
    enum rc rc = find_image_url(service, remote, &url, err);
    if (rc == RC_OK) {
        const struct call call = {.method = "GET", .url = url, .token = remote->token};
        rc = client_call(service->client, &call, &image, err);
    }
    if (rc != RC_OK) {
        return rc;
    }
    json_t *size = json_object_get(image, "size");
    if (strcmp(text_of(image, "status"), "active") || !json_is_integer(size)) {
        return fault(err, RC_CONFLICT, "Source image status should be active instead of %.40s",
                     text_of(image, "status"));
    }
    json_auto_t *adopted = json_pack(
        "{s:s, s:s, s:o}", "disk_format", text_of(image, "disk_format"), "container_format",
        text_of(image, "container_format"), "properties", properties_to_adopt(image));
    source->url = g_strdup_printf("%s/file", url);
    source->adopted = json_dumps(adopted, JSON_COMPACT);
    source->disk_format = g_strdup(text_of(image, "disk_format"));
    source->container_format = g_strdup(text_of(image, "container_format"));
    source->size = json_integer_value(size);
    return RC_OK;
}
