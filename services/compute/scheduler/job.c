// SPDX-License-Identifier: Apache-2.0
#include "services/compute/scheduler/scheduler.h"

void
job_done(struct job *job)
{
    json_decref(job->server);
    json_decref(job->ports);
    json_decref(job->host);
    job->server = job->ports = job->host = NULL;
}

const char *
job_text(const struct job *job, const char *column)
{
    return json_string_value(json_object_get(job->server, column));
}

int64_t
job_int(const struct job *job, const char *column)
{
    return json_integer_value(json_object_get(job->server, column));
}

bool
job_flag(const struct job *job, const char *column)
{
    return json_is_true(json_object_get(job->server, column));
}

bool
job_host_is_up(const struct job *job)
{
    return json_is_true(json_object_get(job->host, "is_up"));
}
