// SPDX-License-Identifier: Apache-2.0
// One consuming thread: its own connection, declared again after every reconnect. A message whose
// handler failed for now is parked unacknowledged and tried again later, so that a crash gives it
// back to the broker and back-pressure reaches it.
#include "common/base/util.h"
#include "common/bus/envelope.h"
#include "common/bus/internal.h"
#include "common/log/log.h"
#include <string.h>
#include <sys/time.h>

enum {
    PREFETCH = 32,
    POLL_MS = 250, // how soon a stop is seen
    ATTEMPTS_MAX = 20,
    CONNECT_DELAY_MAX_MS = 5000,
};

struct consumer {
    struct bus *bus;
    struct subscription subscription; // texts owned
    char **bindings;
    GThread *thread;
    struct link link;
    GQueue parked; // struct delivery, any order; bounded by the prefetch count
    struct log_limit complaints;
};

static gpointer consumer_run(gpointer data);
static enum rc consumer_connect(struct consumer *consumer, struct err *err);
static void consumer_drop(struct consumer *consumer, bool polite);
static enum rc consumer_step(struct consumer *consumer, struct err *err);
static enum rc consumer_settle(struct consumer *consumer, struct delivery *delivery, enum rc rc,
                               const struct err *failure, struct err *err);

struct consumer *
consumer_start(struct bus *bus, const struct subscription *subscription, int number)
{
    struct consumer *consumer = g_new0(struct consumer, 1);
    consumer->bus = bus;
    consumer->subscription = *subscription;
    consumer->subscription.queue = g_strdup(subscription->queue ? subscription->queue : "hint");
    consumer->bindings = g_strdupv((char **)subscription->bindings);
    g_queue_init(&consumer->parked);
    g_autofree char *name = g_strdup_printf("bus-%.8s-%d", consumer->subscription.queue, number);
    consumer->thread = g_thread_new(name, consumer_run, consumer);
    return consumer;
}

void
consumer_join(struct consumer *consumer)
{
    g_thread_join(consumer->thread);
    g_free((char *)consumer->subscription.queue);
    g_strfreev(consumer->bindings);
    g_free(consumer);
}

static void
complain(struct consumer *consumer, const char *sentence, const char *subject,
         const struct err *err)
{
    if (log_limit_allows(&consumer->complaints, 10)) {
        log_warn(sentence, kv("queue", consumer->subscription.queue), kv("subject", subject),
                 kv("error", err->message));
    }
}

static gpointer
consumer_run(gpointer data)
{
    struct consumer *consumer = data;
    unsigned failures = 0;
    while (!bus_is_stopping(consumer->bus)) {
        struct err err = {0};
        enum rc rc = consumer_connect(consumer, &err);
        failures = rc ? failures + 1 : 0;
        while (!rc && !bus_is_stopping(consumer->bus)) {
            rc = consumer_step(consumer, &err);
        }
        consumer_drop(consumer, !rc);
        if (rc) {
            bus_counts.lost++;
            complain(consumer, "message queue lost, connecting again", "-", &err);
            int64_t delay = retry_delay_ms(failures, g_random_int());
            bus_wait_stop(consumer->bus, MIN(delay, CONNECT_DELAY_MAX_MS));
        }
    }
    return NULL;
}

static enum rc
consumer_declare(struct consumer *consumer, char **ret_queue, struct err *err)
{
    struct link *link = &consumer->link;
    const struct subscription *subscription = &consumer->subscription;
    enum rc rc = link_declare_exchange(link, err);
    if (!rc && subscription->kind == QUEUE_SERVICE) {
        rc = link_declare_dead(link, err);
    }
    if (!rc) {
        rc = link_declare_queue(link, subscription->kind, subscription->queue, ret_queue, err);
    }
    for (char **pattern = consumer->bindings; !rc && pattern && *pattern; pattern++) {
        rc = link_bind(link, *ret_queue, *pattern, err);
    }
    return rc;
}

static enum rc
consumer_connect(struct consumer *consumer, struct err *err)
{
    struct link *link = &consumer->link;
    const struct subscription *subscription = &consumer->subscription;
    g_autofree char *queue = NULL;
    enum rc rc = link_open(link, &consumer->bus->config, subscription->queue, err);
    rc = rc ? rc : consumer_declare(consumer, &queue, err);
    if (!rc) {
        int prefetch = subscription->prefetch ? subscription->prefetch : PREFETCH;
        amqp_basic_qos(link->conn, BUS_CHANNEL, 0, prefetch, false);
        rc = link_result(link, "limit deliveries from", err);
    }
    if (!rc) {
        amqp_basic_consume(link->conn, BUS_CHANNEL, amqp_cstring_bytes(queue), amqp_empty_bytes,
                           false, false, false, amqp_empty_table);
        rc = link_result(link, "consume from", err);
    }
    return rc;
}

static void
consumer_drop(struct consumer *consumer, bool polite)
{
    struct delivery *delivery;
    while ((delivery = g_queue_pop_head(&consumer->parked))) {
        delivery_free(delivery); // the broker still has it
    }
    link_close(&consumer->link, polite);
}

