// SPDX-License-Identifier: Apache-2.0
#include "services/identity/token/hasher.h"

#include "common/base/background.h"

#include <crypt.h>
#include <glib.h>
#include <stdbool.h>

struct job {
    const char *password, *setting;
    char *hash;
    GMutex mutex;
    GCond done;
    bool is_done;
};

static GThreadPool *the_pool; // one per process, as its cores are

static char *
compute(const char *password, const char *setting)
{
    g_autofree struct crypt_data *data = g_new0(struct crypt_data, 1);
    char *hash = g_strdup(crypt_r(password, setting, data));
    explicit_bzero(data, sizeof *data);
    return hash;
}

static void
run_job(gpointer item, gpointer data)
{
    struct job *job = item;
    background_enter();
    char *hash = compute(job->password, job->setting);
    g_mutex_lock(&job->mutex);
    job->hash = hash;
    job->is_done = true;
    g_cond_signal(&job->done);
    g_mutex_unlock(&job->mutex);
}

void
hasher_start(int n_threads)
{
    the_pool =
        g_thread_pool_new(run_job, NULL, n_threads ? n_threads : background_threads(), TRUE, NULL);
}

char *
hasher_run(const char *password, const char *setting)
{
    if (!the_pool) {
        return compute(password, setting);
    }
    struct job job = {.password = password, .setting = setting};
    g_mutex_init(&job.mutex);
    g_cond_init(&job.done);
    g_thread_pool_push(the_pool, &job, NULL);
    g_mutex_lock(&job.mutex);
    while (!job.is_done) {
        g_cond_wait(&job.done, &job.mutex);
    }
    g_mutex_unlock(&job.mutex);
    g_mutex_clear(&job.mutex);
    g_cond_clear(&job.done);
    return job.hash;
}
