// SPDX-License-Identifier: Apache-2.0
// libmicrohttpd's callbacks: receive the head, the body in pieces, run the row, send the reply.
#include "common/http/internal.h"

#include "common/base/background.h"
#include "common/base/text_cache.h"
#include "common/base/util.h"
#include "common/log/log.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

enum {
    DEFAULT_MAX_BODY = 1 << 20,
    DEFAULT_IDLE_S = 60,
    DEFAULT_CONNECTIONS = 4096,
    DEFAULT_WORKERS = 8,
    DEFAULT_QUEUE = 64,
    CONNECTION_MEMORY = 32 * 1024, // bounds the head of a request
    STREAM_MEMORY = 256 * 1024,    // the same where bodies are streamed: what one read takes
    STOP_WAIT_MS = 30000,
    MAX_DISCARDED = 16 << 20,
};

// The client's own id is taken when it has the documented form; else we make one.
static void
choose_id(struct request *request)
{
    const char *given = request_header(request, "X-Openstack-Request-Id");
    if (given && strlen(given) == 40 && g_str_has_prefix(given, "req-") &&
        uuid_is_valid(given + 4)) {
        g_strlcpy(request->id, given, sizeof(request->id));
        return;
    }
    memcpy(request->id, "req-", 4);
    uuid_new(request->id + 4);
}

static struct request *
request_new(struct http_server *server, struct MHD_Connection *connection, const char *url,
            const char *method)
{
    struct request *request = g_new0(struct request, 1);
    request->server = server;
    request->connection = connection;
    request->url = g_strdup(url);
    request->method = method; // MHD's, lives as long as the connection's request
    request->started_us = now_us();
    g_mutex_init(&request->mutex);
    reply_init(&request->reply);
    choose_id(request);
    return request;
}

// A refused request's body is read and thrown away when it is short, so that the client reads our
// answer instead of a connection reset; a long one is answered at once and its connection closed by
// MHD.
static bool
is_long_body(const struct request *request)
{
    const char *length = request_header(request, "Content-Length");
    int64_t size;
    return request_header(request, "Transfer-Encoding") ||
           (length && (!parse_int64(length, 0, INT64_MAX, &size) || size > MAX_DISCARDED));
}

// Before a byte of the body is taken.
static enum MHD_Result
refuse(struct request *request)
{
    if (is_long_body(request)) {
        return reply_send(request);
    }
    request->stage = STAGE_DISCARDING;
    return MHD_YES;
}

static int64_t
announced_length(const struct request *request)
{
    const char *length = request_header(request, "Content-Length");
    int64_t size;
    bool is_known = length && !request_header(request, "Transfer-Encoding") &&
                    parse_int64(length, 0, INT64_MAX, &size);
    return is_known ? size : -1;
}

// In a worker, the connection is suspended: many bodies that begin at once hold up nobody else.
static void
begin_stream(struct request *request)
{
    struct err err = {0};
    log_request_id_set(request->id);
    db_statements_reset();
    enum rc rc = request->route->stream->begin(request, &request->stream_state, &err);
    request->stream_begun = rc == RC_OK;
    if (rc != RC_OK) {
        err.rc = rc;
        dispatch_error(request, &err);
    }
    request->stage = rc == RC_OK ? STAGE_BEGUN : STAGE_REFUSED;
    log_request_id_set(NULL);
    request->server->n_running--;
    MHD_resume_connection(request->connection);
}

static void
begin_in_worker(struct request *request)
{
    request->body_left = announced_length(request);
    request->stage = STAGE_BEGINNING;
    request->server->n_running++;
    MHD_suspend_connection(request->connection);
    if (!worker_pool_push(request->server->workers, request)) {
        begin_stream(request);
    }
}

static enum rc
check_length(const struct request *request, struct err *err)
{
    const char *length = request_header(request, "Content-Length");
    size_t max = request->server->config.max_body;
    int64_t size;
    bool is_fine = !length || (parse_int64(length, 0, INT64_MAX, &size) && (size_t)size <= max);
    return is_fine ? RC_OK
                   : fault(err, RC_TOO_LARGE, "The request body is larger than %zu bytes", max);
}

struct framing {
    int n; // headers that say where the body ends
    bool is_unknown;
};