static enum rc
consumer_handle(struct consumer *consumer, struct delivery *delivery, struct err *err)
{
    const struct message *message = &delivery->message;
    struct err failure = {0};
    enum rc rc = RC_OK;
    if (!message->deadline_us || now_us() < message->deadline_us) {
        log_request_id_set(message->request_id);
        rc = consumer->subscription.handle(message, consumer->subscription.context, &failure);
        log_request_id_set(NULL);
    }
    return consumer_settle(consumer, delivery, rc, &failure, err);
}

static enum rc
consumer_reject(struct consumer *consumer, uint64_t tag, struct err *err)
{
    bus_counts.refused++;
    return link_status(amqp_basic_nack(consumer->link.conn, BUS_CHANNEL, tag, false, false),
                       "reject a message of", err);
}

// Takes the delivery over: acknowledged, parked, or rejected to the dead letters.
static enum rc
consumer_settle(struct consumer *consumer, struct delivery *delivery, enum rc rc,
                const struct err *failure, struct err *err)
{
    if (rc && rc_is_retryable(rc) && ++delivery->attempts < ATTEMPTS_MAX) {
        bus_counts.retried++;
        delivery->due_ms = monotonic_ms() + retry_delay_ms(delivery->attempts, g_random_int());
        g_queue_push_tail(&consumer->parked, delivery);
        return RC_OK;
    }
    enum rc settled;
    if (rc) {
        complain(consumer, "message refused", delivery->message.type, failure);
        settled = consumer_reject(consumer, delivery->tag, err);
    } else {
        int status = amqp_basic_ack(consumer->link.conn, BUS_CHANNEL, delivery->tag, false);
        settled = link_status(status, "acknowledge a message of", err);
        bus_counts.consumed += !settled;
    }
    delivery_free(delivery);
    return settled;
}

// The next parked delivery that is due; ret_wait_ms: until the earliest of the others.
static struct delivery *
consumer_take_due(struct consumer *consumer, int64_t *ret_wait_ms)
{
    int64_t now = monotonic_ms();
    *ret_wait_ms = POLL_MS;
    for (GList *link = consumer->parked.head; link; link = link->next) {
        struct delivery *delivery = link->data;
        if (delivery->due_ms <= now) {
            g_queue_delete_link(&consumer->parked, link);
            return delivery;
        }
        *ret_wait_ms = MIN(*ret_wait_ms, delivery->due_ms - now);
    }
    return NULL;
}

static enum rc
consumer_take(struct consumer *consumer, const amqp_envelope_t *envelope, struct err *err)
{
    struct delivery *delivery;
    struct err failure = {0};
    if (delivery_new(envelope, &delivery, &failure)) {
        complain(consumer, "message not understood", "-", &failure);
        return consumer_reject(consumer, envelope->delivery_tag, err);
    }
    return consumer_handle(consumer, delivery, err);
}

static enum rc
consumer_step(struct consumer *consumer, struct err *err)
{
    int64_t wait_ms;
    struct delivery *due = consumer_take_due(consumer, &wait_ms);
    if (due) {
        return consumer_handle(consumer, due, err);
    }
    struct timeval timeout = {wait_ms / 1000, wait_ms % 1000 * 1000};
    amqp_envelope_t envelope;
    amqp_maybe_release_buffers(consumer->link.conn);
    amqp_rpc_reply_t reply = amqp_consume_message(consumer->link.conn, &envelope, &timeout, 0);
    if (reply.reply_type == AMQP_RESPONSE_NORMAL) {
        enum rc rc = consumer_take(consumer, &envelope, err);
        amqp_destroy_envelope(&envelope);
        return rc;
    }
    if (reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION) {
        return reply.library_error == AMQP_STATUS_TIMEOUT
                   ? RC_OK
                   : link_status(reply.library_error, "consume from", err);
    }
    return fault(err, RC_UNAVAILABLE, "the broker closed the connection");
}

static char *
bytes_to_text(amqp_bytes_t bytes, bool present)
{
    return present ? g_strndup(bytes.bytes, bytes.len) : NULL;
}

enum rc
delivery_new(const amqp_envelope_t *envelope, struct delivery **ret_delivery, struct err *err)
{
    const amqp_message_t *message = &envelope->message;
    const amqp_basic_properties_t *properties = &message->properties;
    struct delivery *delivery = g_new0(struct delivery, 1);
    enum rc rc = envelope_decode(message->body.bytes, message->body.len, &delivery->root,
                                 &delivery->message, err);
    if (rc) {
        g_free(delivery);
        return rc;
    }
    unsigned flags = properties->_flags;
    delivery->tag = envelope->delivery_tag;
    delivery->routing_key = bytes_to_text(envelope->routing_key, true);
    delivery->user_id = bytes_to_text(properties->user_id, flags & AMQP_BASIC_USER_ID_FLAG);
    delivery->reply_to = bytes_to_text(properties->reply_to, flags & AMQP_BASIC_REPLY_TO_FLAG);
    delivery->correlation_id =
        bytes_to_text(properties->correlation_id, flags & AMQP_BASIC_CORRELATION_ID_FLAG);
    delivery->message.routing_key = delivery->routing_key;
    delivery->message.user_id = delivery->user_id ? delivery->user_id : "";
    *ret_delivery = delivery;
    return RC_OK;
}

void
delivery_free(struct delivery *delivery)
{
    if (delivery) {
        json_decref(delivery->root);
        g_free(delivery->routing_key);
        g_free(delivery->user_id);
        g_free(delivery->reply_to);
        g_free(delivery->correlation_id);
        g_free(delivery);
    }
}
