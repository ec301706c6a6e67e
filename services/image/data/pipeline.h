// SPDX-License-Identifier: Apache-2.0
// The bytes of uploads on their way. The receiving thread fills buffers and never waits; a few
// threads, shared by all uploads, write the file (and watch the format), compute md5 and the hash,
// and look into archives where they are expected: each of these steps takes an upload's buffers in
// order, and all work at once. Buffers are shared too: all uploads together never take more than
// one fixed sum, however many there are, and every upload can always go on with one.
#pragma once
#include "common/base/digest.h"
#include "common/base/err.h"
#include "services/image/format/archive.h"
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define PIPELINE_BUFFER_SIZE ((size_t)256 * 1024)

// What the uploads of a process share.
struct pipelines;
// memory: bytes of all buffers; raised to one buffer for each of the n_max pipelines at once.
// is_split: md5 and the hash are each a thread's while there are cores for it, for where both in
// one pass gain nothing.
struct pipelines *pipelines_new(int64_t memory, int n_max, bool is_split);
void pipelines_free(struct pipelines *all); // every pipeline is freed before; NULL is fine
int64_t pipelines_memory(const struct pipelines *all); // bytes of buffers that exist now

struct pipeline;
struct pipeline_config {
    struct pipelines *all;
    const struct digest_algo *hash;
    int fd;           // where the bytes go; borrowed, must outlive the pipeline
    int64_t max_size; // one byte more: RC_TOO_LARGE
    // Called, from another thread, when room appeared after pipeline_put had taken nothing. Not
    // after pipeline_cancel. It must not call the pipeline.
    void (*wake)(void *context);
    void *context;
    const struct archive_limits *archive; // NULL: what is packed is not looked into
};
struct pipeline *pipeline_new(const struct pipeline_config *config);
// Takes what fits, possibly nothing. Never blocks. Fails once a byte was too many, the content is
// refused, or the disk fails.
enum rc pipeline_put(struct pipeline *pipeline, const void *data, size_t size, size_t *ret_taken,
                     struct err *err) CHECKED;
// The same without a copy: where `wanted` bytes, or fewer, may be put (no parts: nowhere yet, wake
// follows), and that so many of them were. What was given stays given until it is filled.
#define PIPELINE_PARTS 4
enum rc pipeline_room(struct pipeline *pipeline, size_t wanted,
                      struct iovec ret_parts[PIPELINE_PARTS], int *ret_n, struct err *err) CHECKED;
enum rc pipeline_filled(struct pipeline *pipeline, size_t size, struct err *err) CHECKED;
void pipeline_pause(struct pipeline *pipeline); // no more for now: what is there gets worked on
struct pipeline_result {
    int64_t size;
    char md5[33];
    char hash[DIGEST_HEX_MAX + 1]; // by the configured algorithm
    struct format_verdict verdict;
    struct archive_verdict archive; // kind ARCHIVE_NONE when not looked for; layers: the pipeline's
};
// Blocks until every byte is written, synced and summed.
enum rc pipeline_finish(struct pipeline *pipeline, struct pipeline_result *ret_result,
                        struct err *err) CHECKED;
void pipeline_cancel(struct pipeline *pipeline); // does not block
void pipeline_free(struct pipeline *pipeline);   // cancels, waits for what still reads its buffers
