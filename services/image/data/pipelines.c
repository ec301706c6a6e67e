// SPDX-License-Identifier: Apache-2.0
// What all uploads share. A pipeline without a buffer has one kept for it, so a client that sends
// nothing for a while holds up nobody but itself: what it has is at most what is its own.
#include "services/image/data/pipeline_parts.h"

#include "common/base/background.h"

#define N_WRITERS 4
#define MAX_SPARE 16           // buffers kept when nobody wants them
#define WAKE_AT (MAX_HELD / 2) // an upload that held all it may is woken when it has room for a few

static void
run(gpointer stage, gpointer context)
{
    background_enter();
    pipeline_run_stage(stage);
}

struct pipelines *
pipelines_new(int64_t memory, int n_max, bool is_split)
{
    struct pipelines *all = g_new0(struct pipelines, 1);
    g_mutex_init(&all->mutex);
    all->n_max = (int)MAX(memory / (int64_t)PIPELINE_BUFFER_SIZE, n_max);
    all->buffers = buffers_new(PIPELINE_BUFFER_SIZE);
    all->n_split_max = is_split ? (background_threads() + 1) / 2 : 0;
    const int n_threads[N_STAGES] = {[STAGE_WRITE] = N_WRITERS,
                                     [STAGE_SUMS] = background_threads(),
                                     [STAGE_HASH] = MAX(all->n_split_max, 1),
                                     [STAGE_ARCHIVE] = background_threads()};
    for (int i = 0; i < N_STAGES; i++) {
        all->pools[i] = g_thread_pool_new(run, NULL, n_threads[i], TRUE, NULL);
    }
    return all;
}

void
pipelines_free(struct pipelines *all)
{
    if (!all) {
        return;
    }
    for (int i = 0; i < N_STAGES; i++) {
        g_thread_pool_free(all->pools[i], FALSE, TRUE);
    }
    buffers_free(all->buffers);
    g_mutex_clear(&all->mutex);
    g_free(all);
}

int64_t
pipelines_memory(const struct pipelines *all)
{
    struct pipelines *mutable = (struct pipelines *)all;
    g_mutex_lock(&mutable->mutex);
    int64_t size = buffers_memory(all->buffers);
    g_mutex_unlock(&mutable->mutex);
    return size;
}

void
pipelines_join(struct pipeline *pipeline)
{
    struct pipelines *all = pipeline->config.all;
    pipeline->is_split = all->n_pipelines < all->n_split_max;
    all->n_pipelines++;
    all->n_owed++;
}

static void
release(struct pipeline *pipeline, uint8_t *buffer)
{
    struct pipelines *all = pipeline->config.all;
    buffers_give(all->buffers, buffer);
    all->n_used--;
    pipeline->n_held--;
    all->n_owed += pipeline->n_held == 0;
}

static bool
is_one_to_spare(const struct pipelines *all)
{
    return all->n_used + all->n_owed < all->n_max;
}

static void
grant(struct pipeline *pipeline)
{
    struct pipelines *all = pipeline->config.all;
    all->n_owed -= pipeline->n_held == 0;
    pipeline->n_held++;
    all->n_used++;
    pipeline->filling[pipeline->n_filling++] = buffers_take(all->buffers);
}

static void
forget_waiting(struct pipeline *pipeline)
{
    if (pipeline->is_waiting) {
        g_queue_remove(&pipeline->config.all->waiting, pipeline);
        pipeline->is_waiting = false;
    }
}

bool
pipelines_take_more(struct pipeline *pipeline)
{
    struct pipelines *all = pipeline->config.all;
    bool may = pipeline->n_held == 0 || (pipeline->n_held < MAX_HELD && is_one_to_spare(all) &&
                                         g_queue_is_empty(&all->waiting));
    if (may) {
        grant(pipeline);
    }
    return may;
}

static void
wait_in_line(struct pipeline *pipeline)
{
    pipeline->is_waiting = true;
    g_queue_push_tail(&pipeline->config.all->waiting, pipeline);
}

bool
pipelines_take(struct pipeline *pipeline)
{
    if (pipelines_take_more(pipeline)) {
        return true;
    }
    pipeline->is_starved = true;
    if (pipeline->n_held < MAX_HELD && !pipeline->is_waiting) {
        wait_in_line(pipeline);
    }
    return false;
}

void
pipelines_wake(struct pipeline *pipeline)
{
    forget_waiting(pipeline);
    if (pipeline->is_starved && pipeline->config.wake) {
        pipeline->config.wake(pipeline->config.context);
    }
    pipeline->is_starved = false;
}

// Its own buffers came back: enough of them, or the one that is kept for it.
static void
feed_owner(struct pipeline *pipeline)
{
    if (!pipeline->is_starved || pipeline->n_filling > 0 || pipeline->n_held > WAKE_AT ||
        (pipeline->is_waiting && pipeline->n_held > 0)) {
        return;
    }
    if (pipelines_take_more(pipeline)) {
        pipelines_wake(pipeline);
    } else {
        wait_in_line(pipeline);
    }
}

static void
feed_waiting(struct pipelines *all)
{
    while (is_one_to_spare(all) && !g_queue_is_empty(&all->waiting)) {
        struct pipeline *next = g_queue_peek_head(&all->waiting);
        grant(next);
        pipelines_wake(next);
    }
}

void
pipelines_give_back(struct pipeline *pipeline)
{
    uint64_t n_through = pipeline_slowest(pipeline);
    if (pipeline->n_free == n_through) {
        return;
    }
    for (; pipeline->n_free < n_through; pipeline->n_free++) {
        release(pipeline, pipeline->ring[pipeline->n_free % MAX_HELD]);
    }
    feed_owner(pipeline);
    feed_waiting(pipeline->config.all);
    buffers_trim(pipeline->config.all->buffers, MAX_SPARE);
}

void
pipelines_leave(struct pipeline *pipeline)
{
    struct pipelines *all = pipeline->config.all;
    forget_waiting(pipeline);
    for (; pipeline->n_free < pipeline->n_full; pipeline->n_free++) {
        release(pipeline, pipeline->ring[pipeline->n_free % MAX_HELD]);
    }
    while (pipeline->n_filling > 0) {
        release(pipeline, pipeline->filling[--pipeline->n_filling]);
    }
    all->n_owed--;
    all->n_pipelines--;
    feed_waiting(all);
    buffers_trim(all->buffers, MAX_SPARE);
}

bool
pipelines_mark(struct stage *stage)
{
    bool is_new = !stage->is_queued;
    stage->is_queued = true;
    return is_new;
}

void
pipelines_push(struct stage *stage)
{
    const struct pipeline *pipeline = stage->pipeline;
    g_thread_pool_push(pipeline->config.all->pools[stage - pipeline->stages], stage, NULL);
}
