// SPDX-License-Identifier: Apache-2.0
// Long bodies past libmicrohttpd: received where the handler wants them, in steps large enough that
// waking up costs little.
#include "common/base/util.h"
#include "common/http/internal.h"
#include "common/log/log.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum {
    MIN_SIZE = 1 << 20, // of what is still to come
    STEP = 1 << 18,     // bytes that are worth waking up for
    MAX_TURN = 2,       // receives of one connection before others have theirs
};

enum outcome { GO_ON, WAIT, COMPLETE, BROKEN };

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
        direct_unwatch(request);
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
receive(struct request *request)
{
    enum outcome outcome = GO_ON;
    set_step(request);
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
    direct_forget(request);
    if (outcome == BROKEN) {
        direct_close(request);
        return;
    }
    request->counted = true;
    request->server->n_running++;
    if (request->is_refused) {
        direct_reply(request);
    } else {
        run_in_worker(request);
    }
}

bool
receiver_takes(struct request *request)
{
    struct http_server *server = request->server;
    if (server->n_receivers == 0 || !request->is_http11 || request->body_left < MIN_SIZE ||
        !request->route->stream->room) {
        return false;
    }
    MHD_suspend_connection(request->connection);
    unsigned i = server->next_receiver++ % (unsigned)server->n_receivers;
    bool is_taken = direct_begin(server->receivers[i], request, EPOLLIN, receive);
    if (!is_taken) {
        MHD_resume_connection(request->connection);
    }
    return is_taken;
}
