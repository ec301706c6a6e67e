// SPDX-License-Identifier: Apache-2.0
#include "services/image/data/pipeline_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define ALIGNMENT 4096 // of memory, sizes and offsets, for writing past the page cache
#define MAX_TURN 8     // buffers after which other uploads' stages get the thread
#define WRITEBACK \
    ((int64_t)8 << 20) // start writing out that early, so that the final sync is short

static void consume_write(struct pipeline *pipeline, const struct batch *batch);
static void consume_sums(struct pipeline *pipeline, const struct batch *batch);
static void consume_hash(struct pipeline *pipeline, const struct batch *batch);
static void consume_archive(struct pipeline *pipeline, const struct batch *batch);
static void set_direct(struct pipeline *pipeline, bool direct);
static void hand_over(struct pipeline *pipeline, size_t size);
static void tell_stages(struct pipeline *pipeline);

// What a stage does, with so many buffers at once.
static const struct work {
    int n_max;
    void (*consume)(struct pipeline *pipeline, const struct batch *batch);
} works[N_STAGES] = {
    [STAGE_WRITE] = {MAX_BATCH, consume_write},
    [STAGE_SUMS] = {2, consume_sums},
    [STAGE_HASH] = {2, consume_hash},
    [STAGE_ARCHIVE] = {1, consume_archive},
};

static bool
is_used(const struct pipeline *pipeline, int kind)
{
    return kind == STAGE_HASH      ? pipeline->is_split
           : kind == STAGE_ARCHIVE ? pipeline->archive != NULL
                                   : true;
}

struct pipeline *
pipeline_new(const struct pipeline_config *config)
{
    struct pipeline *pipeline = g_new0(struct pipeline, 1);
    pipeline->config = *config;
    pipeline->scan = format_scan_new();
    pipeline->archive = config->archive ? archive_scan_new(config->archive) : NULL;
    g_cond_init(&pipeline->idle);
    for (int i = 0; i < N_STAGES; i++) {
        pipeline->stages[i].pipeline = pipeline;
    }
    pipeline->sums = digest_pair_new(config->hash);
    g_mutex_lock(&config->all->mutex);
    pipelines_join(pipeline);
    g_mutex_unlock(&config->all->mutex);
    return pipeline;
}

// The mutex is held.
static enum rc
failure_of(const struct pipeline *pipeline, struct err *err)
{
    if (pipeline->failure.rc != RC_OK) {
        *err = pipeline->failure;
    }
    return pipeline->failure.rc;
}

// The mutex is held.
static int
find_parts(struct pipeline *pipeline, size_t wanted, struct iovec ret_parts[PIPELINE_PARTS])
{
    size_t size = 0;
    int n = 0;
    for (; n < PIPELINE_PARTS && size < wanted; n++) {
        if (n == pipeline->n_filling &&
            !(n ? pipelines_take_more(pipeline) : pipelines_take(pipeline))) {
            break;
        }
        size_t used = n ? 0 : pipeline->fill;
        ret_parts[n] = (struct iovec){pipeline->filling[n] + used, PIPELINE_BUFFER_SIZE - used};
        size += ret_parts[n].iov_len;
    }
    return n;
}

enum rc
pipeline_room(struct pipeline *pipeline, size_t wanted, struct iovec ret_parts[PIPELINE_PARTS],
              int *ret_n, struct err *err)
{
    g_mutex_lock(&pipeline->config.all->mutex);
    enum rc rc = failure_of(pipeline, err);
    int n = rc == RC_OK ? find_parts(pipeline, wanted, ret_parts) : 0;
    if (rc == RC_OK) {
        *ret_n = n;
    }
    if (n > 0) {
        g_mutex_unlock(&pipeline->config.all->mutex);
    } else {
        tell_stages(pipeline);
    }
    return rc;
}

enum rc
pipeline_filled(struct pipeline *pipeline, size_t size, struct err *err)
{
    pipeline->fill += size;
    pipeline->size += (int64_t)size;
    if (pipeline->fill < PIPELINE_BUFFER_SIZE && pipeline->size <= pipeline->config.max_size) {
        return RC_OK; // a failure is told with the next room
    }
    g_mutex_lock(&pipeline->config.all->mutex);
    while (pipeline->fill >= PIPELINE_BUFFER_SIZE) {
        hand_over(pipeline, PIPELINE_BUFFER_SIZE);
    }
    if (pipeline->failure.rc == RC_OK && pipeline->size > pipeline->config.max_size) {
        rc_ignore(fault(&pipeline->failure, RC_TOO_LARGE,
                        "the image is larger than the %lld bytes that are allowed",
                        (long long)pipeline->config.max_size));
    }
    enum rc rc = failure_of(pipeline, err);
    if (pipeline->n_full - pipeline->n_queued >= MAX_BATCH) {
        tell_stages(pipeline);
    } else {
        g_mutex_unlock(&pipeline->config.all->mutex);
    }
    return rc;
}

