// SPDX-License-Identifier: Apache-2.0
// What pipeline.c (an upload) and pipelines.c (what all share) know of each other.
#pragma once
#include "common/base/digest_pair.h"
#include "services/image/data/buffers.h"
#include "services/image/data/pipeline.h"
#include <glib.h>

#define MAX_HELD \
    16 // buffers of one upload: enough for the disk, the sums and the network to overlap
#define MAX_HELPERS 64
#define MAX_BATCH 4 // buffers that a stage takes at once, and is woken for while more are coming

// The thread of STAGE_MD5 takes care of STAGE_HASH, which is never queued.
enum { STAGE_WRITE, STAGE_MD5, STAGE_HASH, STAGE_ARCHIVE, N_STAGES };

struct stage {
    struct pipeline *pipeline;
    uint64_t n_done; // buffers that this stage is through with
    bool is_queued;  // a thread has it, or will
};

struct batch {
    struct iovec parts[MAX_BATCH];
    int n;
};

struct pipeline {
    struct pipeline_config config; // hash, fd and limits never change; wake: the mutex
    struct stage stages[N_STAGES];
    int n_stages; // the last looks into archives
    // The shared mutex guards everything to the next heading, but not bytes: those of a buffer are
    // the receiver's until it is handed over, then the stages' to read until all are through.
    GCond idle;                       // a stage is not queued any more
    int n_held;                       // buffers, `filling` too
    uint64_t n_full;                  // buffers handed over
    uint64_t n_queued;                // of these, the stages were told
    uint64_t n_free;                  // of these, given back
    uint8_t *filling[PIPELINE_PARTS]; // in order; the first may have some bytes already
    int n_filling;
    uint8_t *ring[MAX_HELD]; // of buffer i at i % MAX_HELD
    size_t sizes[MAX_HELD];
    bool is_awaited; // somebody waits for `idle`
    bool is_cancelled;
    bool is_starved;    // pipeline_put found no buffer: wake is owed
    bool is_waiting;    // starved, and in the shared queue
    struct err failure; // rc 0: none
    bool is_hash_taken; // by the thread of STAGE_MD5
    bool has_helper;
    bool is_offered; // `offer` is in the shared queue
    GList offer;
    GCond hash_is_free;
    struct digest_pair *sums; // each of the two its thread's own
    // The receiving thread's own:
    size_t fill;
    int64_t size;
    // The writing stage's own:
    struct format_scan *scan;
    int64_t written, flushed;
    bool is_direct, never_direct;
    struct archive_scan *archive; // the archive stage's own; may be NULL
};

struct pipelines {
    GMutex mutex;   // guards what follows, and pipelines as said there
    int n_max;      // buffers
    int n_used;     // buffers that pipelines hold
    int n_owed;     // pipelines that hold none: one is kept for each
    GQueue waiting; // pipelines that want one more than what they hold, in order
    struct buffers *buffers;
    GThreadPool *sums, *writes;
    GQueue offered; // pipelines, of their `offer`, whose hash a helper may take
    GCond is_offered;
    bool is_ending;
    GThread *helpers[MAX_HELPERS];
    int n_helpers;
};

// ---- pipelines.c; the mutex is held
void pipelines_join(struct pipeline *pipeline);
void pipelines_leave(struct pipeline *pipeline); // gives back what it holds
// A buffer to fill, or none: then the pipeline is woken when it has one.
bool pipelines_take(struct pipeline *pipeline);
bool pipelines_take_more(struct pipeline *pipeline); // one more, if it is there at once
// Gives back the buffers that all stages are through with; who starved for them is woken.
void pipelines_give_back(struct pipeline *pipeline);
void pipelines_wake(struct pipeline *pipeline); // if it is starved
// True: pipelines_push is owed; false: a thread has the stage already, or will.
bool pipelines_mark(struct stage *stage);
// A thread will run pipeline_run_stage. Best without the mutex: the thread begins by taking it.
void pipelines_push(struct stage *stage);
// A helper will run sums_help, unless it is withdrawn before one has the time.
void pipelines_offer(struct pipeline *pipeline);
void pipelines_withdraw(struct pipeline *pipeline);

// ---- sums.c; the mutex is held, and let go meanwhile
int sums_step(struct stage *stage); // of STAGE_MD5: buffers taken, 0: there is nothing to do
void sums_help(struct pipeline *pipeline);

// ---- pipeline.c
void pipeline_run_stage(struct stage *stage); // without the mutex
bool pipeline_stage_writes(const struct stage *stage);
uint64_t pipeline_slowest(const struct pipeline *pipeline);
// The buffers that this stage takes at once: full ones, or one that is not. False: none.
bool pipeline_next_batch(const struct stage *stage, int n_max, struct batch *ret_batch);
void pipeline_tell_idle(struct pipeline *pipeline); // who waits for it, if it is
