// SPDX-License-Identifier: Apache-2.0
#include "services/image/data/pipeline.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BUFFER_SIZE (1024 * 1024)
#define N_BUFFERS 4
#define ALIGNMENT 4096 // of memory, sizes and offsets, for writing past the page cache
#define STAGE_NICE 5   // the threads that answer requests get the CPU first
#define N_STAGES 4
#define WRITEBACK \
    ((int64_t)8 << 20) // start writing out that early, so that the final sync is short

struct stage {
    struct pipeline *pipeline;
    GThread *thread;
    uint64_t n_done; // buffers this stage is through with
    EVP_MD_CTX *digest;
};

struct pipeline {
    struct pipeline_config config;
    struct stage stages[N_STAGES];
    int n_stages; // the last looks into archives
    GMutex mutex; // guards everything below, but buffers between the slowest n_done and n_full
    GCond changed;
    uint64_t n_full; // buffers handed over
    size_t sizes[N_BUFFERS];
    bool ended, cancelled, starved;
    struct err failure; // rc 0: none
    // The receiving thread's own:
    uint8_t *filling;
    size_t fill;
    int64_t size;
    // The writing stage's own:
    struct format_scan *scan;
    int64_t written, flushed;
    bool is_direct, never_direct;
    struct archive_scan *archive; // the archive stage's own; may be NULL
    uint8_t (*buffers)[BUFFER_SIZE];
};

typedef void (*consume_fn)(struct stage *stage, const uint8_t *data, size_t size);
static void consume_write(struct stage *stage, const uint8_t *data, size_t size);
static void consume_digest(struct stage *stage, const uint8_t *data, size_t size);
static void consume_archive(struct stage *stage, const uint8_t *data, size_t size);
static gpointer run_stage(gpointer data);
static bool has_room(const struct pipeline *pipeline);
static void set_direct(struct pipeline *pipeline, bool direct);
static void hand_over(struct pipeline *pipeline);

static const struct {
    const char *name;
    consume_fn consume;
    const EVP_MD *(*digest)(void);
} kinds[N_STAGES] = {
    {"image-write", consume_write, NULL},
    {"image-md5", consume_digest, EVP_md5},
    {"image-sha512", consume_digest, EVP_sha512},
    {"image-archive", consume_archive, NULL},
};

struct pipeline *
pipeline_new(const struct pipeline_config *config)
{
    struct pipeline *pipeline = g_new0(struct pipeline, 1);
    pipeline->buffers = g_aligned_alloc(N_BUFFERS, BUFFER_SIZE, ALIGNMENT);
    pipeline->config = *config;
    pipeline->scan = format_scan_new();
    pipeline->n_stages = config->archive ? N_STAGES : N_STAGES - 1;
    pipeline->archive = config->archive ? archive_scan_new(config->archive) : NULL;
    g_mutex_init(&pipeline->mutex);
    g_cond_init(&pipeline->changed);
    for (int i = 0; i < pipeline->n_stages; i++) {
        struct stage *stage = &pipeline->stages[i];
        stage->pipeline = pipeline;
        if (kinds[i].digest) {
            stage->digest = EVP_MD_CTX_new();
            int done = EVP_DigestInit_ex(stage->digest, kinds[i].digest(), NULL);
            g_assert(done == 1);
        }
        stage->thread = g_thread_new(kinds[i].name, run_stage, stage);
    }
    return pipeline;
}

enum rc
pipeline_put(struct pipeline *pipeline, const void *data, size_t size, size_t *ret_taken,
             struct err *err)
{
    size_t taken = 0;
    g_mutex_lock(&pipeline->mutex);
    while (taken < size && pipeline->failure.rc == RC_OK) {
        if (!pipeline->filling && !has_room(pipeline)) {
            pipeline->starved = taken == 0;
            break;
        }
        pipeline->filling = pipeline->buffers[pipeline->n_full % N_BUFFERS];
        size_t n = MIN(size - taken, BUFFER_SIZE - pipeline->fill);
        g_mutex_unlock(&pipeline->mutex);
        memcpy(pipeline->filling + pipeline->fill, (const uint8_t *)data + taken, n);
        g_mutex_lock(&pipeline->mutex);
        pipeline->fill += n;
        taken += n;
        if (pipeline->fill == BUFFER_SIZE) {
            hand_over(pipeline);
        }
    }
    pipeline->size += (int64_t)taken;
    if (pipeline->failure.rc == RC_OK && pipeline->size > pipeline->config.max_size) {
        rc_ignore(fault(&pipeline->failure, RC_TOO_LARGE,
                        "the image is larger than the %lld bytes that are allowed",
                        (long long)pipeline->config.max_size));
    }
    enum rc rc = pipeline->failure.rc;
    if (rc != RC_OK) {
        *err = pipeline->failure;
    } else {
        *ret_taken = taken;
    }
    g_mutex_unlock(&pipeline->mutex);
    return rc;
}

