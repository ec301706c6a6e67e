// SPDX-License-Identifier: Apache-2.0
// An import on its way: an upload that is not fed by a client but from a URL, another region, the
// staged data, or a store that has the bytes. Runs in the fetchers' pool.
#pragma once
#include "services/image/data/fetch.h"

struct job {
    struct upload *upload;
    struct fetch *fetch;  // of UPLOAD_FETCH
    struct staged staged; // of UPLOAD_DIRECT
};
struct job *job_new(void);
void job_free(struct job *job);
// For the pool; owns the job. Its task tells how it ended.
void job_run(void *job, void *context);
