// SPDX-License-Identifier: Apache-2.0
// The bytes of one upload on their way: the receiving thread fills a ring of buffers and never
// waits; one thread each writes the file (and watches the format), computes md5, computes sha512,
// and looks into archives where they are expected. Memory is bounded by the ring.
#pragma once
#include "common/base/err.h"
#include "services/image/format/archive.h"
#include <stddef.h>
#include <stdint.h>

struct pipeline;
struct pipeline_config {
    int fd;           // where the bytes go; borrowed, must outlive the pipeline
    int64_t max_size; // one byte more: RC_TOO_LARGE
    // Called, from another thread, when room appeared after pipeline_put had taken nothing. Not
    // after pipeline_cancel.
    void (*wake)(void *context);
    void *context;
    const struct archive_limits *archive; // NULL: what is packed is not looked into
};
struct pipeline *pipeline_new(const struct pipeline_config *config);
// Takes what fits, possibly nothing. Never blocks. Fails once a byte was too many, the content is
// refused, or the disk fails.
enum rc pipeline_put(struct pipeline *pipeline, const void *data, size_t size, size_t *ret_taken,
                     struct err *err) CHECKED;
struct pipeline_result {
    int64_t size;
    char md5[33], sha512[129];
    struct format_verdict verdict;
    struct archive_verdict archive; // kind ARCHIVE_NONE when not looked for; layers: the pipeline's
};
// Blocks until every byte is written, synced and summed.
enum rc pipeline_finish(struct pipeline *pipeline, struct pipeline_result *ret_result,
                        struct err *err) CHECKED;
void pipeline_cancel(struct pipeline *pipeline); // does not block
void pipeline_free(struct pipeline *pipeline);   // cancels, waits for the threads
