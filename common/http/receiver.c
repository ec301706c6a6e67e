// SPDX-License-Identifier: Apache-2.0
// Long bodies past libmicrohttpd: it has read the head and the first bytes, then its connection is
// suspended, and one thread receives the rest where the handler wants it, in steps large enough
// that waking up costs little. libmicrohttpd still believes in the rest of the body, so the reply
// is sent here, and the connection ends with it.
#include "common/base/util.h"
#include "common/http/internal.h"
#include "common/log/log.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    STEP = 1 << 20,  // bytes that are worth waking up for
    MAX_TURN = 4,    // receives of one connection before others have theirs
    MAX_EVENTS = 32, // connections that are looked at together
    TICK_MS = 1000,  // what is less than a step waits at most so long
};

struct receiver {
    struct http_server *server;
    GThread *thread;
    int epoll_fd;
    int wake_fd;
    GMutex mutex; // guards what follows
    GHashTable *requests;
    bool is_stopping;
};

enum outcome { GO_ON, WAIT, COMPLETE, BROKEN };

static void
watch(struct request *request)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = request};
    epoll_ctl(request->server->receiver->epoll_fd, EPOLL_CTL_ADD, request->fd, &event);
}

// Linux wakes nobody for less than this.
static void
set_step(struct request *request)
{
    int size = (int)MIN(request->body_left, STEP);
    if (size != request->wait_size) {
        request->wait_size = size;
        setsockopt(request->fd, SOL_SOCKET, SO_RCVLOWAT, &size, sizeof size);
    }
}

static void
wake_thread(struct receiver *receiver)
{
    eventfd_write(receiver->wake_fd, 1);
}

bool
receiver_push(struct receiver *receiver, struct request *request)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    g_mutex_lock(&receiver->mutex);
    bool is_taken = info && !receiver->is_stopping;
    if (is_taken) {
        g_mutex_lock(&request->mutex);
        request->is_direct = true;
        request->resume_pending = false;
        g_mutex_unlock(&request->mutex);
        request->fd = info->connect_fd;
        request->last_bytes_ms = monotonic_ms();
        set_step(request);
        g_hash_table_add(receiver->requests, request);
        watch(request);
        wake_thread(receiver);
    }
    g_mutex_unlock(&receiver->mutex);
    return is_taken;
}

void
receiver_resume(struct request *request)
{
    watch(request);
}

// From here on the thread does not know it.
static void
forget(struct receiver *receiver, struct request *request)
{
    epoll_ctl(receiver->epoll_fd, EPOLL_CTL_DEL, request->fd,
              NULL); // ENOENT when it waits for room
    g_mutex_lock(&receiver->mutex);
    g_hash_table_remove(receiver->requests, request);
    g_mutex_unlock(&receiver->mutex);
}

// libmicrohttpd finds the connection closed.
static void
close_connection(struct request *request)
{
    shutdown(request->fd, SHUT_RDWR);
    MHD_resume_connection(request->connection);
}

void
receiver_reply(struct request *request)
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
    close_connection(request);
}

static void
refuse(struct request *request, enum rc rc, struct err *err)
{
    log_request_id_set(request->id);
    request->stream_begun = false;
    request->route->stream->abort(request->stream_state);
    err->rc = rc;
    dispatch_error(request, err);
    request->is_refused = true;
    log_request_id_set(NULL);
}

// Without room the connection is not watched until there is some.
static enum outcome
wait_for_room(struct request *request)
{
    g_mutex_lock(&request->mutex);
    bool wait = !request->resume_pending;
    request->resume_pending = false;
    if (wait) {
        request->suspended = true;
        epoll_ctl(request->server->receiver->epoll_fd, EPOLL_CTL_DEL, request->fd, NULL);
    }
    g_mutex_unlock(&request->mutex);
    return wait ? WAIT : GO_ON;
}

static enum outcome
take_bytes(struct request *request, size_t size, bool is_full)
{
    struct err err = {0};
    const struct stream_ops *ops = request->route->stream;
    enum rc rc = request->is_refused ? RC_OK : ops->filled(request->stream_state, size, &err);
    if (rc != RC_OK) {
        refuse(request, rc, &err);
    }
    request->body_left -= (int64_t)size;
    request->last_bytes_ms = monotonic_ms();
    if (request->body_left == 0) {
        return COMPLETE;
    }
    set_step(request);
    return is_full ? GO_ON : WAIT;
}

// n: what recv says.
static enum outcome
outcome_of(struct request *request, ssize_t n, size_t size)
{
    if (n > 0) {
        return take_bytes(request, (size_t)n, (size_t)n == size);
    }
    return n < 0 && errno == EINTR ? GO_ON : n < 0 && errno == EAGAIN ? WAIT : BROKEN;
}

// Never more than the body: what follows it is not ours.
static size_t
cut_parts(struct iovec *parts, int n, size_t size)
{
    size_t total = 0;
    for (int i = 0; i < n; i++) {
        parts[i].iov_len = MIN(parts[i].iov_len, size - total);
        total += parts[i].iov_len;
    }
    return total;
}

static enum outcome
discard_once(struct request *request)
{
    size_t size = (size_t)MIN(request->body_left, STEP);
    ssize_t n = recv(request->fd, NULL, size, MSG_DONTWAIT | MSG_TRUNC); // tcp(7)
    return outcome_of(request, n, size);
}

