// SPDX-License-Identifier: Apache-2.0
#include "services/image/data/turns.h"

struct turns {
    void (*run)(void *work, void *context);
    void *context;
    unsigned n_each;
    GThreadPool *pool;   // one token for each piece of work
    GMutex mutex;        // guards the rest
    GQueue waiting;      // of struct turn
    GHashTable *running; // owner → how many
};
struct turn {
    char *owner;
    void *work;
};

static unsigned
running_of(const struct turns *turns, const char *owner)
{
    return GPOINTER_TO_UINT(g_hash_table_lookup(turns->running, owner));
}

static void
set_running(struct turns *turns, const char *owner, unsigned n)
{
    if (n > 0) {
        g_hash_table_insert(turns->running, g_strdup(owner), GUINT_TO_POINTER(n));
    } else {
        g_hash_table_remove(turns->running, owner);
    }
}

// The oldest whose owner may have one more thread; NULL: none.
static struct turn *
take(struct turns *turns)
{
    struct turn *found = NULL;
    g_mutex_lock(&turns->mutex);
    for (GList *each = turns->waiting.head; each; each = each->next) {
        struct turn *turn = each->data;
        if (running_of(turns, turn->owner) < turns->n_each) {
            g_queue_delete_link(&turns->waiting, each);
            set_running(turns, turn->owner, running_of(turns, turn->owner) + 1);
            found = turn;
            break;
        }
    }
    g_mutex_unlock(&turns->mutex);
    return found;
}

// A token that finds nothing it may do is lost: whoever ends what is in the way looks again.
static void
run_some(gpointer token, gpointer data)
{
    struct turns *turns = data;
    struct turn *turn;
    while ((turn = take(turns))) {
        turns->run(turn->work, turns->context);
        g_mutex_lock(&turns->mutex);
        set_running(turns, turn->owner, running_of(turns, turn->owner) - 1);
        g_mutex_unlock(&turns->mutex);
        g_free(turn->owner);
        g_free(turn);
    }
}

struct turns *
turns_new(void (*run)(void *work, void *context), void *context, unsigned n_threads,
          unsigned n_each)
{
    struct turns *turns = g_new0(struct turns, 1);
    turns->run = run;
    turns->context = context;
    turns->n_each = n_each;
    turns->running = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_mutex_init(&turns->mutex);
    g_queue_init(&turns->waiting);
    turns->pool = g_thread_pool_new(run_some, turns, (gint)n_threads, TRUE, NULL);
    return turns;
}

void
turns_push(struct turns *turns, const char *owner, void *work)
{
    struct turn *turn = g_new(struct turn, 1);
    *turn = (struct turn){g_strdup(owner), work};
    g_mutex_lock(&turns->mutex);
    g_queue_push_tail(&turns->waiting, turn);
    g_mutex_unlock(&turns->mutex);
    g_thread_pool_push(turns->pool, turns, NULL);
}

void
turns_free(struct turns *turns)
{
    if (turns) {
        g_thread_pool_free(turns->pool, FALSE, TRUE);
        g_assert(g_queue_is_empty(&turns->waiting));
        g_hash_table_unref(turns->running);
        g_mutex_clear(&turns->mutex);
        g_free(turns);
    }
}