static void
note_framing(void *context, const char *name, const char *value)
{
    struct framing *framing = context;
    bool is_coding = !g_ascii_strcasecmp(name, MHD_HTTP_HEADER_TRANSFER_ENCODING);
    framing->n += is_coding || !g_ascii_strcasecmp(name, MHD_HTTP_HEADER_CONTENT_LENGTH);
    framing->is_unknown |= is_coding && g_ascii_strcasecmp(value, "chunked");
}

// Who stands between the client and us could see another end of the body than we do, and another
// request behind it (RFC 9112, sections 6.1 and 6.3).
static enum rc
check_framing(const struct request *request, struct err *err)
{
    struct framing framing = {0};
    request_each_header(request, note_framing, &framing);
    if (framing.is_unknown) {
        return fault(err, RC_INVALID, "Transfer-Encoding: only 'chunked' is known");
    }
    return framing.n <= 1
               ? RC_OK
               : fault(err, RC_INVALID, "Content-Length and Transfer-Encoding: one of them, once");
}

// Nothing that follows on this connection is looked at.
static enum MHD_Result
refuse_framing(struct request *request, const struct err *err)
{
    dispatch_error(request, err);
    reply_header(&request->reply, MHD_HTTP_HEADER_CONNECTION, "close");
    return reply_send(request);
}

// First callback: only the head is known.
static enum MHD_Result
receive_head(struct request *request)
{
    struct err err = {0};
    log_request_id_set(request->id);
    enum rc rc = check_framing(request, &err);
    if (rc != RC_OK) {
        return refuse_framing(request, &err);
    }
    rc = dispatch_head(request, &err);
    bool is_stream = rc == RC_OK && request->route->stream;
    if (rc == RC_OK && !is_stream) {
        rc = check_length(request, &err);
    }
    log_request_id_set(NULL);
    if (is_stream) {
        begin_in_worker(request);
        return MHD_YES;
    }
    if (rc == RC_OK) {
        return MHD_YES;
    }
    err.rc = rc;
    dispatch_error(request, &err);
    return refuse(request);
}

static enum MHD_Result
receive_piece(struct request *request, const char *data, size_t *size)
{
    if (!request->raw) {
        request->raw = g_byte_array_new();
    }
    if (request->raw->len + *size > request->server->config.max_body) {
        struct err err;
        rc_ignore(fault(&err, RC_TOO_LARGE, "The request body is larger than %zu bytes",
                        request->server->config.max_body));
        dispatch_error(request, &err);
        request->stage = STAGE_DISCARDING;
    } else {
        g_byte_array_append(request->raw, (const guint8 *)data, (guint)*size);
    }
    *size = 0;
    return MHD_YES;
}

bool
suspend_unless_resumed(struct request *request)
{
    g_mutex_lock(&request->mutex);
    bool wait = !request->resume_pending;
    request->resume_pending = false;
    if (wait) {
        request->suspended = true;
        MHD_suspend_connection(request->connection);
    }
    g_mutex_unlock(&request->mutex);
    return wait;
}

void
http_stream_resume(struct request *request)
{
    g_mutex_lock(&request->mutex);
    struct MHD_Connection *connection = request->suspended ? request->connection : NULL;
    request->resume_pending = !connection;
    request->suspended = false;
    if (connection && request->direct) {
        direct_watch(request);
        connection = NULL;
    }
    g_mutex_unlock(&request->mutex);
    // The request may be gone as soon as its connection runs again: nothing of it is touched after
    // this.
    if (connection) {
        MHD_resume_connection(connection);
    }
}

static enum MHD_Result
receive_stream(struct request *request, const char *data, size_t *size)
{
    struct err err = {0};
    size_t done = 0;
    while (done < *size) {
        size_t taken = 0;
        enum rc rc = request->route->stream->chunk(request->stream_state, data + done, *size - done,
                                                   &taken, &err);
        if (rc != RC_OK) {
            request->stream_begun = false;
            request->route->stream->abort(request->stream_state);
            err.rc = rc;
            dispatch_error(request, &err);
            request->stage = STAGE_DISCARDING;
            *size = 0;
            return MHD_YES;
        }
        done += taken;
        if (done < *size && taken == 0 && suspend_unless_resumed(request)) {
            break;
        }
    }
    *size -= done;
    request->body_left -= (int64_t)done;
    if (*size == 0) {
        receiver_takes(request);
    }
    return MHD_YES;
}

