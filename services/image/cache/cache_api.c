// SPDX-License-Identifier: Apache-2.0
// The cache's own API (2.14, 2.16, 2.18). 404 to those who may use it where none is configured, as
// Glance answers.
#include "services/image/access.h"
#include "services/image/api.h"
#include "services/image/cache/cache.h"
#include "services/image/cache/fill.h"

#include <string.h>

static enum rc
find_cache(const struct request *request, struct cache **ret_cache, struct err *err)
{
    *ret_cache = image_service_of(request)->cache;
    return *ret_cache ? RC_OK
                      : fault(err, RC_NOT_FOUND, "Caching via API is not supported at this site.");
}

static enum rc
cached_list(struct request *request, struct reply *reply, struct err *err)
{
    struct cache *cache;
    enum rc rc = find_cache(request, &cache, err);
    if (rc == RC_OK) {
        reply->json = cache_list(cache);
    }
    return rc;
}

static enum rc
cached_clear(struct request *request, struct reply *reply, struct err *err)
{
    const char *target = request_header(request, "X-Image-Cache-Clear-Target");
    struct cache *cache;
    enum rc rc = find_cache(request, &cache, err);
    if (rc != RC_OK) {
        return rc;
    }
    bool is_all = !target || !*target;
    bool cached = is_all || !g_ascii_strcasecmp(target, "cache");
    bool queued = is_all || !g_ascii_strcasecmp(target, "queue");
    if (!cached && !queued) {
        return fault(err, RC_INVALID,
                     "If provided 'x-image-cache-clear-target' must be 'cache', 'queue' or empty "
                     "string.");
    }
    cache_clear(cache, cached, queued);
    return RC_OK;
}

static enum rc
cached_put(struct request *request, struct reply *reply, struct err *err)
{
    g_autoptr(image_row) row = NULL;
    struct cache *cache;
    struct db *db;
    enum rc rc = find_cache(request, &cache, err);
    if (rc == RC_OK) {
        rc = request_db(request, &db, err);
    }
    if (rc == RC_OK) {
        rc = image_load(request, db, NULL, &row, err);
    }
    if (rc == RC_OK && strcmp(row->status, "active")) {
        return fault(err, RC_INVALID,
                     "Only images with status active can be targeted for queueing");
    }
    return rc == RC_OK ? cache_queue(cache, row->id, err) : rc;
}

// An image that is gone may still be in the cache.
static enum rc
cached_delete(struct request *request, struct reply *reply, struct err *err)
{
    const char *id = request_param(request, "image_id");
    g_autoptr(image_row) row = NULL;
    struct cache *cache;
    struct db *db;
    enum rc rc = find_cache(request, &cache, err);
    if (rc == RC_OK && uuid_is_valid(id) && cache_remove(cache, id)) {
        return RC_OK;
    }
    if (rc == RC_OK) {
        rc = request_db(request, &db, err);
    }
    return rc == RC_OK ? image_load(request, db, NULL, &row, err) : rc;
}

static enum rc
cached_clean(struct request *request, struct reply *reply, struct err *err)
{
    struct cache *cache;
    enum rc rc = find_cache(request, &cache, err);
    if (rc == RC_OK) {
        cache_tidy(image_service_of(request)); // being filled, it is tidied after
    }
    return rc;
}

static enum rc
cached_prune(struct request *request, struct reply *reply, struct err *err)
{
    struct cache *cache;
    enum rc rc = find_cache(request, &cache, err);
    if (rc == RC_OK) {
        struct cache_pruned pruned = cache_prune(cache, 0);
        reply->json = json_pack("{s:I, s:I}", "total_files_pruned", (json_int_t)pruned.n_files,
                                "total_bytes_pruned", (json_int_t)pruned.n_bytes);
    }
    return rc;
}

// clang-format off
const struct route cache_routes[] = {
    {.method = "GET", .path = "/v2/cache", .handle = cached_list, .policy = "cache_list", .status = 200, .flags = ROUTE_SLOW, .summary = "list cached and queued images"},
    {.method = "DELETE", .path = "/v2/cache", .handle = cached_clear, .policy = "cache_delete", .status = 204, .flags = ROUTE_SLOW | ROUTE_ANY_BODY,
     .summary = "clear the cache and its queue"},
    {.method = "PUT", .path = "/v2/cache/{image_id}", .handle = cached_put, .policy = "cache_image", .status = 202, .flags = ROUTE_SLOW | ROUTE_ANY_BODY,
     .summary = "queue an image for the cache"},
    {.method = "DELETE", .path = "/v2/cache/{image_id}", .handle = cached_delete, .policy = "cache_delete", .status = 204,
     .flags = ROUTE_SLOW | ROUTE_ANY_BODY, .summary = "drop an image from the cache"},
    {.method = "POST", .path = "/v2/cache/clean", .handle = cached_clean, .policy = "cache_clean", .status = 200, .flags = ROUTE_SLOW | ROUTE_ANY_BODY,
     .summary = "remove what is unfinished or of no image"},
    {.method = "POST", .path = "/v2/cache/prune", .handle = cached_prune, .policy = "cache_prune", .status = 200, .flags = ROUTE_SLOW | ROUTE_ANY_BODY,
     .summary = "shrink the cache to its size"},
    {0},
};
// clang-format on
