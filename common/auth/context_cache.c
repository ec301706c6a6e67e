// SPDX-License-Identifier: Apache-2.0
#include "common/auth/context_cache.h"

#include <glib.h>
#include <pthread.h>
#include <string.h>

#define N_WAYS 4
#define N_LOCKS 64

struct slot {
    char *key; // NULL: free
    size_t size;
    uint64_t hash, last_use;
    struct context_entry entry;
};
struct set {
    struct slot slots[N_WAYS];
    uint64_t n_uses;
};
struct context_cache {
    size_t n_sets; // a power of two
    struct set *sets;
    pthread_mutex_t locks[N_LOCKS]; // locks[i % N_LOCKS] guards sets[i]
};

struct context_cache *
context_cache_new(size_t n_entries)
{
    struct context_cache *cache = g_new0(struct context_cache, 1);
    cache->n_sets = 1;
    while (cache->n_sets * N_WAYS < n_entries) {
        cache->n_sets *= 2;
    }
    cache->sets = g_new0(struct set, cache->n_sets);
    for (size_t i = 0; i < N_LOCKS; i++) {
        pthread_mutex_init(&cache->locks[i], NULL);
    }
    return cache;
}

static void
slot_clear(struct slot *slot)
{
    g_free(slot->key);
    auth_context_unref(slot->entry.context);
    *slot = (struct slot){0};
}

void
context_cache_free(struct context_cache *cache)
{
    if (!cache) {
        return;
    }
    for (size_t i = 0; i < cache->n_sets * N_WAYS; i++) {
        slot_clear(&cache->sets[i / N_WAYS].slots[i % N_WAYS]);
    }
    for (size_t i = 0; i < N_LOCKS; i++) {
        pthread_mutex_destroy(&cache->locks[i]);
    }
    g_free(cache->sets);
    g_free(cache);
}

static struct slot *
slot_find(struct set *set, const struct context_key *key)
{
    for (int i = 0; i < N_WAYS; i++) {
        struct slot *slot = &set->slots[i];
        if (slot->hash == key->hash && slot->size == key->size && slot->key &&
            !memcmp(slot->key, key->bytes, key->size)) {
            slot->last_use = ++set->n_uses;
            return slot;
        }
    }
    return NULL;
}

static struct slot *
slot_oldest(struct set *set)
{
    struct slot *oldest = &set->slots[0];
    for (int i = 1; i < N_WAYS; i++) {
        if (set->slots[i].last_use < oldest->last_use) {
            oldest = &set->slots[i];
        }
    }
    return oldest;
}

bool
context_cache_find(struct context_cache *cache, const struct context_key *key,
                   struct context_entry *ret_entry)
{
    size_t i = key->hash & (cache->n_sets - 1);
    pthread_mutex_t *lock = &cache->locks[i % N_LOCKS];
    pthread_mutex_lock(lock);
    const struct slot *slot = slot_find(&cache->sets[i], key);
    if (slot) {
        *ret_entry = slot->entry;
        auth_context_ref(ret_entry->context);
    }
    pthread_mutex_unlock(lock);
    return slot != NULL;
}

void
context_cache_put(struct context_cache *cache, const struct context_key *key,
                  const struct context_entry *entry)
{
    size_t i = key->hash & (cache->n_sets - 1);
    struct set *set = &cache->sets[i];
    pthread_mutex_t *lock = &cache->locks[i % N_LOCKS];
    auth_context_ref(entry->context); // first: it may be the one that is there
    pthread_mutex_lock(lock);
    struct slot *slot = slot_find(set, key);
    slot = slot ? slot : slot_oldest(set);
    slot_clear(slot);
    *slot = (struct slot){.key = g_memdup2(key->bytes, key->size),
                          .size = key->size,
                          .hash = key->hash,
                          .last_use = ++set->n_uses,
                          .entry = *entry};
    pthread_mutex_unlock(lock);
}

void
context_cache_drop(struct context_cache *cache, const struct context_key *key)
{
    size_t i = key->hash & (cache->n_sets - 1);
    pthread_mutex_t *lock = &cache->locks[i % N_LOCKS];
    pthread_mutex_lock(lock);
    struct slot *slot = slot_find(&cache->sets[i], key);
    if (slot) {
        slot_clear(slot);
    }
    pthread_mutex_unlock(lock);
}