static void
run_slow(struct request *request)
{
    if (request->stage == STAGE_BEGINNING) {
        begin_stream(request);
        return;
    }
    dispatch_handle(request);
    if (request->direct) {
        direct_reply(request);
        return;
    }
    request->stage = STAGE_READY;
    MHD_resume_connection(request->connection);
}

static bool
is_slow(struct request *request)
{
    const struct route *route = request->route;
    struct err ignored = {0};
    return (route->flags & ROUTE_SLOW) &&
           (!route->is_quick || dispatch_json(request, &ignored) || !route->is_quick(request));
}

void
run_in_worker(struct request *request)
{
    request->stage = STAGE_RUNNING;
    if (worker_pool_push(request->server->workers, request)) {
        return;
    }
    struct err err;
    rc_ignore(fault(&err, RC_UNAVAILABLE, "The service is overloaded, try again"));
    err.retry_after_s = 2;
    dispatch_error(request, &err);
    request->stage = STAGE_READY;
    if (request->direct) {
        direct_reply(request);
    } else {
        MHD_resume_connection(request->connection);
    }
}

static enum MHD_Result
run(struct request *request)
{
    request->counted = true;
    request->server->n_running++;
    if (!request->stream_begun && !is_slow(request)) {
        dispatch_handle(request);
        return sender_takes(request) ? MHD_YES : reply_send(request);
    }
    MHD_suspend_connection(request->connection);
    run_in_worker(request);
    return MHD_YES;
}

static enum MHD_Result
on_access(void *context, struct MHD_Connection *connection, const char *url, const char *method,
          const char *version, const char *data, size_t *size, void **slot)
{
    struct request *request = *slot;
    if (!request) {
        request = request_new(context, connection, url, method);
        *slot = request;
        request->is_http11 = strcmp(version, MHD_HTTP_VERSION_1_1) == 0;
        return receive_head(request);
    }
    if (request->direct) { // answered, and the client sends on
        return MHD_NO;
    }
    // What was suspended at its head is called with no bytes first.
    if (request->stage == STAGE_REFUSED) {
        return refuse(request);
    }
    if (request->stage == STAGE_BEGUN) {
        request->stage = STAGE_STREAMING;
        return MHD_YES;
    }
    if (*size > 0) {
        switch (request->stage) {
        case STAGE_RECEIVING:
            return receive_piece(request, data, size);
        case STAGE_STREAMING:
            return receive_stream(request, data, size);
        default:
            *size = 0;
            return MHD_YES;
        }
    }
    switch (request->stage) {
    case STAGE_RECEIVING:
    case STAGE_STREAMING:
        return run(request);
    case STAGE_READY:
    case STAGE_DISCARDING:
        return reply_send(request);
    default:
        return MHD_YES;
    }
}

static void
on_completed(void *context, struct MHD_Connection *connection, void **slot,
             enum MHD_RequestTerminationCode code)
{
    struct http_server *server = context;
    struct request *request = *slot;
    if (!request) {
        return;
    }
    if (request->stream_begun) {
        request->route->stream->abort(request->stream_state);
    }
    server->n_running -= request->counted;
    request_free(request);
    *slot = NULL;
}

static void
apply_defaults(struct http_config *config)
{
    config->n_threads = config->n_threads ? config->n_threads : (int)g_get_num_processors();
    config->n_workers = config->n_workers ? config->n_workers : DEFAULT_WORKERS;
    config->max_queue = config->max_queue ? config->max_queue : DEFAULT_QUEUE;
    config->max_body = config->max_body ? config->max_body : DEFAULT_MAX_BODY;
    config->idle_timeout_s = config->idle_timeout_s ? config->idle_timeout_s : DEFAULT_IDLE_S;
    config->max_connections =
        config->max_connections ? config->max_connections : DEFAULT_CONNECTIONS;
}

// Nobody needs to know what a peer does to its connection.
static void
on_message(void *context, const char *format, va_list arguments)
{
    char message[256];
    g_vsnprintf(message, sizeof message, format, arguments);
    log_debug("libmicrohttpd", kv("message", g_strchomp(message)));
}

static bool
has_direct_streams(const struct route *const *tables)
{
    for (; *tables; tables++) {
        for (const struct route *route = *tables; route->method; route++) {
            if (route->stream && route->stream->room) {
                return true;
            }
        }
    }
    return false;
}

