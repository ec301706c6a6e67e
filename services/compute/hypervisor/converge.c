// SPDX-License-Identifier: Apache-2.0
#include "services/compute/hypervisor/converge.h"

#include <glib.h>
#include <stdbool.h>

struct item {
    bool running, woken; // woken while running
    int64_t due_us;      // monotonic; INT64_MAX: not due
};

struct converge {
    GMutex mutex; // guards all below
    GCond changed;
    GHashTable *items; // key → struct item *
    bool stopping;
    GPtrArray *threads;
    converge_fn run;
    void *context;
};

static gpointer worker(gpointer data);

struct converge *
converge_new(int n_threads, converge_fn run, void *context)
{
    struct converge *converge = g_new0(struct converge, 1);
    g_mutex_init(&converge->mutex);
    g_cond_init(&converge->changed);
    converge->items = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    converge->run = run;
    converge->context = context;
    converge->threads = g_ptr_array_new();
    for (int i = 0; i < n_threads; i++) {
        g_ptr_array_add(converge->threads, g_thread_new("converge", worker, converge));
    }
    return converge;
}

void
converge_stop(struct converge *converge)
{
    g_mutex_lock(&converge->mutex);
    converge->stopping = true;
    g_cond_broadcast(&converge->changed);
    g_mutex_unlock(&converge->mutex);
    for (guint i = 0; i < converge->threads->len; i++) {
        g_thread_join(converge->threads->pdata[i]);
    }
}

void
converge_free(struct converge *converge)
{
    g_ptr_array_unref(converge->threads);
    g_hash_table_destroy(converge->items);
    g_mutex_clear(&converge->mutex);
    g_cond_clear(&converge->changed);
    g_free(converge);
}

void
converge_wake(struct converge *converge, const char *key)
{
    g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&converge->mutex);
    struct item *item = g_hash_table_lookup(converge->items, key);
    if (!item) {
        item = g_new0(struct item, 1);
        g_hash_table_insert(converge->items, g_strdup(key), item);
    }
    item->due_us = 0;
    item->woken = item->running;
    g_cond_signal(&converge->changed);
}

// The key that has been due longest, or NULL and when the next one is.
static const char *
next_due(struct converge *converge, int64_t *ret_next_us)
{
    const char *best = NULL;
    int64_t best_us = INT64_MAX;
    GHashTableIter iter;
    gpointer key, value;
    g_hash_table_iter_init(&iter, converge->items);
    while (g_hash_table_iter_next(&iter, &key, &value)) {
        const struct item *item = value;
        if (!item->running && item->due_us < best_us) {
            best = key;
            best_us = item->due_us;
        }
    }
    *ret_next_us = best_us;
    return best_us <= g_get_monotonic_time() ? best : NULL;
}

// Runs with the mutex held; the work itself without it.
static void
run_key(struct converge *converge, const char *borrowed_key)
{
    g_autofree char *key = g_strdup(borrowed_key);
    struct item *item = g_hash_table_lookup(converge->items, key);
    item->running = true;
    g_mutex_unlock(&converge->mutex);
    int64_t again_ms = converge->run(key, converge->context);
    g_mutex_lock(&converge->mutex);
    item->running = false;
    if (item->woken) {
        item->woken = false;
    } else if (again_ms < 0) {
        g_hash_table_remove(converge->items, key);
    } else {
        item->due_us = g_get_monotonic_time() + again_ms * 1000;
    }
    g_cond_signal(&converge->changed);
}

static gpointer
worker(gpointer data)
{
    struct converge *converge = data;
    g_mutex_lock(&converge->mutex);
    while (!converge->stopping) {
        int64_t next_us;
        const char *key = next_due(converge, &next_us);
        if (key) {
            run_key(converge, key);
        } else if (next_us == INT64_MAX) {
            g_cond_wait(&converge->changed, &converge->mutex);
        } else {
            g_cond_wait_until(&converge->changed, &converge->mutex, next_us);
        }
    }
    g_mutex_unlock(&converge->mutex);
    return NULL;
}
