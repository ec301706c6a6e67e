// SPDX-License-Identifier: Apache-2.0
// What another service answered, kept for a moment: many creates in a second ask for the same image
// and network. Thread-safe and bounded; values are shared and must not be changed.
#pragma once
#include <jansson.h>

struct cache;
struct cache *cache_new(int lifetime_ms, unsigned max_entries);
void cache_free(struct cache *cache);
json_t *cache_find(struct cache *cache,
                   const char *key); // new reference, NULL when missing or too old
void cache_put(struct cache *cache, const char *key, json_t *value); // takes a reference of its own
