// SPDX-License-Identifier: Apache-2.0
#include "common/base/text_cache.h"
#include "common/base/util.h"
#include <pthread.h>
#include <string.h>

// What an entry takes beside its texts, about.
#define ENTRY_BYTES 256

struct entry {
    char *key, *label;
    GRefString *text;
    uint64_t serial;
    int64_t sure_ms; // put or renewed
    size_t n_bytes;
    GList link; // in by_use
};
struct text_cache {
    size_t max_bytes;
    int64_t life_ms;
    pthread_mutex_t lock; // guards all below
    GHashTable *entries;  // key → entry, which it owns
    GQueue by_use;        // the latest first
    size_t n_bytes;
    uint64_t n_puts;
};

static void
entry_free(gpointer data)
{
    struct entry *entry = data;
    g_free(entry->key);
    g_free(entry->label);
    g_ref_string_release(entry->text);
    g_free(entry);
}

struct text_cache *
text_cache_new(size_t max_bytes, int64_t life_ms)
{
    struct text_cache *cache = g_new0(struct text_cache, 1);
    cache->max_bytes = max_bytes;
    cache->life_ms = life_ms;
    cache->entries = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, entry_free);
    g_queue_init(&cache->by_use);
    pthread_mutex_init(&cache->lock, NULL);
    return cache;
}

void
text_cache_free(struct text_cache *cache)
{
    if (!cache) {
        return;
    }
    g_hash_table_unref(cache->entries);
    pthread_mutex_destroy(&cache->lock);
    g_free(cache);
}

static void
drop(struct text_cache *cache, struct entry *entry)
{
    cache->n_bytes -= entry->n_bytes;
    g_queue_unlink(&cache->by_use, &entry->link);
    g_hash_table_remove(cache->entries, entry->key);
}

bool
text_cache_find(struct text_cache *cache, const char *key, struct cached_text *ret_found)
{
    pthread_mutex_lock(&cache->lock);
    struct entry *entry = g_hash_table_lookup(cache->entries, key);
    if (entry && monotonic_ms() - entry->sure_ms >= cache->life_ms) {
        drop(cache, entry);
        entry = NULL;
    }
    if (entry) {
        g_queue_unlink(&cache->by_use, &entry->link);
        g_queue_push_head_link(&cache->by_use, &entry->link);
        *ret_found = (struct cached_text){g_ref_string_acquire(entry->text), g_strdup(entry->label),
                                          entry->serial};
    }
    pthread_mutex_unlock(&cache->lock);
    return entry != NULL;
}

void
text_cache_done(struct cached_text *found)
{
    g_ref_string_release(found->text);
    g_free(found->label);
}

void
text_cache_put(struct text_cache *cache, const char *key, const char *label, const char *text)
{
    size_t n_bytes = strlen(key) + strlen(label) + strlen(text) + ENTRY_BYTES;
    if (n_bytes > cache->max_bytes / 8) {
        return;
    }
    struct entry *entry = g_new0(struct entry, 1);
    *entry = (struct entry){.key = g_strdup(key),
                            .label = g_strdup(label),
                            .text = g_ref_string_new(text),
                            .sure_ms = monotonic_ms(),
                            .n_bytes = n_bytes};
    entry->link.data = entry;
    pthread_mutex_lock(&cache->lock);
    struct entry *old = g_hash_table_lookup(cache->entries, key);
    if (old) {
        drop(cache, old);
    }
    while (cache->n_bytes + n_bytes > cache->max_bytes) {
        drop(cache, g_queue_peek_tail(&cache->by_use));
    }
    entry->serial = ++cache->n_puts;
    cache->n_bytes += n_bytes;
    g_hash_table_insert(cache->entries, entry->key, entry);
    g_queue_push_head_link(&cache->by_use, &entry->link);
    pthread_mutex_unlock(&cache->lock);
}

void
text_cache_renew(struct text_cache *cache, const char *key, uint64_t serial, const char *label)
{
    pthread_mutex_lock(&cache->lock);
    struct entry *entry = g_hash_table_lookup(cache->entries, key);
    if (entry && entry->serial == serial) {
        entry->sure_ms = monotonic_ms();
        if (strcmp(entry->label, label)) {
            g_free(entry->label);
            entry->label = g_strdup(label);
        }
    }
    pthread_mutex_unlock(&cache->lock);
}

void
text_cache_size(struct text_cache *cache, size_t *ret_bytes, size_t *ret_texts)
{
    pthread_mutex_lock(&cache->lock);
    *ret_bytes = cache->n_bytes;
    *ret_texts = g_hash_table_size(cache->entries);
    pthread_mutex_unlock(&cache->lock);
}