// Bodies keep coming for as long as there is room: who receives them gives way.
static void
start_direct(struct http_server *server)
{
    int timeout_s = server->config.idle_timeout_s;
    server->n_receivers = MIN(background_threads(), MAX_DIRECT);
    for (int i = 0; i < server->n_receivers; i++) {
        server->receivers[i] = direct_new("receiver", timeout_s, true);
    }
    server->n_senders = MIN(server->config.n_threads, MAX_DIRECT);
    for (int i = 0; i < server->n_senders; i++) {
        server->senders[i] = direct_new("sender", timeout_s, false);
    }
}

static void
each_direct(struct http_server *server, void (*act)(struct direct *direct))
{
    for (int i = 0; i < server->n_receivers; i++) {
        act(server->receivers[i]);
    }
    for (int i = 0; i < server->n_senders; i++) {
        act(server->senders[i]);
    }
}

static size_t
connection_memory(const struct route *const *tables)
{
    for (; *tables; tables++) {
        for (const struct route *route = *tables; route->method; route++) {
            if (route->stream) {
                return STREAM_MEMORY;
            }
        }
    }
    return CONNECTION_MEMORY;
}

// Within this machine there is no path that could be congested. Where the system's choice is BBR,
// each piece of a reply would wait for a timer of its own: ten times the CPU of a long one. Reno is
// always there and paces nothing. Connections have it from the socket that they are accepted at.
static void
spare_loopback(struct MHD_Daemon *daemon, const struct sockaddr_in *address)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_LISTEN_FD);
    if (info && ntohl(address->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET) {
        setsockopt(info->listen_fd, IPPROTO_TCP, TCP_CONGESTION, "reno", strlen("reno"));
    }
}

enum rc
http_server_start(const struct http_config *config, struct http_server **ret_server,
                  struct err *err)
{
    struct http_server *server = g_new0(struct http_server, 1);
    server->config = *config;
    apply_defaults(&server->config);
    server->router = router_new(config->routes);
    server->replies = reply_cache_new();
    server->workers = worker_pool_new(&server->config, run_slow);
    if (has_direct_streams(config->routes)) {
        start_direct(server);
    }
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)config->port)};
    bool valid = inet_pton(AF_INET, config->listen, &address.sin_addr) == 1;
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    unsigned n_pool = server->config.n_threads > 1 ? (unsigned)server->config.n_threads : 0;
    server->daemon =
        !valid
            ? NULL
            : MHD_start_daemon(
                  flags, (uint16_t)config->port, NULL, NULL, on_access, server,
                  MHD_OPTION_EXTERNAL_LOGGER, on_message, NULL, MHD_OPTION_SOCK_ADDR,
                  (struct sockaddr *)&address, MHD_OPTION_THREAD_POOL_SIZE, n_pool,
                  MHD_OPTION_NOTIFY_COMPLETED, on_completed, server, MHD_OPTION_CONNECTION_TIMEOUT,
                  (unsigned)server->config.idle_timeout_s, MHD_OPTION_CONNECTION_LIMIT,
                  (unsigned)server->config.max_connections, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                  connection_memory(config->routes), MHD_OPTION_END);
    if (!server->daemon) {
        enum rc rc =
            fault(err, RC_UNAVAILABLE, "cannot listen on %s:%d", config->listen, config->port);
        each_direct(server, direct_free);
        worker_pool_free(server->workers);
        router_free(server->router);
        text_cache_free(server->replies);
        g_free(server);
        return rc;
    }
    spare_loopback(server->daemon, &address);
    *ret_server = server;
    return RC_OK;
}

void
http_server_stop(struct http_server *server)
{
    if (!server) {
        return;
    }
    server->stopping = true;
    MHD_socket listener = MHD_quiesce_daemon(server->daemon);
    int64_t deadline = monotonic_ms() + STOP_WAIT_MS;
    while (server->n_running > 0 && monotonic_ms() < deadline) {
        g_usleep(5000);
    }
    each_direct(server, direct_stop);
    worker_pool_stop(server->workers); // connections that are still open may ask for more
    MHD_stop_daemon(server->daemon);
    worker_pool_free(server->workers);
    each_direct(server, direct_free);
    if (listener != MHD_INVALID_SOCKET) {
        close(listener);
    }
    router_free(server->router);
    text_cache_free(server->replies);
    g_free(server);
}