enum rc
pipeline_put(struct pipeline *pipeline, const void *data, size_t size, size_t *ret_taken,
             struct err *err)
{
    size_t taken = 0;
    enum rc rc = RC_OK;
    while (rc == RC_OK && taken < size) {
        struct iovec parts[PIPELINE_PARTS];
        int n_parts = 0;
        rc = pipeline_room(pipeline, 1, parts, &n_parts, err);
        // To have taken something is to be asked again at once: nobody starves by that.
        if (rc != RC_OK || n_parts == 0) {
            break;
        }
        size_t n = MIN(parts->iov_len, size - taken);
        memcpy(parts->iov_base, (const uint8_t *)data + taken, n);
        taken += n;
        rc = pipeline_filled(pipeline, n, err);
    }
    if (rc == RC_OK) {
        *ret_taken = taken;
    }
    pipeline_pause(pipeline);
    return rc;
}

static bool
is_busy(const struct pipeline *pipeline)
{
    for (int i = 0; i < N_STAGES; i++) {
        if (pipeline->stages[i].is_queued) {
            return true;
        }
    }
    return false;
}

static void
tell_idle(struct pipeline *pipeline)
{
    if (pipeline->is_awaited && !is_busy(pipeline)) {
        g_cond_broadcast(&pipeline->idle);
    }
}

static void
wait_idle(struct pipeline *pipeline)
{
    pipeline->is_awaited = true;
    while (is_busy(pipeline)) {
        g_cond_wait(&pipeline->idle, &pipeline->config.all->mutex);
    }
}

// By errno.
static enum rc
media_fault(struct err *err)
{
    enum rc rc = errno == ENOSPC || errno == EDQUOT ? RC_TOO_LARGE : RC_UNAVAILABLE;
    return fault(err, rc, "Image storage media failed: %s", g_strerror(errno));
}

enum rc
pipeline_finish(struct pipeline *pipeline, struct pipeline_result *ret_result, struct err *err)
{
    GMutex *mutex = &pipeline->config.all->mutex;
    g_mutex_lock(mutex);
    if (pipeline->fill > 0) {
        hand_over(pipeline, pipeline->fill);
    }
    tell_stages(pipeline);
    g_mutex_lock(mutex);
    wait_idle(pipeline);
    g_mutex_unlock(mutex);
    if (pipeline->failure.rc != RC_OK) {
        *err = pipeline->failure;
        return err->rc;
    }
    set_direct(pipeline, false);
    if (fsync(pipeline->config.fd) < 0) {
        return media_fault(err);
    }
    ret_result->size = pipeline->size;
    format_scan_verdict(pipeline->scan, &ret_result->verdict);
    ret_result->archive = (struct archive_verdict){.kind = ARCHIVE_NONE};
    if (pipeline->archive) {
        archive_scan_verdict(pipeline->archive, &ret_result->archive);
    }
    digest_pair_to_hex(pipeline->sums, ret_result->md5, ret_result->hash);
    return RC_OK;
}

void
pipeline_cancel(struct pipeline *pipeline)
{
    g_mutex_lock(&pipeline->config.all->mutex);
    pipeline->is_cancelled = true;
    pipeline->config.wake = NULL;
    pipelines_wake(pipeline);
    g_mutex_unlock(&pipeline->config.all->mutex);
}

void
pipeline_free(struct pipeline *pipeline)
{
    if (!pipeline) {
        return;
    }
    pipeline_cancel(pipeline);
    g_mutex_lock(&pipeline->config.all->mutex);
    wait_idle(pipeline);
    pipelines_leave(pipeline);
    g_mutex_unlock(&pipeline->config.all->mutex);
    digest_pair_free(pipeline->sums);
    format_scan_free(pipeline->scan);
    archive_scan_free(pipeline->archive);
    g_cond_clear(&pipeline->idle);
    g_free(pipeline);
}

