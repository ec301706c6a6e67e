// SPDX-License-Identifier: Apache-2.0
// Set-associative, so bounded by construction. Nothing is looked for when something changes: each
// entry carries the sum of the counters of all that it depends on, and counters only grow.
#include "services/identity/token/scope_cache.h"
#include "common/base/util.h"
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#define N_WAYS 4
#define N_LOCKS 32      // a power of two
#define N_COUNTERS 4096 // a power of two; ids that share one are only asked for too often
#define KEY_MAX 512
#define SURE_MS 900   // after this a look at the database is due
#define LIFE_MS 60000 // what depends on the date is seen after this at the latest

struct slot {
    char *key; // NULL: free
    struct auth_context *context;
    uint64_t stamp, last_use;
    int64_t made_ms;
};
struct set {
    struct slot slots[N_WAYS];
    uint64_t n_uses;
};
struct scope_cache {
    size_t n_sets; // a power of two
    struct set *sets;
    guint seed;
    pthread_mutex_t locks[N_LOCKS]; // locks[i % N_LOCKS] guards sets[i]
    _Atomic uint64_t changes[N_COUNTERS], changes_of_all, epoch;
    pthread_mutex_t sure_lock; // guards the rest
    int64_t as_of_us, begun_ms;
};

struct scope_cache *
scope_cache_new(size_t n_entries)
{
    struct scope_cache *cache = g_new0(struct scope_cache, 1);
    cache->n_sets = N_LOCKS;
    while (cache->n_sets * N_WAYS < n_entries) {
        cache->n_sets *= 2;
    }
    cache->sets = g_new0(struct set, cache->n_sets);
    random_bytes(&cache->seed, sizeof cache->seed);
    for (size_t i = 0; i < N_LOCKS; i++) {
        pthread_mutex_init(&cache->locks[i], NULL);
    }
    pthread_mutex_init(&cache->sure_lock, NULL);
    return cache;
}

static void
slot_clear(struct slot *slot)
{
    g_free(slot->key);
    auth_context_unref(slot->context);
    *slot = (struct slot){0};
}

void
scope_cache_free(struct scope_cache *cache)
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
    pthread_mutex_destroy(&cache->sure_lock);
    g_free(cache->sets);
    g_free(cache);
}

// False: too long to be kept. Names are as they were asked, so that nothing has to be resolved.
static bool
key_text(const struct scope_key *key, char ret_text[KEY_MAX])
{
    const struct named *target = &key->target;
    int len = target->id ? g_snprintf(ret_text, KEY_MAX, "%s\n%d\ni%s", key->user_id,
                                      (int)key->scope, target->id)
                         : g_snprintf(ret_text, KEY_MAX, "%s\n%d\nn%s\n%c%s", key->user_id,
                                      (int)key->scope, target->name ? target->name : "",
                                      target->domain_id ? 'i' : 'n',
                                      target->domain_id     ? target->domain_id
                                      : target->domain_name ? target->domain_name
                                                            : "");
    return len < KEY_MAX;
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

static struct slot *
slot_find(struct set *set, const char *text)
{
    for (int i = 0; i < N_WAYS; i++) {
        struct slot *slot = &set->slots[i];
        if (slot->key && !strcmp(slot->key, text)) {
            slot->last_use = ++set->n_uses;
            return slot;
        }
    }
    return NULL;
}

struct auth_context *
scope_cache_find(struct scope_cache *cache, const struct scope_key *key)
{
    char text[KEY_MAX];
    struct auth_context *context = NULL;
    if (!key_text(key, text)) {
        return NULL;
    }
    size_t i = hash(cache, text) & (cache->n_sets - 1);
    pthread_mutex_lock(&cache->locks[i % N_LOCKS]);
    struct slot *slot = slot_find(&cache->sets[i], text);
    if (slot && slot->stamp == stamp_of(cache, slot->context) &&
        monotonic_ms() - slot->made_ms < LIFE_MS) {
        context = auth_context_ref(slot->context);
    } else if (slot) {
        slot_clear(slot);
    }
    pthread_mutex_unlock(&cache->locks[i % N_LOCKS]);
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
scope_cache_put(struct scope_cache *cache, const struct scope_key *key,
                struct auth_context *context, uint64_t epoch)
{
    char text[KEY_MAX];
    uint64_t stamp = stamp_of(cache, context);
    if (!key_text(key, text) || atomic_load(&cache->epoch) != epoch) {
        return;
    }
    size_t i = hash(cache, text) & (cache->n_sets - 1);
    struct set *set = &cache->sets[i];
    pthread_mutex_lock(&cache->locks[i % N_LOCKS]);
    struct slot *slot = slot_find(set, text);
    slot = slot ? slot : slot_oldest(set);
    slot_clear(slot);
    *slot = (struct slot){.key = g_strdup(text),
                          .context = auth_context_ref(context),
                          .stamp = stamp,
                          .last_use = ++set->n_uses,
                          .made_ms = monotonic_ms()};
    pthread_mutex_unlock(&cache->locks[i % N_LOCKS]);
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
