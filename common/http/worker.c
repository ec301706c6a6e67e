// SPDX-License-Identifier: Apache-2.0
// The bounded pool for slow rows. While a request is here its connection is suspended, so nobody
// else touches it.
#include "common/http/internal.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define WORKER_NICE 10

struct worker_pool {
    GThreadPool *threads;
    int max_queue;
    bool gives_way;
    void (*run)(struct request *request);
};

// What is slow by itself (hashing above all) gives way to what can be answered at once: HTTP
// threads get the CPU first. Linux keeps a nice value for each thread.
static void
give_way(void)
{
    static _Thread_local bool done;
    if (!done) {
        done = true;
        setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), WORKER_NICE);
    }
}

static void
run_one(gpointer request, gpointer data)
{
    struct worker_pool *pool = data;
    if (pool->gives_way) {
        give_way();
    }
    pool->run(request);
}

struct worker_pool *
worker_pool_new(const struct http_config *config, void (*run)(struct request *request))
{
    struct worker_pool *pool = g_new0(struct worker_pool, 1);
    pool->max_queue = config->max_queue;
    pool->gives_way = config->workers_give_way;
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