static enum outcome
receive_once(struct request *request, size_t n_there)
{
    struct err err = {0};
    struct iovec parts[ROOM_PARTS];
    struct msghdr message = {.msg_iov = parts};
    const struct stream_ops *ops = request->route->stream;
    size_t wanted = CLAMP(n_there, 1, (size_t)MIN(request->body_left, STEP));
    int n_parts = 0;
    enum rc rc = ops->room(request->stream_state, wanted, parts, &n_parts, &err);
    if (rc != RC_OK) {
        refuse(request, rc, &err);
        return GO_ON;
    }
    if (n_parts == 0) {
        return wait_for_room(request);
    }
    message.msg_iovlen = (size_t)n_parts;
    size_t size = cut_parts(parts, n_parts, (size_t)request->body_left);
    return outcome_of(request, recvmsg(request->fd, &message, MSG_DONTWAIT), size);
}

static void
receive(struct receiver *receiver, struct request *request)
{
    enum outcome outcome = GO_ON;
    for (int i = 0; i < MAX_TURN && outcome == GO_ON; i++) {
        int n_there = 0;
        ioctl(request->fd, FIONREAD, &n_there);
        if (i > 0 && n_there < request->wait_size) {
            outcome = WAIT; // the kernel tells when it is worth it
        } else if (request->is_refused) {
            outcome = discard_once(request);
        } else {
            outcome = receive_once(request, (size_t)n_there);
        }
    }
    if (outcome == GO_ON || outcome == WAIT) {
        if (!request->is_refused) {
            request->route->stream->pause(request->stream_state);
        }
        return;
    }
    forget(receiver, request);
    if (outcome == BROKEN) {
        close_connection(request);
        return;
    }
    request->counted = true;
    request->server->n_running++;
    if (request->is_refused) {
        receiver_reply(request);
    } else {
        run_in_worker(request);
    }
}

static void
look_after(struct receiver *receiver, struct request *request)
{
    g_mutex_lock(&request->mutex);
    bool waits_for_room = request->suspended;
    g_mutex_unlock(&request->mutex);
    int n_there = 0;
    if (waits_for_room) {
        request->last_bytes_ms = monotonic_ms(); // we are slow, not the client
    } else if (ioctl(request->fd, FIONREAD, &n_there) == 0 && n_there > 0) {
        receive(receiver, request);
    } else if (monotonic_ms() - request->last_bytes_ms >
               (int64_t)1000 * receiver->server->config.idle_timeout_s) {
        forget(receiver, request);
        close_connection(request);
    }
}

static GList *
known(struct receiver *receiver)
{
    g_mutex_lock(&receiver->mutex);
    GList *requests = g_hash_table_get_keys(receiver->requests);
    g_mutex_unlock(&receiver->mutex);
    return requests;
}

// False: stopping. ret_timeout_ms: with nobody to look after, wake_fd is what is waited for.
static bool
goes_on(struct receiver *receiver, int *ret_timeout_ms)
{
    g_mutex_lock(&receiver->mutex);
    bool yes = !receiver->is_stopping;
    *ret_timeout_ms = g_hash_table_size(receiver->requests) ? TICK_MS : -1;
    g_mutex_unlock(&receiver->mutex);
    return yes;
}

static void
run_events(struct receiver *receiver, const struct epoll_event *events, int n)
{
    for (int i = 0; i < n; i++) {
        if (events[i].data.ptr) {
            receive(receiver, events[i].data.ptr);
        } else {
            eventfd_t ignored;
            eventfd_read(receiver->wake_fd, &ignored);
        }
    }
}

static gpointer
run(gpointer data)
{
    struct receiver *receiver = data;
    struct epoll_event events[MAX_EVENTS];
    int64_t next_ms = 0;
    int timeout_ms;
    while (goes_on(receiver, &timeout_ms)) {
        run_events(receiver, events,
                   epoll_wait(receiver->epoll_fd, events, MAX_EVENTS, timeout_ms));
        if (monotonic_ms() < next_ms) {
            continue;
        }
        g_autoptr(GList) requests = known(receiver);
        for (GList *each = requests; each; each = each->next) {
            look_after(receiver, each->data);
        }
        next_ms = monotonic_ms() + TICK_MS;
    }
    return NULL;
}

struct receiver *
receiver_new(struct http_server *server)
{
    struct receiver *receiver = g_new0(struct receiver, 1);
    receiver->server = server;
    receiver->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    receiver->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    g_mutex_init(&receiver->mutex);
    receiver->requests = g_hash_table_new(NULL, NULL);
    struct epoll_event event = {.events = EPOLLIN};
    if (receiver->epoll_fd < 0 || receiver->wake_fd < 0 ||
        epoll_ctl(receiver->epoll_fd, EPOLL_CTL_ADD, receiver->wake_fd, &event) < 0) {
        g_error("no descriptors left to receive with");
    }
    receiver->thread = g_thread_new("receiver", run, receiver);
    return receiver;
}

void
receiver_stop(struct receiver *receiver)
{
    if (!receiver || !receiver->thread) {
        return;
    }
    g_mutex_lock(&receiver->mutex);
    receiver->is_stopping = true;
    g_mutex_unlock(&receiver->mutex);
    wake_thread(receiver);
    g_thread_join(g_steal_pointer(&receiver->thread));
    g_autoptr(GList) requests = known(receiver);
    for (GList *each = requests; each; each = each->next) {
        forget(receiver, each->data);
        close_connection(each->data);
    }
}

void
receiver_free(struct receiver *receiver)
{
    if (receiver) {
        receiver_stop(receiver);
        close(receiver->epoll_fd);
        close(receiver->wake_fd);
        g_hash_table_unref(receiver->requests);
        g_mutex_clear(&receiver->mutex);
        g_free(receiver);
    }
}
