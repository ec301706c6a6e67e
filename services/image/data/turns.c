// SPDX-License-Identifier: Apache-2.0
#include "services/image/data/turns.h"

#include "services/image/data/places.h"

struct turns {
    void (*run)(void *work, void *context);
    void *context;
    struct places *threads; // as the owners have them
    GThreadPool *pool;      // one token for each piece of work
    GMutex mutex;           // guards what follows
    GQueue waiting;         // of struct turn
};
struct turn {
    char *owner;
    void *work;
};

// The oldest whose owner may have one more thread; NULL: none.
static struct turn *
take(struct turns *turns)
{
    struct turn *found = NULL;
    g_mutex_lock(&turns->mutex);
    for (GList *each = turns->waiting.head; each; each = each->next) {
        struct turn *turn = each->data;
        if (places_try(turns->threads, turn->owner)) {
            g_queue_delete_link(&turns->waiting, each);
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
        places_give(turns->threads, turn->owner);
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
    turns->threads = places_new("threads", (int)n_threads, (int)n_each);
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
        places_unref(turns->threads);
        g_mutex_clear(&turns->mutex);
        g_free(turns);
    }
}
