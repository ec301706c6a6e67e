// SPDX-License-Identifier: Apache-2.0
// Linked into BUILD=tsan programs only. GLib's locks are futexes that ThreadSanitizer cannot see,
// so everything they guard would look like a race. These are GLib's own functions over pthread, for
// the calls of our code; GLib's internal calls keep its own, and no lock is used by both. Thread
// pools stay GLib's: what is pushed is marked as handed over to the thread that gets it.
#include <dlfcn.h>
#include <errno.h>
#include <glib.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void __tsan_acquire(void *address);
void __tsan_release(void *address);

static void *
once(gpointer *slot, size_t size, void (*init)(void *))
{
    void *made = g_atomic_pointer_get(slot);
    if (!made) {
        made = calloc(1, size);
        init(made);
        if (!__atomic_compare_exchange_n(slot, &(gpointer){NULL}, made, 0, __ATOMIC_ACQ_REL,
                                         __ATOMIC_ACQUIRE)) {
            free(made);
            made = g_atomic_pointer_get(slot);
        }
    }
    return made;
}

static void
init_mutex(void *mutex)
{
    pthread_mutex_init(mutex, NULL);
}

static void
init_cond(void *cond)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attributes);
}

static void
init_rw(void *lock)
{
    pthread_rwlock_init(lock, NULL);
}

static pthread_mutex_t *
mutex_of(GMutex *mutex)
{
    return once(&mutex->p, sizeof(pthread_mutex_t), init_mutex);
}

static pthread_cond_t *
cond_of(GCond *cond)
{
    return once(&cond->p, sizeof(pthread_cond_t), init_cond);
}

static pthread_rwlock_t *
rw_of(GRWLock *lock)
{
    return once(&lock->p, sizeof(pthread_rwlock_t), init_rw);
}

void
g_mutex_init(GMutex *mutex)
{
    mutex->p = NULL;
}

void
g_mutex_clear(GMutex *mutex)
{
    if (mutex->p) {
        pthread_mutex_destroy(mutex->p);
        free(mutex->p);
    }
}

void
g_mutex_lock(GMutex *mutex)
{
    pthread_mutex_lock(mutex_of(mutex));
}

gboolean
g_mutex_trylock(GMutex *mutex)
{
    return pthread_mutex_trylock(mutex_of(mutex)) == 0;
}

void
g_mutex_unlock(GMutex *mutex)
{
    pthread_mutex_unlock(mutex_of(mutex));
}

void
g_cond_init(GCond *cond)
{
    cond->p = NULL;
}

void
g_cond_clear(GCond *cond)
{
    if (cond->p) {
        pthread_cond_destroy(cond->p);
        free(cond->p);
    }
}

void
g_cond_wait(GCond *cond, GMutex *mutex)
{
    pthread_cond_wait(cond_of(cond), mutex_of(mutex));
}

gboolean
g_cond_wait_until(GCond *cond, GMutex *mutex, gint64 end_time)
{
    struct timespec until = {end_time / G_USEC_PER_SEC, end_time % G_USEC_PER_SEC * 1000};
    return pthread_cond_timedwait(cond_of(cond), mutex_of(mutex), &until) != ETIMEDOUT;
}

void
g_cond_signal(GCond *cond)
{
    pthread_cond_signal(cond_of(cond));
}

void
g_cond_broadcast(GCond *cond)
{
    pthread_cond_broadcast(cond_of(cond));
}

void
g_rw_lock_init(GRWLock *lock)
{
    lock->p = NULL;
}

void
g_rw_lock_clear(GRWLock *lock)
{
    if (lock->p) {
        pthread_rwlock_destroy(lock->p);
        free(lock->p);
    }
}

void
g_rw_lock_reader_lock(GRWLock *lock)
{
    pthread_rwlock_rdlock(rw_of(lock));
}

void
g_rw_lock_reader_unlock(GRWLock *lock)
{
    pthread_rwlock_unlock(rw_of(lock));
}

void
g_rw_lock_writer_lock(GRWLock *lock)
{
    pthread_rwlock_wrlock(rw_of(lock));
}

void
g_rw_lock_writer_unlock(GRWLock *lock)
{
    pthread_rwlock_unlock(rw_of(lock));
}

struct pool_job {
    GFunc run;
    gpointer user_data;
};

static void
run_job(gpointer data, gpointer pool_job)
{
    const struct pool_job *job = pool_job;
    __tsan_acquire(data);
    job->run(data, job->user_data);
    __tsan_release(pool_job);
}

// A pool's job lives as long as the program.
GThreadPool *
g_thread_pool_new(GFunc run, gpointer user_data, gint max_threads, gboolean exclusive,
                  GError **error)
{
    GThreadPool *(*real)(GFunc, gpointer, gint, gboolean, GError **) =
        dlsym(RTLD_NEXT, "g_thread_pool_new");
    struct pool_job *job = calloc(1, sizeof *job);
    *job = (struct pool_job){run, user_data};
    return real(run_job, job, max_threads, exclusive, error);
}

gboolean
g_thread_pool_push(GThreadPool *pool, gpointer data, GError **error)
{
    gboolean (*real)(GThreadPool *, gpointer, GError **) = dlsym(RTLD_NEXT, "g_thread_pool_push");
    __tsan_release(data);
    return real(pool, data, error);
}

__attribute__((no_sanitize("thread"))) void
g_thread_pool_free(GThreadPool *pool, gboolean immediate, gboolean wait)
{
    void (*real)(GThreadPool *, gboolean, gboolean) = dlsym(RTLD_NEXT, "g_thread_pool_free");
    void *job = pool->user_data;
    real(pool, immediate, wait);
    if (wait) {
        __tsan_acquire(job);
    }
}

static __thread GDestroyNotify box_clear;

static void
clear_box(gpointer box)
{
    __tsan_acquire(box);
    box_clear(box);
}

// Whoever drops the last reference sees what the others did before they dropped theirs.
void
g_atomic_rc_box_release_full(gpointer box, GDestroyNotify clear)
{
    void (*real)(gpointer, GDestroyNotify) = dlsym(RTLD_NEXT, "g_atomic_rc_box_release_full");
    box_clear = clear;
    __tsan_release(box);
    real(box, clear_box);
}

// GLib keeps its strings behind a lock of its own.
const gchar *
g_strerror(gint number)
{
    static __thread char text[256];
    return strerror_r(number, text, sizeof text);
}
