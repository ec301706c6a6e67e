// SPDX-License-Identifier: Apache-2.0
#include "services/identity/token/feed_reader.h"

#include "common/base/util.h"

#include <glib.h>

#define HURRY_MS 2000

struct reader {
    int64_t after, seen_ms;
};
struct feed_readers {
    GMutex lock;
    GCond moved;       // with lock: some reader came further
    GHashTable *known; // id → struct reader
    int n_waiting;
    int64_t hurry_until_ms;
};

struct feed_readers *
feed_readers_new(void)
{
    struct feed_readers *readers = g_new0(struct feed_readers, 1);
    readers->known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_mutex_init(&readers->lock);
    g_cond_init(&readers->moved);
    return readers;
}

void
feed_readers_free(struct feed_readers *readers)
{
    if (readers) {
        g_hash_table_unref(readers->known);
        g_mutex_clear(&readers->lock);
        g_cond_clear(&readers->moved);
        g_free(readers);
    }
}

static gboolean
is_away(gpointer id, gpointer reader, gpointer now_ms)
{
    return *(const int64_t *)now_ms - ((const struct reader *)reader)->seen_ms >
           FEED_READER_AWAY_MS;
}

// NULL: there are too many.
static struct reader *
reader_get(struct feed_readers *readers, const char *id, int64_t now_ms)
{
    struct reader *reader = g_hash_table_lookup(readers->known, id);
    if (reader) {
        return reader;
    }
    g_hash_table_foreach_remove(readers->known, is_away, &now_ms);
    if (g_hash_table_size(readers->known) >= FEED_READERS_MAX) {
        return NULL;
    }
    reader = g_new0(struct reader, 1);
    g_hash_table_insert(readers->known, g_strdup(id), reader);
    return reader;
}

int
feed_readers_saw(struct feed_readers *readers, const char *id, int64_t after)
{
    int64_t now_ms = monotonic_ms();
    g_mutex_lock(&readers->lock);
    struct reader *reader = reader_get(readers, id, now_ms);
    if (reader) {
        *reader = (struct reader){after, now_ms};
    }
    if (readers->n_waiting) {
        g_cond_broadcast(&readers->moved);
    }
    bool hurries = readers->n_waiting || now_ms < readers->hurry_until_ms;
    g_mutex_unlock(&readers->lock);
    return hurries ? FEED_HURRY_INTERVAL_MS : 0;
}

// Somebody who is not away has not seen event n.
static bool
is_behind(struct feed_readers *readers, int64_t n)
{
    int64_t now_ms = monotonic_ms();
    GHashTableIter iter;
    gpointer id, reader;
    g_hash_table_iter_init(&iter, readers->known);
    while (g_hash_table_iter_next(&iter, &id, &reader)) {
        if (((struct reader *)reader)->after < n && !is_away(id, reader, &now_ms)) {
            return true;
        }
    }
    return false;
}

bool
feed_readers_await(struct feed_readers *readers, int64_t n)
{
    gint64 until_us = g_get_monotonic_time() + FEED_READER_AWAY_MS * G_GINT64_CONSTANT(1000);
    g_mutex_lock(&readers->lock);
    bool waits = readers->n_waiting < FEED_WAITERS_MAX, in_time = waits;
    readers->n_waiting += waits;
    while (in_time && is_behind(readers, n)) {
        in_time = g_cond_wait_until(&readers->moved, &readers->lock, until_us);
    }
    bool all_know = !is_behind(readers, n);
    readers->n_waiting -= waits;
    readers->hurry_until_ms = monotonic_ms() + HURRY_MS;
    g_mutex_unlock(&readers->lock);
    return all_know;
}
