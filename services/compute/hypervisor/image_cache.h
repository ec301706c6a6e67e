// SPDX-License-Identifier: Apache-2.0
// One read-only base per image id under [agent] image_dir: fetched once however many servers ask,
// checked by size and SHA-512, converted once to qcow2 where it is of another host's format,
// renamed into place. Thread-safe.
#pragma once
#include <glib.h>

#include "services/compute/hypervisor/order.h"

struct image_cache_config {
    const char *dir;
    int64_t max_image_bytes; // bigger ones are refused
    int64_t max_age_s;       // unused bases older than this go
    int64_t min_free_bytes;  // unused bases go, oldest first, until so much is free
};
struct image_cache;
enum rc image_cache_open(const struct image_cache_config *config, struct image_cache **ret_cache,
                         struct err *err) CHECKED;
void image_cache_free(struct image_cache *cache);
// "<dir>/<id>", or "<dir>/<id>.qcow2" of what was converted; the caller frees.
char *image_cache_path(const struct image_cache *cache, const struct order_image *image);
bool image_cache_has(const struct image_cache *cache, const struct order_image *image);
const char *image_base_format(const struct order_image *image); // qemu's name, of the file above

// Who waits may be told to stop.
struct image_wait {
    bool (*is_cancelled)(void *context); // asked about once a second; NULL: never
    void *context;
};
// RC_CONFLICT: another server of this host is fetching it just now, ask again later.
// RC_UNAVAILABLE: worth another try. RC_NOT_FOUND, RC_FORBIDDEN…: what the image service said.
// RC_BAD_GATEWAY: it sent something else than was ordered.
enum rc image_cache_fetch(struct image_cache *cache, const struct order_image *image,
                          const struct image_wait *wait, struct err *err) CHECKED;
// Removes what is not in `used` (a set of image ids) and too old or in the way; returns how many.
size_t image_cache_evict(struct image_cache *cache, GHashTable *used);

// An overlay of `gib` GiB, or of the base's own size where that is bigger, at `path`: made beside
// and renamed. Formats are explicit, the base may not refer to other files, and qemu-img runs with
// limits.
struct overlay {
    const char *path, *base, *base_format; // qemu's name of the format
    int64_t gib;
};
enum rc overlay_make(const struct overlay *overlay, struct err *err) CHECKED;
// A flat qcow2 of an image of another format, checked as above. max_bytes: of the new file.
struct conversion {
    const char *from, *from_format, *to;
    int64_t max_bytes;
};
enum rc base_convert(const struct conversion *conversion, struct err *err) CHECKED;