uint64_t
pipeline_slowest(const struct pipeline *pipeline)
{
    uint64_t n = pipeline->n_full;
    for (int i = 0; i < N_STAGES; i++) {
        n = is_used(pipeline, i) ? MIN(n, pipeline->stages[i].n_done) : n;
    }
    return n;
}

// Lets the mutex go.
static void
tell_stages(struct pipeline *pipeline)
{
    bool are_new[N_STAGES] = {false};
    if (pipeline->n_queued < pipeline->n_full) {
        pipeline->n_queued = pipeline->n_full;
        for (int i = 0; i < N_STAGES; i++) {
            are_new[i] = is_used(pipeline, i) && pipelines_mark(&pipeline->stages[i]);
        }
    }
    g_mutex_unlock(&pipeline->config.all->mutex);
    for (int i = 0; i < N_STAGES; i++) {
        if (are_new[i]) {
            pipelines_push(&pipeline->stages[i]);
        }
    }
}

void
pipeline_pause(struct pipeline *pipeline)
{
    g_mutex_lock(&pipeline->config.all->mutex);
    tell_stages(pipeline);
}

// The first buffer that is being filled, with so many bytes.
static void
hand_over(struct pipeline *pipeline, size_t size)
{
    pipeline->sizes[pipeline->n_full % MAX_HELD] = size;
    pipeline->ring[pipeline->n_full % MAX_HELD] = pipeline->filling[0];
    pipeline->n_full++;
    pipeline->fill -= size;
    pipeline->n_filling--;
    memmove(pipeline->filling, pipeline->filling + 1,
            (size_t)pipeline->n_filling * sizeof pipeline->filling[0]);
}

// The buffers that this stage takes at once: full ones, or one that is not. False: none.
static bool
next_batch(const struct stage *stage, int n_max, struct batch *ret_batch)
{
    const struct pipeline *pipeline = stage->pipeline;
    bool goes_on = !pipeline->is_cancelled && pipeline->failure.rc == RC_OK;
    ret_batch->n = 0;
    for (uint64_t i = stage->n_done; goes_on && i < pipeline->n_queued && ret_batch->n < n_max;
         i++) {
        size_t size = pipeline->sizes[i % MAX_HELD];
        if (size < PIPELINE_BUFFER_SIZE && ret_batch->n > 0) {
            break;
        }
        ret_batch->parts[ret_batch->n++] = (struct iovec){pipeline->ring[i % MAX_HELD], size};
    }
    return ret_batch->n > 0;
}

// With the mutex, which is let go meanwhile. Buffers that were taken; 0 when there are none.
static int
step(struct stage *stage, const struct work *work)
{
    GMutex *mutex = &stage->pipeline->config.all->mutex;
    struct batch batch;
    if (!next_batch(stage, work->n_max, &batch)) {
        return 0;
    }
    g_mutex_unlock(mutex);
    work->consume(stage->pipeline, &batch);
    g_mutex_lock(mutex);
    stage->n_done += (uint64_t)batch.n;
    return batch.n;
}

void
pipeline_run_stage(struct stage *stage)
{
    struct pipeline *pipeline = stage->pipeline;
    GMutex *mutex = &pipeline->config.all->mutex;
    int n = 1;
    g_mutex_lock(mutex);
    for (int n_turn = 0; n > 0 && n_turn < MAX_TURN; n_turn += n) {
        n = step(stage, &works[stage - pipeline->stages]);
        pipelines_give_back(pipeline);
    }
    bool goes_on = n > 0;
    stage->is_queued = goes_on;
    tell_idle(pipeline);
    g_mutex_unlock(mutex);
    if (goes_on) { // nobody frees the pipeline
        pipelines_push(stage);
    }
}

static void
fail_pipeline(struct pipeline *pipeline, const struct err *failure)
{
    g_mutex_lock(&pipeline->config.all->mutex);
    if (pipeline->failure.rc == RC_OK) {
        pipeline->failure = *failure;
        pipelines_wake(pipeline); // to be told
    }
    g_mutex_unlock(&pipeline->config.all->mutex);
}