static void
hex_digest(EVP_MD_CTX *digest, char *ret_hex)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    int done = EVP_DigestFinal_ex(digest, bytes, &size);
    g_assert(done == 1);
    for (unsigned i = 0; i < size; i++) {
        ret_hex[2 * i] = digits[bytes[i] >> 4];
        ret_hex[2 * i + 1] = digits[bytes[i] & 15];
    }
    ret_hex[2 * size] = 0;
}

static void
join(struct pipeline *pipeline)
{
    for (int i = 0; i < N_STAGES; i++) {
        if (pipeline->stages[i].thread) {
            g_thread_join(g_steal_pointer(&pipeline->stages[i].thread));
        }
    }
}

enum rc
pipeline_finish(struct pipeline *pipeline, struct pipeline_result *ret_result, struct err *err)
{
    g_mutex_lock(&pipeline->mutex);
    if (pipeline->fill > 0) {
        hand_over(pipeline);
    }
    pipeline->ended = true;
    g_cond_broadcast(&pipeline->changed);
    g_mutex_unlock(&pipeline->mutex);
    join(pipeline);
    if (pipeline->failure.rc != RC_OK) {
        *err = pipeline->failure;
        return err->rc;
    }
    set_direct(pipeline, false);
    if (fsync(pipeline->config.fd) < 0) {
        return fault(err, RC_UNAVAILABLE, "cannot sync the image's bytes: %s", g_strerror(errno));
    }
    ret_result->size = pipeline->size;
    format_scan_verdict(pipeline->scan, &ret_result->verdict);
    ret_result->archive = (struct archive_verdict){.kind = ARCHIVE_NONE};
    if (pipeline->archive) {
        archive_scan_verdict(pipeline->archive, &ret_result->archive);
    }
    hex_digest(pipeline->stages[1].digest, ret_result->md5);
    hex_digest(pipeline->stages[2].digest, ret_result->sha512);
    return RC_OK;
}

void
pipeline_cancel(struct pipeline *pipeline)
{
    g_mutex_lock(&pipeline->mutex);
    pipeline->cancelled = true;
    pipeline->config.wake = NULL;
    g_cond_broadcast(&pipeline->changed);
    g_mutex_unlock(&pipeline->mutex);
}

void
pipeline_free(struct pipeline *pipeline)
{
    if (!pipeline) {
        return;
    }
    pipeline_cancel(pipeline);
    join(pipeline);
    for (int i = 0; i < N_STAGES; i++) {
        EVP_MD_CTX_free(pipeline->stages[i].digest);
    }
    format_scan_free(pipeline->scan);
    archive_scan_free(pipeline->archive);
    g_mutex_clear(&pipeline->mutex);
    g_cond_clear(&pipeline->changed);
    g_aligned_free(pipeline->buffers);
    g_free(pipeline);
}

static uint64_t
slowest(const struct pipeline *pipeline)
{
    uint64_t n = pipeline->stages[0].n_done;
    for (int i = 1; i < pipeline->n_stages; i++) {
        n = MIN(n, pipeline->stages[i].n_done);
    }
    return n;
}

static bool
has_room(const struct pipeline *pipeline)
{
    return pipeline->n_full - slowest(pipeline) < N_BUFFERS;
}

static void
hand_over(struct pipeline *pipeline)
{
    pipeline->sizes[pipeline->n_full % N_BUFFERS] = pipeline->fill;
    pipeline->n_full++;
    pipeline->fill = 0;
    pipeline->filling = NULL;
    g_cond_broadcast(&pipeline->changed);
}

// Room, or a failure to be told: both are reasons for the receiver to come again.
static void
wake_receiver(struct pipeline *pipeline)
{
    if (pipeline->starved && pipeline->config.wake &&
        (has_room(pipeline) || pipeline->failure.rc != RC_OK)) {
        pipeline->starved = false;
        pipeline->config.wake(pipeline->config.context);
    }
}

// True with the next buffer; false when there will be none.
static bool
next_buffer(struct stage *stage, const uint8_t **ret_data, size_t *ret_size)
{
    struct pipeline *pipeline = stage->pipeline;
    while (stage->n_done == pipeline->n_full && !pipeline->ended && !pipeline->cancelled) {
        g_cond_wait(&pipeline->changed, &pipeline->mutex);
    }
    if (pipeline->cancelled || pipeline->failure.rc != RC_OK || stage->n_done == pipeline->n_full) {
        return false;
    }
    *ret_data = pipeline->buffers[stage->n_done % N_BUFFERS];
    *ret_size = pipeline->sizes[stage->n_done % N_BUFFERS];
    return true;
}

