// SPDX-License-Identifier: Apache-2.0
// Nothing is looked for when something changes: each entry carries the sum of the counters of all
// that it depends on, and counters only grow.
#include "services/identity/token/scope_cache.h"
#include "common/auth/context_cache.h"
#include "common/base/util.h"
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#define N_COUNTERS 4096 // a power of two; ids that share one are only asked for too often
#define KEY_MAX 512
#define SURE_MS 900   // after this a look at the database is due
#define LIFE_MS 60000 // what depends on the date is seen after this at the latest

struct scope_cache {
    struct context_cache *entries;
    guint seed;
    _Atomic uint64_t changes[N_COUNTERS], changes_of_all, epoch;
    pthread_mutex_t sure_lock; // guards the rest
    int64_t as_of_us, begun_ms;
};

struct scope_cache *
scope_cache_new(size_t n_entries)
{
    struct scope_cache *cache = g_new0(struct scope_cache, 1);
    cache->entries = context_cache_new(n_entries);
    random_bytes(&cache->seed, sizeof cache->seed);
    pthread_mutex_init(&cache->sure_lock, NULL);
    return cache;
}

void
scope_cache_free(struct scope_cache *cache)
{
    if (cache) {
        context_cache_free(cache->entries);
        pthread_mutex_destroy(&cache->sure_lock);
        g_free(cache);
    }
}

static guint
hash(const struct scope_cache *cache, const char *text)
{
    guint value = cache->seed ^ 2166136261u;
    for (; *text; text++) {
        value = (value ^ (unsigned char)*text) * 16777619u;
    }
    return value ^ value >> 15;
}

// False: no room.
static bool
add(char text[KEY_MAX], size_t *inout_len, char divider, const char *piece)
{
    size_t n = strlen(piece);
    if (*inout_len + n + 2 > KEY_MAX) {
        return false;
    }
    text[(*inout_len)++] = divider;
    memcpy(text + *inout_len, piece, n + 1);
    *inout_len += n;
    return true;
}

// False: too long to be kept. Names are as they were asked, so that nothing has to be resolved; the
// dividers say what follows.
static bool
key_of(const struct scope_cache *cache, const struct scope_key *key, char text[KEY_MAX],
       struct context_key *ret_key)
{
    const struct named *target = &key->target;
    size_t len = 0;
    bool fits = add(text, &len, (char)('0' + key->scope), key->user_id);
    if (target->id) {
        fits = fits && add(text, &len, '\1', target->id);
    } else {
        fits = fits && add(text, &len, '\2', target->name ? target->name : "") &&
               (target->domain_id     ? add(text, &len, '\3', target->domain_id)
                : target->domain_name ? add(text, &len, '\4', target->domain_name)
                                      : true);
    }
    *ret_key = (struct context_key){text, len, hash(cache, text)};
    return fits;
}

static uint64_t
changes_of(struct scope_cache *cache, const char *id)
{
    return id[0] ? atomic_load(&cache->changes[hash(cache, id) & (N_COUNTERS - 1)]) : 0;
}

static uint64_t
stamp_of(struct scope_cache *cache, const struct auth_context *context)
{
    return atomic_load(&cache->changes_of_all) + changes_of(cache, context->user_id) +
           changes_of(cache, context->user_domain_id) + changes_of(cache, context->project_id) +
           changes_of(cache, context->project_domain_id) + changes_of(cache, context->domain_id);
}

struct auth_context *
scope_cache_find(struct scope_cache *cache, const struct scope_key *key)
{
    char text[KEY_MAX];
    struct context_key own;
    struct context_entry entry;
    if (!key_of(cache, key, text, &own) || !context_cache_find(cache->entries, &own, &entry)) {
        return NULL;
    }
    struct auth_context *context = entry.context;
    if (entry.stamp == stamp_of(cache, context) && monotonic_ms() - entry.made_ms < LIFE_MS) {
        return context;
    }
    context_cache_drop(cache->entries, &own);
    auth_context_unref(context);
    return NULL;
}

void
scope_cache_put(struct scope_cache *cache, const struct scope_key *key,
                struct auth_context *context, uint64_t epoch)
{
    char text[KEY_MAX];
    struct context_key own;
    const struct context_entry entry = {context, stamp_of(cache, context), monotonic_ms()};
    if (key_of(cache, key, text, &own) && atomic_load(&cache->epoch) == epoch) {
        context_cache_put(cache->entries, &own, &entry);
    }
}

uint64_t
scope_cache_epoch(struct scope_cache *cache)
{
    return atomic_load(&cache->epoch);
}

// The epoch first: who puts what was read before it, with a stamp of afterwards, sees that it has
// changed.
void
scope_cache_changed(struct scope_cache *cache, const char *id)
{
    atomic_fetch_add(&cache->epoch, 1);
    atomic_fetch_add(
        id ? &cache->changes[hash(cache, id) & (N_COUNTERS - 1)] : &cache->changes_of_all, 1);
}

void
scope_cache_confirm(struct scope_cache *cache, int64_t as_of_us, int64_t begun_ms)
{
    pthread_mutex_lock(&cache->sure_lock);
    cache->as_of_us = as_of_us;
    cache->begun_ms = begun_ms;
    pthread_mutex_unlock(&cache->sure_lock);
}

int64_t
scope_cache_as_of_us(struct scope_cache *cache)
{
    pthread_mutex_lock(&cache->sure_lock);
    int64_t as_of_us = monotonic_ms() - cache->begun_ms < SURE_MS ? cache->as_of_us : 0;
    pthread_mutex_unlock(&cache->sure_lock);
    return as_of_us;
}
