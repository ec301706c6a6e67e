// SPDX-License-Identifier: Apache-2.0
// Connections past libmicrohttpd, which has read the head and what came with it and has suspended
// the connection: a thread waits for all that were given to it and calls what each is for
// (receiver.c, sender.c). libmicrohttpd does not know what happens to the socket meanwhile, so such
// a connection ends with its reply.
#include "common/base/background.h"
#include "common/base/util.h"
#include "common/http/internal.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    MAX_EVENTS = 32, // connections that are looked at together
    TICK_MS = 1000,  // what is too little to wake the thread waits at most so long
};

struct direct {
    int idle_timeout_s;
    bool is_background;
    GThread *thread;
    int epoll_fd;
    int wake_fd;
    GMutex mutex; // guards what follows
    GHashTable *requests;
    bool is_stopping;
};

bool
direct_begin(struct direct *direct, struct request *request, unsigned events,
             void (*turn)(struct request *request))
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    g_mutex_lock(&direct->mutex);
    bool is_taken = info && !direct->is_stopping;
    if (is_taken) {
        g_mutex_lock(&request->mutex);
        request->direct = direct;
        request->resume_pending = false;
        g_mutex_unlock(&request->mutex);
        request->fd = info->connect_fd;
        request->turn = turn;
        request->events = events;
        request->last_bytes_ms = monotonic_ms();
        g_hash_table_add(direct->requests, request);
        direct_watch(request);
        eventfd_write(direct->wake_fd, 1);
    }
    g_mutex_unlock(&direct->mutex);
    return is_taken;
}

void
direct_watch(struct request *request)
{
    struct epoll_event event = {.events = request->events, .data.ptr = request};
    epoll_ctl(request->direct->epoll_fd, EPOLL_CTL_ADD, request->fd, &event);
}

// ENOENT when it is not watched.
void
direct_unwatch(struct request *request)
{
    epoll_ctl(request->direct->epoll_fd, EPOLL_CTL_DEL, request->fd, NULL);
}

void
direct_forget(struct request *request)
{
    struct direct *direct = request->direct;
    direct_unwatch(request);
    g_mutex_lock(&direct->mutex);
    g_hash_table_remove(direct->requests, request);
    g_mutex_unlock(&direct->mutex);
}

void
direct_close(struct request *request)
{
    shutdown(request->fd, SHUT_RDWR);
    MHD_resume_connection(request->connection);
}

void
direct_reply(struct request *request)
{
    g_autoptr(GString) text = reply_to_text(request);
    size_t sent = 0;
    while (sent < text->len) {
        ssize_t n =
            send(request->fd, text->str + sent, text->len - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        sent += (size_t)MAX(n, 0);
        if (n < 0 && errno != EINTR) { // also of who has read none of our earlier replies
            break;
        }
    }
    request->stage = STAGE_SENT;
    dispatch_finish(request);
    direct_close(request);
}

static void
look_after(struct direct *direct, struct request *request)
{
    g_mutex_lock(&request->mutex);
    bool waits_for_us = request->suspended;
    g_mutex_unlock(&request->mutex);
    int n_there = 0;
    if (waits_for_us) {
        request->last_bytes_ms = monotonic_ms();
    } else if (monotonic_ms() - request->last_bytes_ms > (int64_t)1000 * direct->idle_timeout_s) {
        // Also of who takes no byte of a reply and sends some instead.
        direct_forget(request);
        direct_close(request);
    } else if (ioctl(request->fd, FIONREAD, &n_there) == 0 && n_there > 0) {
        request->turn(request);
    }
}

static GList *
known(struct direct *direct)
{
    g_mutex_lock(&direct->mutex);
    GList *requests = g_hash_table_get_keys(direct->requests);
    g_mutex_unlock(&direct->mutex);
    return requests;
}

// False: stopping. ret_timeout_ms: with nobody to look after, wake_fd is what is waited for.
static bool
goes_on(struct direct *direct, int *ret_timeout_ms)
{
    g_mutex_lock(&direct->mutex);
    bool yes = !direct->is_stopping;
    *ret_timeout_ms = g_hash_table_size(direct->requests) ? TICK_MS : -1;
    g_mutex_unlock(&direct->mutex);
    return yes;
}

static void
run_events(struct direct *direct, const struct epoll_event *events, int n)
{
    for (int i = 0; i < n; i++) {
        struct request *request = events[i].data.ptr;
        if (request) {
            request->turn(request);
        } else {
            eventfd_t ignored;
            eventfd_read(direct->wake_fd, &ignored);
        }
    }
}

static gpointer
run(gpointer data)
{
    struct direct *direct = data;
    struct epoll_event events[MAX_EVENTS];
    int64_t next_ms = 0;
    int timeout_ms;
    if (direct->is_background) {
        background_enter();
    }
    while (goes_on(direct, &timeout_ms)) {
        run_events(direct, events, epoll_wait(direct->epoll_fd, events, MAX_EVENTS, timeout_ms));
        if (monotonic_ms() < next_ms) {
            continue;
        }
        g_autoptr(GList) requests = known(direct);
        for (GList *each = requests; each; each = each->next) {
            look_after(direct, each->data);
        }
        next_ms = monotonic_ms() + TICK_MS;
    }
    return NULL;
}

struct direct *
direct_new(const char *name, int idle_timeout_s, bool is_background)
{
    struct direct *direct = g_new0(struct direct, 1);
    direct->idle_timeout_s = idle_timeout_s;
    direct->is_background = is_background;
    direct->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    direct->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    g_mutex_init(&direct->mutex);
    direct->requests = g_hash_table_new(NULL, NULL);
    struct epoll_event event = {.events = EPOLLIN};
    if (direct->epoll_fd < 0 || direct->wake_fd < 0 ||
        epoll_ctl(direct->epoll_fd, EPOLL_CTL_ADD, direct->wake_fd, &event) < 0) {
        g_error("no descriptors left for connections");
    }
    direct->thread = g_thread_new(name, run, direct);
    return direct;
}

void
direct_stop(struct direct *direct)
{
    if (!direct->thread) {
        return;
    }
    g_mutex_lock(&direct->mutex);
    direct->is_stopping = true;
    g_mutex_unlock(&direct->mutex);
    eventfd_write(direct->wake_fd, 1);
    g_thread_join(g_steal_pointer(&direct->thread));
    g_autoptr(GList) requests = known(direct);
    for (GList *each = requests; each; each = each->next) {
        direct_forget(each->data);
        direct_close(each->data);
    }
}

void
direct_free(struct direct *direct)
{
    direct_stop(direct);
    close(direct->epoll_fd);
    close(direct->wake_fd);
    g_hash_table_unref(direct->requests);
    g_mutex_clear(&direct->mutex);
    g_free(direct);
}
