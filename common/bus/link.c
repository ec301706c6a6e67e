// SPDX-License-Identifier: Apache-2.0
#include "common/bus/link.h"
#include <amqp_tcp_socket.h>
#include <glib.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>

enum {
    CONNECT_TIMEOUT_S = 3,
    RPC_TIMEOUT_S = 10,
    HEARTBEAT_S = 60, // longer than a handler may take: nobody sends heartbeats meanwhile
    CHANNEL_MAX = 8,
    PEER_SILENT_MS = 20000, // an unacknowledged write for this long ends the connection
};

static void link_tune_socket(amqp_connection_state_t conn);
static enum rc link_login(struct link *link, const struct bus_config *config, const char *purpose,
                          struct err *err);

enum rc
link_open(struct link *link, const struct bus_config *config, const char *purpose, struct err *err)
{
    link->conn = amqp_new_connection();
    g_assert(link->conn);
    amqp_socket_t *socket = amqp_tcp_socket_new(link->conn);
    g_assert(socket);
    struct timeval rpc = {RPC_TIMEOUT_S, 0};
    struct timeval connect = {CONNECT_TIMEOUT_S, 0};
    int status = amqp_set_handshake_timeout(link->conn, &rpc);
    status = status ? status : amqp_set_rpc_timeout(link->conn, &rpc);
    status =
        status ? status : amqp_socket_open_noblock(socket, config->host, config->port, &connect);
    enum rc rc = link_status(status, "connect to", err);
    if (!rc) {
        link_tune_socket(link->conn);
        rc = link_login(link, config, purpose, err);
    }
    if (rc) {
        link_close(link, false);
        return RC_UNAVAILABLE;
    }
    return RC_OK;
}

static void
link_tune_socket(amqp_connection_state_t conn)
{
    static const struct {
        int level, name, value;
    } options[] = {
        {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, 10},
        {IPPROTO_TCP, TCP_KEEPINTVL, 5},
        {IPPROTO_TCP, TCP_KEEPCNT, 3},
        {IPPROTO_TCP, TCP_USER_TIMEOUT, PEER_SILENT_MS},
        {IPPROTO_TCP, TCP_NODELAY, 1},
    };
    int fd = amqp_get_sockfd(conn);
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        // A kernel that lacks one of these only notices a dead peer later.
        setsockopt(fd, options[i].level, options[i].name, &options[i].value, sizeof(int));
    }
}

static enum rc
link_login(struct link *link, const struct bus_config *config, const char *purpose, struct err *err)
{
    amqp_table_entry_t entry = {.key = amqp_cstring_bytes("connection_name"),
                                .value = {.kind = AMQP_FIELD_KIND_UTF8}};
    g_autofree char *name = g_strdup_printf("%s %s", config->user, purpose);
    entry.value.value.bytes = amqp_cstring_bytes(name);
    amqp_table_t properties = {.num_entries = 1, .entries = &entry};
    amqp_rpc_reply_t reply = amqp_login_with_properties(
        link->conn, config->vhost, CHANNEL_MAX, AMQP_DEFAULT_FRAME_SIZE, HEARTBEAT_S, &properties,
        AMQP_SASL_METHOD_PLAIN, config->user, config->password);
    if (reply.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION) {
        return fault(err, RC_UNAVAILABLE, "the broker refused user '%s' on vhost '%s'",
                     config->user, config->vhost);
    }
    if (reply.reply_type != AMQP_RESPONSE_NORMAL) {
        return link_status(reply.library_error, "log in to", err);
    }
    amqp_channel_open(link->conn, BUS_CHANNEL);
    return link_result(link, "open a channel on", err);
}

void
link_close(struct link *link, bool polite)
{
    if (!link->conn) {
        return;
    }
    if (polite) {
        struct timeval short_time = {1, 0};
        amqp_set_rpc_timeout(link->conn, &short_time);
        amqp_connection_close(link->conn, AMQP_REPLY_SUCCESS);
    }
    amqp_destroy_connection(link->conn);
    link->conn = NULL;
}

enum rc
link_status(int status, const char *attempted, struct err *err)
{
    if (status == AMQP_STATUS_OK) {
        return RC_OK;
    }
    return fault(err, RC_UNAVAILABLE, "cannot %s the broker: %s", attempted,
                 amqp_error_string2(status));
}

static enum rc
rc_from_code(uint16_t code)
{
    switch (code) {
    case AMQP_ACCESS_REFUSED:
        return RC_FORBIDDEN;
    case AMQP_NOT_FOUND:
        return RC_NOT_FOUND;
    case AMQP_PRECONDITION_FAILED:
    case AMQP_RESOURCE_LOCKED:
        return RC_CONFLICT;
    default:
        return RC_UNAVAILABLE;
    }
}

// The broker closed the channel: acknowledge that, open it again, and say why it was closed.
static enum rc
link_channel_closed(struct link *link, const amqp_channel_close_t *close, const char *attempted,
                    struct err *err)
{
    enum rc rc =
        fault(err, rc_from_code(close->reply_code), "cannot %s the broker: %.*s", attempted,
              (int)MIN(close->reply_text.len, 300), (const char *)close->reply_text.bytes);
    amqp_channel_close_ok_t ok = {0};
    int status = amqp_send_method(link->conn, BUS_CHANNEL, AMQP_CHANNEL_CLOSE_OK_METHOD, &ok);
    if (status == AMQP_STATUS_OK && !amqp_channel_open(link->conn, BUS_CHANNEL)) {
        return fault(err, RC_UNAVAILABLE, "cannot open a channel again on the broker");
    }
    return status ? link_status(status, attempted, err) : rc;
}

