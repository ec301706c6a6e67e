// SPDX-License-Identifier: Apache-2.0
// Contexts of persons that were found out once, by a key of bytes: set-associative, so bounded by
// construction; a hit is one lock and one comparison, and the least used of a set makes room.
// Thread-safe. Whether an entry still holds is the caller's to say: it keeps a stamp.
#pragma once
#include "common/auth/auth.h"

struct context_cache;
// n_entries is rounded up to a power of two.
struct context_cache *context_cache_new(size_t n_entries);
void context_cache_free(struct context_cache *cache);

struct context_key { // borrowed
    const char *bytes;
    size_t size;
    uint64_t hash; // mixed with a seed of the caller's, so that no peer can fill one set
};
struct context_entry {
    struct auth_context *context;
    uint64_t stamp;  // the caller's, as put
    int64_t made_ms; // the caller's, as put
};
// With a reference to the context for the caller; false: not there.
bool context_cache_find(struct context_cache *cache, const struct context_key *key,
                        struct context_entry *ret_entry);
// Adds or replaces; takes a reference of its own.
void context_cache_put(struct context_cache *cache, const struct context_key *key,
                       const struct context_entry *entry);
void context_cache_drop(struct context_cache *cache, const struct context_key *key);
