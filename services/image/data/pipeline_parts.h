// SPDX-License-Identifier: Apache-2.0
// What pipeline.c (an upload) and pipelines.c (what all share) know of each other.
#pragma once
#include "common/base/digest_pair.h"
#include "services/image/data/buffers.h"
#include "services/image/data/pipeline.h"
#include <glib.h>

#define MAX_HELD \
    16 // buffers of one upload: enough for the disk, the sums and the network to overlap
#define MAX_BATCH 4 // buffers that a stage takes at once, and is woken for while more are coming

// STAGE_SUMS: md5 and the hash at once, unless the hash has a thread of its own (many uploads
// at once fill the cores anyway). One that is not used has nothing to do.
enum { STAGE_WRITE, STAGE_SUMS, STAGE_HASH, STAGE_ARCHIVE, N_STAGES };

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
    bool is_starved;          // pipeline_put found no buffer: wake is owed
    bool is_waiting;          // starved, and in the shared queue
    struct err failure;       // rc 0: none
    bool is_split;            // STAGE_HASH is used; it never changes
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
    int n_pipelines;
    int n_split_max; // who begins beside fewer is split: there is a core for each thread
    GThreadPool *pools[N_STAGES];
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

// ---- pipeline.c
void pipeline_run_stage(struct stage *stage); // without the mutex
uint64_t pipeline_slowest(const struct pipeline *pipeline);
