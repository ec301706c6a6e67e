// SPDX-License-Identifier: Apache-2.0
// Request and reply. The caller waits on an exclusive queue bound to a random routing key
// "reply.<uuid>"; the answering side needs to be allowed no more than publishing on the exchange
// with "reply.#", never on the default exchange, from where it could write into any queue.
#include "common/base/util.h"
#include "common/bus/envelope.h"
#include "common/bus/internal.h"
#include <string.h>
#include <sys/time.h>

#define REPLY_PREFIX "reply."

static enum rc reply_queue_open(struct bus *bus, struct link *link, const char *key,
                                struct err *err);
static enum rc reply_wait(struct link *link, const char *call_id, int64_t until_ms,
                          json_t **ret_body, struct err *err);

enum rc
bus_call(struct bus *bus, const struct message *message, int timeout_ms, json_t **ret_body,
         struct err *err)
{
    int64_t until_ms = monotonic_ms() + timeout_ms;
    struct message request = *message;
    if (!request.deadline_us) {
        request.deadline_us = now_us() + (int64_t)timeout_ms * 1000;
    }
    char key[sizeof(REPLY_PREFIX) + UUID_SIZE] = REPLY_PREFIX;
    uuid_new(key + strlen(REPLY_PREFIX));
    struct outgoing outgoing;
    enum rc rc = outgoing_init(&outgoing, &request, err);
    if (rc) {
        return rc;
    }
    outgoing.reply_to = key;
    outgoing.correlation_id = outgoing.id;
    struct link link = {0};
    size_t n_confirmed;
    rc = reply_queue_open(bus, &link, key, err);
    rc = rc ? rc : publisher_send(bus, &outgoing, 1, &n_confirmed, err);
    rc = rc ? rc : reply_wait(&link, outgoing.id, until_ms, ret_body, err);
    link_close(&link, true);
    outgoing_done(&outgoing);
    return rc;
}

static enum rc
reply_queue_open(struct bus *bus, struct link *link, const char *key, struct err *err)
{
    g_autofree char *queue = NULL;
    enum rc rc = link_open(link, &bus->config, "call", err);
    rc = rc ? rc : link_declare_exchange(link, err);
    rc = rc ? rc : link_declare_queue(link, QUEUE_HINT, "", &queue, err);
    rc = rc ? rc : link_bind(link, queue, key, err);
    if (!rc) {
        amqp_basic_consume(link->conn, BUS_CHANNEL, amqp_cstring_bytes(queue), amqp_empty_bytes,
                           false, true, true, amqp_empty_table);
        rc = link_result(link, "wait for a reply from", err);
    }
    return rc;
}

// ret_mine: whether it is the answer to this call; others are dropped.
static enum rc
reply_take(const amqp_envelope_t *envelope, const char *call_id, json_t **ret_body, bool *ret_mine,
           struct err *err)
{
    struct delivery *delivery;
    enum rc rc = delivery_new(envelope, &delivery, NULL);
    *ret_mine = !rc && delivery->correlation_id && !strcmp(delivery->correlation_id, call_id);
    if (*ret_mine) {
        rc = reply_decode(delivery->message.body, ret_body, err);
    }
    if (!rc || *ret_mine) {
        delivery_free(delivery);
    }
    return rc;
}

static enum rc
reply_wait(struct link *link, const char *call_id, int64_t until_ms, json_t **ret_body,
           struct err *err)
{
    for (;;) {
        int64_t left = until_ms - monotonic_ms();
        if (left <= 0) {
            return fault(err, RC_DEADLINE, "nobody answered in time");
        }
        struct timeval timeout = {left / 1000, left % 1000 * 1000};
        amqp_envelope_t envelope;
        amqp_rpc_reply_t reply = amqp_consume_message(link->conn, &envelope, &timeout, 0);
        if (reply.reply_type == AMQP_RESPONSE_NORMAL) {
            bool mine = false;
            enum rc rc = reply_take(&envelope, call_id, ret_body, &mine, err);
            amqp_destroy_envelope(&envelope);
            if (mine) {
                return rc;
            }
        } else if (reply.reply_type != AMQP_RESPONSE_LIBRARY_EXCEPTION) {
            return fault(err, RC_UNAVAILABLE, "the broker closed the connection");
        } else if (reply.library_error != AMQP_STATUS_TIMEOUT) {
            return link_status(reply.library_error, "wait for a reply from", err);
        }
    }
}

enum rc
bus_reply(struct bus *bus, const struct message *request, json_t *body, const struct err *failure,
          struct err *err)
{
    const struct delivery *delivery = (const struct delivery *)request;
    if (!delivery->reply_to || !g_str_has_prefix(delivery->reply_to, REPLY_PREFIX)) {
        return RC_OK;
    }
    json_auto_t *reply = reply_encode(body, failure);
    struct message message = {
        .type = "reply",
        .routing_key = delivery->reply_to,
        .request_id = request->request_id,
        .body = reply,
    };
    struct outgoing outgoing;
    enum rc rc = outgoing_init(&outgoing, &message, err);
    if (rc) {
        return rc;
    }
    outgoing.correlation_id = delivery->correlation_id;
    size_t n_confirmed;
    rc = publisher_send(bus, &outgoing, 1, &n_confirmed, err);
    outgoing_done(&outgoing);
    return rc;
}