static gpointer
run_stage(gpointer data)
{
    struct stage *stage = data;
    struct pipeline *pipeline = stage->pipeline;
    consume_fn consume = kinds[stage - pipeline->stages].consume;
    const uint8_t *buffer;
    size_t size;
    setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), STAGE_NICE);
    g_mutex_lock(&pipeline->mutex);
    while (next_buffer(stage, &buffer, &size)) {
        g_mutex_unlock(&pipeline->mutex);
        consume(stage, buffer, size);
        g_mutex_lock(&pipeline->mutex);
        stage->n_done++;
        wake_receiver(pipeline);
    }
    g_mutex_unlock(&pipeline->mutex);
    return NULL;
}

static void
fail_pipeline(struct pipeline *pipeline, const struct err *failure)
{
    g_mutex_lock(&pipeline->mutex);
    if (pipeline->failure.rc == RC_OK) {
        pipeline->failure = *failure;
    }
    g_mutex_unlock(&pipeline->mutex);
}

// Whole buffers go past the page cache: an image is written once, and copying it into pages costs
// as much as summing it. A file system that cannot do this gets plain writes.
static void
set_direct(struct pipeline *pipeline, bool direct)
{
    int flags = fcntl(pipeline->config.fd, F_GETFL);
    if (direct == pipeline->is_direct || (direct && pipeline->never_direct) || flags < 0) {
        return;
    }
    if (fcntl(pipeline->config.fd, F_SETFL, direct ? flags | O_DIRECT : flags & ~O_DIRECT) < 0) {
        pipeline->never_direct = true;
    } else {
        pipeline->is_direct = direct;
    }
}

// As pwrite.
static ssize_t
write_some(struct pipeline *pipeline, const uint8_t *data, size_t size)
{
    bool is_aligned = (uintptr_t)data % ALIGNMENT == 0 && size % ALIGNMENT == 0 &&
                      pipeline->written % ALIGNMENT == 0;
    set_direct(pipeline, is_aligned && (pipeline->is_direct || size == BUFFER_SIZE));
    ssize_t n = pwrite(pipeline->config.fd, data, size, pipeline->written);
    if (n < 0 && errno == EINVAL && pipeline->is_direct) {
        pipeline->never_direct = true;
        set_direct(pipeline, false);
        n = pwrite(pipeline->config.fd, data, size, pipeline->written);
    }
    return n;
}

static void
consume_write(struct stage *stage, const uint8_t *data, size_t size)
{
    struct pipeline *pipeline = stage->pipeline;
    struct err err = {0};
    if (!format_scan_feed(pipeline->scan, data, size)) {
        struct format_verdict verdict;
        format_scan_verdict(pipeline->scan, &verdict);
        rc_ignore(fault(&err, RC_INVALID, "the image is refused: %s", verdict.reason));
        fail_pipeline(pipeline, &err);
        return;
    }
    while (size > 0) {
        ssize_t n = write_some(pipeline, data, size);
        if (n < 0 && errno != EINTR) {
            enum rc rc = errno == ENOSPC || errno == EDQUOT ? RC_TOO_LARGE : RC_UNAVAILABLE;
            rc_ignore(fault(&err, rc, "Image storage media failed: %s", g_strerror(errno)));
            fail_pipeline(pipeline, &err);
            return;
        }
        n = MAX(n, 0);
        data += n;
        size -= (size_t)n;
        pipeline->written += n;
    }
    if (!pipeline->is_direct && pipeline->written - pipeline->flushed >= WRITEBACK) {
        sync_file_range(pipeline->config.fd, pipeline->flushed,
                        pipeline->written - pipeline->flushed, SYNC_FILE_RANGE_WRITE);
        pipeline->flushed = pipeline->written;
    }
}

static void
consume_digest(struct stage *stage, const uint8_t *data, size_t size)
{
    EVP_DigestUpdate(stage->digest, data, size);
}

static void
consume_archive(struct stage *stage, const uint8_t *data, size_t size)
{
    struct pipeline *pipeline = stage->pipeline;
    if (!archive_scan_feed(pipeline->archive, data, size)) {
        struct archive_verdict verdict;
        struct err err = {0};
        archive_scan_verdict(pipeline->archive, &verdict);
        rc_ignore(fault(&err, RC_INVALID, "the image is refused: %s", verdict.reason));
        fail_pipeline(pipeline, &err);
    }
}