// Whole buffers go past the page cache: an image is written once, and copying it into pages costs
// as much as summing it. A file system that cannot do this gets plain writes.
static void
set_direct(struct pipeline *pipeline, bool direct)
{
    if (direct == pipeline->is_direct || (direct && pipeline->never_direct)) {
        return;
    }
    int flags = fcntl(pipeline->config.fd, F_GETFL);
    if (flags < 0 ||
        fcntl(pipeline->config.fd, F_SETFL, direct ? flags | O_DIRECT : flags & ~O_DIRECT) < 0) {
        pipeline->never_direct = true;
    } else {
        pipeline->is_direct = direct;
    }
}

// As pwritev.
static ssize_t
write_some(struct pipeline *pipeline, const struct iovec *parts, int n_parts)
{
    bool is_aligned = (uintptr_t)parts->iov_base % ALIGNMENT == 0 &&
                      parts->iov_len % ALIGNMENT == 0 && pipeline->written % ALIGNMENT == 0;
    bool is_whole = parts->iov_len == PIPELINE_BUFFER_SIZE;
    set_direct(pipeline, is_aligned && (pipeline->is_direct || is_whole));
    ssize_t n = pwritev(pipeline->config.fd, parts, n_parts, pipeline->written);
    if (n < 0 && errno == EINVAL && pipeline->is_direct) {
        pipeline->never_direct = true;
        set_direct(pipeline, false);
        n = pwritev(pipeline->config.fd, parts, n_parts, pipeline->written);
    }
    return n;
}

static void
advance(struct iovec **parts, int *n_parts, size_t n)
{
    while (*n_parts > 0 && n >= (*parts)->iov_len) {
        n -= (*parts)->iov_len;
        (*parts)++;
        (*n_parts)--;
    }
    if (*n_parts > 0) {
        (*parts)->iov_base = (uint8_t *)(*parts)->iov_base + n;
        (*parts)->iov_len -= n;
    }
}

static enum rc
write_all(struct pipeline *pipeline, struct batch batch, struct err *err)
{
    struct iovec *parts = batch.parts;
    while (batch.n > 0) {
        ssize_t n = write_some(pipeline, parts, batch.n);
        if (n < 0 && errno != EINTR) {
            return media_fault(err);
        }
        n = MAX(n, 0);
        pipeline->written += n;
        advance(&parts, &batch.n, (size_t)n);
    }
    if (!pipeline->is_direct && pipeline->written - pipeline->flushed >= WRITEBACK) {
        sync_file_range(pipeline->config.fd, pipeline->flushed,
                        pipeline->written - pipeline->flushed, SYNC_FILE_RANGE_WRITE);
        pipeline->flushed = pipeline->written;
    }
    return RC_OK;
}

static void
consume_write(struct pipeline *pipeline, const struct batch *batch)
{
    struct err err = {0};
    enum rc rc = RC_OK;
    for (int i = 0; rc == RC_OK && i < batch->n; i++) {
        if (!format_scan_feed(pipeline->scan, batch->parts[i].iov_base, batch->parts[i].iov_len)) {
            struct format_verdict verdict;
            format_scan_verdict(pipeline->scan, &verdict);
            rc = fault(&err, RC_INVALID, "the image is refused: %s", verdict.reason);
        }
    }
    if (rc == RC_OK) {
        rc = write_all(pipeline, *batch, &err);
    }
    if (rc != RC_OK) {
        fail_pipeline(pipeline, &err);
    }
}

static void
consume_sums(struct pipeline *pipeline, const struct batch *batch)
{
    void (*sum)(struct digest_pair * pair, const void *data, size_t size) =
        pipeline->is_split ? digest_pair_md5 : digest_pair_both;
    for (int i = 0; i < batch->n; i++) {
        sum(pipeline->sums, batch->parts[i].iov_base, batch->parts[i].iov_len);
    }
}

static void
consume_hash(struct pipeline *pipeline, const struct batch *batch)
{
    for (int i = 0; i < batch->n; i++) {
        digest_pair_hash(pipeline->sums, batch->parts[i].iov_base, batch->parts[i].iov_len);
    }
}

static void
consume_archive(struct pipeline *pipeline, const struct batch *batch)
{
    for (int i = 0; i < batch->n; i++) {
        if (!archive_scan_feed(pipeline->archive, batch->parts[i].iov_base,
                               batch->parts[i].iov_len)) {
            struct archive_verdict verdict;
            struct err err = {0};
            archive_scan_verdict(pipeline->archive, &verdict);
            rc_ignore(fault(&err, RC_INVALID, "the image is refused: %s", verdict.reason));
            fail_pipeline(pipeline, &err);
            return;
        }
    }
}
