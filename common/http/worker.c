// SPDX-License-Identifier: Apache-2.0
// The bounded pool for slow rows. While a request is here its connection is suspended, so nobody
// else touches it.
#include "common/http/internal.h"

struct worker_pool {
    GThreadPool *threads;
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
    pool->max_queue = config->max_queue;
    pool->run = run;
    pool->threads = g_thread_pool_new(run_one, pool, config->n_workers, TRUE, NULL);
    return pool;
}

void
worker_pool_free(struct worker_pool *pool)
{
    if (pool) {
        g_thread_pool_free(pool->threads, FALSE, TRUE);
        g_free(pool);
    }
}

bool
worker_pool_push(struct worker_pool *pool, struct request *request)
{
    if (g_thread_pool_unprocessed(pool->threads) >= (guint)pool->max_queue) {
        return false;
    }
    return g_thread_pool_push(pool->threads, request, NULL);
}
