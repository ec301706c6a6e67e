// SPDX-License-Identifier: Apache-2.0
#include "common/auth/token_cache.h"
#include "common/base/util.h"
#include <pthread.h>
#include <string.h>

#define N_WAYS 4
#define N_LOCKS 64 // a power of two

struct slot {
    char *token; // NULL: free
    size_t len;
    uint64_t epoch, last_use;
    struct auth_context *context;
};
struct set {
    struct slot slots[N_WAYS];
    uint64_t n_uses;
};
struct token_cache {
    size_t n_sets; // a power of two
    struct set *sets;
    uint64_t seed[2];
    pthread_mutex_t locks[N_LOCKS]; // locks[i % N_LOCKS] guards sets[i]
};

struct token_cache *
token_cache_new(size_t n_entries)
{
    struct token_cache *cache = g_new0(struct token_cache, 1);
    cache->n_sets = N_LOCKS;
    while (cache->n_sets * N_WAYS < n_entries) {
        cache->n_sets *= 2;
    }
    cache->sets = g_new0(struct set, cache->n_sets);
    random_bytes(cache->seed, sizeof cache->seed);
    for (size_t i = 0; i < N_LOCKS; i++) {
        pthread_mutex_init(&cache->locks[i], NULL);
    }
    return cache;
}

static void
slot_clear(struct slot *slot)
{
    g_free(slot->token);
    auth_context_unref(slot->context);
    *slot = (struct slot){0};
}

void
token_cache_free(struct token_cache *cache)
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

// Only the signature's end is mixed: nobody but identity can choose it, and what is stored was
// verified before.
static size_t
set_of(const struct token_cache *cache, const char *token, size_t len)
{
    uint64_t words[4] = {0};
    size_t n = MIN(len, sizeof words);
    memcpy(words, token + len - n, n);
    uint64_t hash = cache->seed[0];
    for (size_t i = 0; i < N_ELEMENTS(words); i++) {
        hash = (hash ^ words[i]) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 29;
    }
    hash = (hash ^ cache->seed[1]) * UINT64_C(0xbf58476d1ce4e5b9);
    return (size_t)(hash >> 32) & (cache->n_sets - 1);
}

static struct slot *
slot_find(struct set *set, const char *token, size_t len)
{
    for (int i = 0; i < N_WAYS; i++) {
        struct slot *slot = &set->slots[i];
        if (slot->token && slot->len == len && !memcmp(slot->token, token, len)) {
            slot->last_use = ++set->n_uses;
            return slot;
        }
    }
    return NULL;
}

struct auth_context *
token_cache_find(struct token_cache *cache, const char *token, size_t len, uint64_t *ret_epoch)
{
    size_t i = set_of(cache, token, len);
    pthread_mutex_t *lock = &cache->locks[i % N_LOCKS];
    pthread_mutex_lock(lock);
    const struct slot *slot = slot_find(&cache->sets[i], token, len);
    struct auth_context *context = slot ? auth_context_ref(slot->context) : NULL;
    if (slot) {
        *ret_epoch = slot->epoch;
    }
    pthread_mutex_unlock(lock);
    return context;
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

void
token_cache_put(struct token_cache *cache, const char *token, size_t len,
                struct auth_context *context, uint64_t epoch)
{
    size_t i = set_of(cache, token, len);
    struct set *set = &cache->sets[i];
    pthread_mutex_t *lock = &cache->locks[i % N_LOCKS];
    pthread_mutex_lock(lock);
    struct slot *slot = slot_find(set, token, len);
    if (!slot) {
        slot = slot_oldest(set);
        slot_clear(slot);
        *slot = (struct slot){.token = g_strndup(token, len),
                              .len = len,
                              .last_use = ++set->n_uses,
                              .context = auth_context_ref(context)};
    }
    slot->epoch = epoch;
    pthread_mutex_unlock(lock);
}

void
token_cache_drop(struct token_cache *cache, const char *token, size_t len)
{
    size_t i = set_of(cache, token, len);
    pthread_mutex_t *lock = &cache->locks[i % N_LOCKS];
    pthread_mutex_lock(lock);
    struct slot *slot = slot_find(&cache->sets[i], token, len);
    if (slot) {
        slot_clear(slot);
    }
    pthread_mutex_unlock(lock);
}
