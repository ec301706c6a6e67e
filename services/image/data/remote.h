// SPDX-License-Identifier: Apache-2.0
// glance-download: the source is an image of another region's image service, found by the catalog
// and read with the client's own token. The catalog is the administrator's word, so the rules for
// tenants' URLs do not apply; redirects are not followed.
#pragma once
#include "common/base/err.h"
#include <jansson.h>

struct image_service;
struct remote {
    char *token, *region, *interface, *image_id;
};
// method: the request's. RC_INVALID names what is missing.
enum rc remote_new(const char *token, json_t *method, struct remote **ret_remote,
                   struct err *err) CHECKED;
void remote_free(struct remote *remote); // NULL is fine
struct remote_source {
    char *url;     // of the bytes
    char *adopted; // JSON: disk_format, container_format and properties that the image takes over
    char *disk_format, *container_format; // owned
    int64_t size;
};
void remote_source_clear(struct remote_source *source);
// Blocks: asks identity and the other image service.
enum rc remote_find(const struct image_service *service, const struct remote *remote,
                    struct remote_source *ret_source, struct err *err) CHECKED;
