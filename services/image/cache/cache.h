// SPDX-License-Identifier: Apache-2.0
// Images of stores that are far away, kept on this host: a directory of whole files, named by their
// images. It is bounded, loses what was not read for longest, and holds nothing that another place
// does not have: whatever happens to it costs time only. Processes on one host may share it. Pure
// of databases; blocks on the disk.
//
// cached/<image id>: bytes that were verified, read last at its atime. hits/<image id>: as long as
// it was read often. queue/<image id>: to be brought here. part/: what is being brought.
#pragma once
#include "common/base/err.h"
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct cache;
// RC_UNAVAILABLE: the directory cannot be made.
enum rc cache_new(const char *path, int64_t max_size, struct cache **ret_cache,
                  struct err *err) CHECKED;
void cache_free(struct cache *cache); // NULL is fine

// A descriptor of the image's bytes, counted as a hit; -1: not here.
int cache_open(struct cache *cache, const char *image_id, int64_t size);
// Once, however often it is asked for. What is here already is not queued.
enum rc cache_queue(struct cache *cache, const char *image_id, struct err *err) CHECKED;
// {"cached_images": [{"image_id", "hits", "last_accessed", "last_modified", "size"}…],
// "queued_images": [id…]}, as the Image API shows it. New reference.
json_t *cache_list(struct cache *cache);
// True when it was here or queued.
bool cache_remove(struct cache *cache, const char *image_id);
void cache_clear(struct cache *cache, bool cached, bool queued);
struct cache_pruned {
    int64_t n_files, n_bytes;
};
// Until `room` more bytes fit into what the cache may have.
struct cache_pruned cache_prune(struct cache *cache, int64_t room);

// ---- bringing images: by one process of the host at a time
// False: somebody else does.
bool cache_lead(struct cache *cache);
void cache_follow(struct cache *cache);
// Removes what was being brought when somebody died. Leading.
void cache_clean(struct cache *cache);
bool cache_fits(const struct cache *cache, int64_t size);
enum rc cache_part(struct cache *cache, const char *image_id, int *ret_fd, struct err *err) CHECKED;
// The part becomes the cached image, which is no longer queued.
enum rc cache_keep(struct cache *cache, const char *image_id, struct err *err) CHECKED;