enum rc
link_result(struct link *link, const char *attempted, struct err *err)
{
    amqp_rpc_reply_t reply = amqp_get_rpc_reply(link->conn);
    if (reply.reply_type == AMQP_RESPONSE_NORMAL) {
        return RC_OK;
    }
    if (reply.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION &&
        reply.reply.id == AMQP_CHANNEL_CLOSE_METHOD) {
        return link_channel_closed(link, reply.reply.decoded, attempted, err);
    }
    if (reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION) {
        return link_status(reply.library_error, attempted, err);
    }
    return fault(err, RC_UNAVAILABLE, "cannot %s the broker: it closed the connection", attempted);
}

static enum rc
declare_exchange(struct link *link, const char *name, const char *type, bool passive,
                 struct err *err)
{
    amqp_exchange_declare(link->conn, BUS_CHANNEL, amqp_cstring_bytes(name),
                          amqp_cstring_bytes(type), passive, true, false, false, amqp_empty_table);
    return link_result(link, "declare an exchange on", err);
}

enum rc
link_declare_exchange(struct link *link, struct err *err)
{
    enum rc rc = declare_exchange(link, BUS_EXCHANGE, "topic", false, err);
    return rc == RC_FORBIDDEN ? declare_exchange(link, BUS_EXCHANGE, "topic", true, err) : rc;
}

static amqp_table_entry_t
entry_text(const char *key, const char *value)
{
    return (amqp_table_entry_t){
        .key = amqp_cstring_bytes(key),
        .value = {.kind = AMQP_FIELD_KIND_UTF8, .value.bytes = amqp_cstring_bytes(value)}};
}

static amqp_table_entry_t
entry_int(const char *key, int32_t value)
{
    return (amqp_table_entry_t){.key = amqp_cstring_bytes(key),
                                .value = {.kind = AMQP_FIELD_KIND_I32, .value.i32 = value}};
}

struct declaration {
    const char *name; // "": the broker names it
    bool durable, exclusive, auto_delete;
    amqp_table_t arguments;
};

static enum rc
declare_queue(struct link *link, const struct declaration *declaration, bool passive,
              char **ret_name, struct err *err)
{
    amqp_queue_declare_ok_t *ok =
        amqp_queue_declare(link->conn, BUS_CHANNEL, amqp_cstring_bytes(declaration->name), passive,
                           declaration->durable, declaration->exclusive, declaration->auto_delete,
                           declaration->arguments);
    enum rc rc = link_result(link, "declare a queue on", err);
    if (!rc && ret_name) {
        *ret_name = g_strndup(ok->queue.bytes, ok->queue.len);
    }
    return rc;
}

enum rc
link_declare_dead(struct link *link, struct err *err)
{
    enum rc rc = declare_exchange(link, BUS_DEAD, "fanout", false, err);
    if (!rc) {
        amqp_table_entry_t entries[] = {
            entry_text("x-queue-type", "quorum"),
            entry_int("x-max-length", 100000),
        };
        struct declaration dead = {BUS_DEAD, .durable = true, .arguments = {2, entries}};
        rc = declare_queue(link, &dead, false, NULL, err);
    }
    if (!rc) {
        amqp_queue_bind(link->conn, BUS_CHANNEL, amqp_cstring_bytes(BUS_DEAD),
                        amqp_cstring_bytes(BUS_DEAD), amqp_cstring_bytes(""), amqp_empty_table);
        rc = link_result(link, "bind a queue on", err);
    }
    return rc == RC_FORBIDDEN || rc == RC_CONFLICT ? RC_OK : rc;
}

enum rc
link_declare_queue(struct link *link, enum queue_kind kind, const char *name, char **ret_name,
                   struct err *err)
{
    amqp_table_entry_t service[] = {
        entry_text("x-queue-type", "quorum"),
        entry_int("x-delivery-limit", 20),
        entry_text("x-dead-letter-exchange", BUS_DEAD),
    };
    amqp_table_entry_t host[] = {
        entry_int("x-max-length", 1000),
        entry_text("x-overflow", "drop-head"),
        entry_int("x-expires", 600000),
    };
    const struct declaration declarations[] = {
        [QUEUE_SERVICE] = {name, .durable = true, .arguments = {3, service}},
        [QUEUE_HOST] = {name, .durable = true, .arguments = {3, host}},
        [QUEUE_HINT] = {"", .exclusive = true, .auto_delete = true},
    };
    enum rc rc = declare_queue(link, &declarations[kind], false, ret_name, err);
    if (kind != QUEUE_HINT && (rc == RC_FORBIDDEN || rc == RC_CONFLICT)) {
        rc = declare_queue(link, &declarations[kind], true, ret_name, err);
    }
    return rc;
}

enum rc
link_bind(struct link *link, const char *queue, const char *pattern, struct err *err)
{
    amqp_queue_bind(link->conn, BUS_CHANNEL, amqp_cstring_bytes(queue),
                    amqp_cstring_bytes(BUS_EXCHANGE), amqp_cstring_bytes(pattern),
                    amqp_empty_table);
    return link_result(link, "bind a queue on", err);
}
