// SPDX-License-Identifier: Apache-2.0
#include "services/identity/token/hasher.h"
#include <crypt.h>
#include <glib.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NICE 10          // more than the rest of the process
#define SLICE_NS 100000u // who wakes up does not wait for longer than this (Linux 6.12)

// sched_setattr(2): the C library has neither the call nor the struct yet.
struct attributes {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime_ns, deadline_ns, period_ns;
};
struct job {
    const char *password, *setting;
    char *hash;
    GMutex mutex;
    GCond done;
    bool is_done;
};

static GThreadPool *the_pool; // one per process, as its cores are

// Best effort: an older kernel or a sandbox may refuse.
static void
give_way(void)
{
    static _Thread_local bool done;
    if (done) {
        return;
    }
    done = true;
    const struct attributes wanted = {.size = sizeof wanted,
                                      .policy = SCHED_BATCH,
                                      .nice = MIN(getpriority(PRIO_PROCESS, 0) + NICE, 19),
                                      .runtime_ns = SLICE_NS};
    if (syscall(SYS_sched_setattr, 0, &wanted, 0)) {
        setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), wanted.nice);
    }
}

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
    give_way();
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
    int n_cores = (int)g_get_num_processors();
    the_pool =
        g_thread_pool_new(run_job, NULL, n_threads ? n_threads : MAX(n_cores - 1, 1), TRUE, NULL);
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
