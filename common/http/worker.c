// SPDX-License-Identifier: Apache-2.0
// The bounded pool for slow rows. While a request is here its connection is suspended, so nobody
// else touches it.
#include "common/http/internal.h"

struct worker_pool {
    GMutex mutex;         // guards threads
    GThreadPool *threads; // NULL: stopped
    int max_queue;
    void (*run)(struct request *request);
};

static void
run_one(gpointer request, gpointer data)
{
    struct worker_pool *pool = data;
    pool->run(request);
}

struct worker_pool *
worker_pool_new(const struct http_config *config, void (*run)(struct request *request))
{
    struct worker_pool *pool = g_new0(struct worker_pool, 1);
    g_mutex_init(&pool->mutex);
    pool->max_queue = config->max_queue;
    pool->run = run;
    pool->threads = g_thread_pool_new(run_one, pool, config->n_workers, TRUE, NULL);
    return pool;
}

void
worker_pool_stop(struct worker_pool *pool)
{
    g_mutex_lock(&pool->mutex);
    GThreadPool *threads = g_steal_pointer(&pool->threads);
    g_mutex_unlock(&pool->mutex);
    if (threads) {
        g_thread_pool_free(threads, FALSE, TRUE);
    }
}

void
worker_pool_free(struct worker_pool *pool)
{
    if (pool) {
        worker_pool_stop(pool);
        g_mutex_clear(&pool->mutex);
        g_free(pool);
    }
}

bool
worker_pool_push(struct worker_pool *pool, struct request *request)
{
    g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&pool->mutex);
    return pool->threads && g_thread_pool_unprocessed(pool->threads) < (guint)pool->max_queue &&
           g_thread_pool_push(pool->threads, request, NULL);
}
