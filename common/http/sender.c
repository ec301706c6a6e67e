// SPDX-License-Identifier: Apache-2.0
// Long files as replies, past libmicrohttpd: that sends pieces of 128 KiB, and waking up for each
// costs more than sending it. A disk that has to be read holds up these threads only.
#include "common/base/util.h"
#include "common/http/internal.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

enum {
    MIN_SIZE = 1 << 20,
    PIECE = 2 << 20, // bytes of one sendfile
    LINGER_MS = 5000,
    MAX_TURN = 4, // pieces of one connection before others have theirs
};

struct outgoing {
    GString *head;
    size_t head_sent;
    int64_t offset, left; // of the file
};

void
outgoing_free(struct outgoing *outgoing)
{
    if (outgoing) {
        g_string_free(outgoing->head, TRUE);
        g_free(outgoing);
    }
}

// As sendfile: 0 when the file is shorter than was said.
static ssize_t
send_piece(struct request *request, struct outgoing *outgoing)
{
    size_t n_head = outgoing->head->len - outgoing->head_sent;
    ssize_t n;
    if (n_head > 0) {
        n = send(request->fd, outgoing->head->str + outgoing->head_sent, n_head,
                 MSG_NOSIGNAL | MSG_DONTWAIT | MSG_MORE);
        outgoing->head_sent += (size_t)MAX(n, 0);
    } else {
        n = sendfile(request->fd, request->reply.fd, &outgoing->offset,
                     (size_t)MIN(outgoing->left, PIECE));
        outgoing->left -= MAX(n, 0);
    }
    return n;
}

static void
end(struct request *request)
{
    direct_forget(request);
    direct_close(request);
}

// All is sent; what the client still has to say is not read by anybody. To close before it has
// everything could take from it what is on the way (RFC 9112, section 9.6).
static void
linger(struct request *request)
{
    ssize_t n = recv(request->fd, NULL, PIECE, MSG_DONTWAIT | MSG_TRUNC);
    bool is_open = n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
    if (!is_open || monotonic_ms() - request->last_bytes_ms > LINGER_MS) {
        end(request);
    }
}

static void
begin_linger(struct request *request)
{
    request->server->n_running -= request->counted; // a stop need not wait for it
    request->counted = false;
    shutdown(request->fd, SHUT_WR);
    direct_unwatch(request);
    request->turn = linger;
    request->events = EPOLLIN;
    direct_watch(request);
}

static void
send_turn(struct request *request)
{
    struct outgoing *outgoing = request->outgoing;
    for (int i = 0; i < MAX_TURN && outgoing->left > 0; i++) {
        ssize_t n = send_piece(request, outgoing);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        }
        if (n <= 0) {
            end(request);
            return;
        }
        request->last_bytes_ms = monotonic_ms();
    }
    if (outgoing->left == 0) {
        begin_linger(request);
    }
}

bool
sender_takes(struct request *request)
{
    struct http_server *server = request->server;
    struct reply *reply = &request->reply;
    if (server->n_senders == 0 || !request->is_http11 || reply->fd < 0 ||
        reply->fd_size < MIN_SIZE || strcmp(request->method, "GET")) {
        return false;
    }
    request->outgoing = g_new0(struct outgoing, 1);
    request->outgoing->head = reply_to_text(request);
    request->outgoing->offset = reply->fd_offset;
    request->outgoing->left = reply->fd_size;
    request->stage = STAGE_SENT;
    dispatch_finish(request);
    MHD_suspend_connection(request->connection);
    unsigned i = (unsigned)server->next_sender++ % (unsigned)server->n_senders;
    if (!direct_begin(server->senders[i], request, EPOLLOUT, send_turn)) {
        MHD_resume_connection(request->connection); // stopping: on_access refuses it
    }
    return true;
}
