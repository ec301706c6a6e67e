// SPDX-License-Identifier: Apache-2.0
// An upload's md5 and hash. One thread computes both at once, which is two thirds of the work of
// one after the other. Where there are cores to spare, a helper takes the hash over: that is more
// work, and sooner done.
#include "services/image/data/pipeline_parts.h"

#define SUM_BATCH 2  // buffers: what the hash has to wait for when a helper takes it over
#define HELP_BATCH 2 // buffers: what a helper that loses its core may leave waiting
#define MAX_BEHIND (MAX_HELD / 2) // buffers: a helper that slow is none

struct share {
    bool md5, hash;
    struct batch batch;
};

static void
consume(struct pipeline *pipeline, const struct share *share)
{
    for (int i = 0; i < share->batch.n; i++) {
        const struct iovec *part = &share->batch.parts[i];
        if (share->md5 && share->hash) {
            digest_pair_both(pipeline->sums, part->iov_base, part->iov_len);
        } else if (share->md5) {
            digest_pair_md5(pipeline->sums, part->iov_base, part->iov_len);
        } else {
            digest_pair_hash(pipeline->sums, part->iov_base, part->iov_len);
        }
    }
}

// What is next without a helper: both where they stand together, else the one that is behind.
static bool
next_share(struct pipeline *pipeline, struct share *ret_share)
{
    const struct stage *md5 = &pipeline->stages[STAGE_MD5], *hash = &pipeline->stages[STAGE_HASH];
    int64_t ahead = (int64_t)(md5->n_done - hash->n_done);
    *ret_share = (struct share){.md5 = pipeline->has_helper || ahead <= 0,
                                .hash = !pipeline->has_helper && ahead >= 0};
    int n_max = pipeline->has_helper || ahead == 0 ? SUM_BATCH : (int)MIN(ABS(ahead), SUM_BATCH);
    return pipeline_next_batch(ret_share->md5 ? md5 : hash, n_max, &ret_share->batch);
}

// Not while other uploads wait for a thread: then less work is sooner done.
static bool
is_help_wanted(const struct pipeline *pipeline, const struct share *share)
{
    uint64_t n_waiting = pipeline->n_queued - pipeline->stages[STAGE_HASH].n_done;
    return share->hash && n_waiting > (uint64_t)share->batch.n && !pipeline->is_offered &&
           pipeline->config.all->n_helpers > 0 && digest_pair_gains_by_two(pipeline->sums) &&
           g_thread_pool_unprocessed(pipeline->config.all->sums) == 0;
}

int
sums_step(struct stage *stage)
{
    struct pipeline *pipeline = stage->pipeline;
    GMutex *mutex = &pipeline->config.all->mutex;
    struct share share;
    if (!next_share(pipeline, &share)) {
        pipelines_withdraw(pipeline);
        return 0;
    }
    if (is_help_wanted(pipeline, &share)) {
        pipelines_offer(pipeline);
    }
    pipeline->is_hash_taken |= share.hash;
    g_mutex_unlock(mutex);
    consume(pipeline, &share);
    g_mutex_lock(mutex);
    pipeline->stages[STAGE_MD5].n_done += share.md5 ? (uint64_t)share.batch.n : 0;
    if (share.hash) {
        pipeline->stages[STAGE_HASH].n_done += (uint64_t)share.batch.n;
        pipeline->is_hash_taken = false;
        g_cond_signal(&pipeline->hash_is_free);
    }
    return share.batch.n;
}

static bool
is_behind(const struct pipeline *pipeline)
{
    return pipeline->stages[STAGE_MD5].n_done > pipeline->stages[STAGE_HASH].n_done + MAX_BEHIND;
}

void
sums_help(struct pipeline *pipeline)
{
    GMutex *mutex = &pipeline->config.all->mutex;
    struct stage *hash = &pipeline->stages[STAGE_HASH];
    struct share share = {.hash = true};
    pipeline->has_helper = true;
    while (pipeline->is_hash_taken) {
        g_cond_wait(&pipeline->hash_is_free, mutex);
    }
    while (!is_behind(pipeline) && pipeline_next_batch(hash, HELP_BATCH, &share.batch)) {
        g_mutex_unlock(mutex);
        consume(pipeline, &share);
        g_mutex_lock(mutex);
        hash->n_done += (uint64_t)share.batch.n;
        pipelines_give_back(pipeline);
    }
    pipeline->has_helper = false;
    // What is left of the hash is for the thread at md5, which may have ended.
    if (pipeline_next_batch(hash, 1, &share.batch) &&
        pipelines_mark(&pipeline->stages[STAGE_MD5])) {
        pipelines_push(&pipeline->stages[STAGE_MD5]);
    }
    pipeline_tell_idle(pipeline);
}
