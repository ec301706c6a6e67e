// SPDX-License-Identifier: Apache-2.0
#include "services/compute/core/cache.h"

#include <pthread.h>

#include "common/base/util.h"

struct entry {
    json_t *value;
    int64_t until_ms;
};
struct cache {
    int lifetime_ms;
    unsigned max_entries;
    pthread_mutex_t lock; // guards entries
    GHashTable *entries;
};

static void
entry_free(void *data)
{
    struct entry *entry = data;
    json_decref(entry->value);
    g_free(entry);
}

struct cache *
cache_new(int lifetime_ms, unsigned max_entries)
{
    struct cache *cache = g_new0(struct cache, 1);
    cache->lifetime_ms = lifetime_ms;
    cache->max_entries = max_entries;
    cache->entries = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, entry_free);
    pthread_mutex_init(&cache->lock, NULL);
    return cache;
}

void
cache_free(struct cache *cache)
{
    if (!cache) {
        return;
    }
    g_hash_table_unref(cache->entries);
    pthread_mutex_destroy(&cache->lock);
    g_free(cache);
}

json_t *
cache_find(struct cache *cache, const char *key)
{
    json_t *value = NULL;
    pthread_mutex_lock(&cache->lock);
    struct entry *entry = g_hash_table_lookup(cache->entries, key);
    if (entry && entry->until_ms > monotonic_ms()) {
        value = json_incref(entry->value);
    }
    pthread_mutex_unlock(&cache->lock);
    return value;
}

void
cache_put(struct cache *cache, const char *key, json_t *value)
{
    struct entry *entry = g_new0(struct entry, 1);
    entry->value = json_incref(value);
    entry->until_ms = monotonic_ms() + cache->lifetime_ms;
    pthread_mutex_lock(&cache->lock);
    if (g_hash_table_size(cache->entries) >= cache->max_entries) {
        g_hash_table_remove_all(cache->entries);
    }
    g_hash_table_replace(cache->entries, g_strdup(key), entry);
    pthread_mutex_unlock(&cache->lock);
}
