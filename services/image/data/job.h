// SPDX-License-Identifier: Apache-2.0
// An import on its way: an upload that is not fed by a client but from a URL, another region, the
// staged data, or a store that has the bytes. Runs in the fetchers' turns.
#pragma once
#include "services/image/data/fetch.h"

// How a job ended, for who waits for it: shared by both, counted.
struct job_end;
struct job_end *job_end_new(void);
void job_end_unref(struct job_end *end); // NULL is fine
// True with the job's outcome once it has ended; false when that takes longer.
bool job_end_wait(struct job_end *end, int64_t timeout_ms, struct err *ret_outcome);

struct job {
    struct upload *upload;
    struct fetch *fetch;       // of UPLOAD_FETCH, UPLOAD_LOCATION
    struct job_end *end;       // NULL, or who wants to know; a reference
    struct location *location; // NULL, or for the upload
    struct staged staged;      // of UPLOAD_DIRECT
};
struct job *job_new(void);
void job_free(struct job *job);
// For the pool; owns the job. Its task tells how it ended.
void job_run(void *job, void *context);
