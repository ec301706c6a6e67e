// SPDX-License-Identifier: Apache-2.0
// The publishing connection: confirms, windows bounded in messages and bytes, reconnecting with
// back-off. Any doubt about a confirm drops the connection; what was not confirmed is the caller's
// to publish again.
#include "common/base/util.h"
#include "common/bus/envelope.h"
#include "common/bus/internal.h"
#include <string.h>
#include <sys/time.h>

enum {
    CONFIRM_TIMEOUT_MS = 5000,
    WINDOW_MESSAGES = 256,
    WINDOW_BYTES =
        512 * 1024, // less than a socket's buffers: a broker that stopped reading cannot block us
    CONNECT_DELAY_MAX_MS = 5000,
    PERSISTENT = 2,
};

static void publisher_drop(struct publisher *publisher, bool polite);
static enum rc publisher_connect(struct bus *bus, struct err *err);
static enum rc send_window(struct bus *bus, const struct outgoing *outgoings, size_t n,
                           size_t *ret_n_sent, struct err *err);

enum rc
outgoing_init(struct outgoing *outgoing, const struct message *message, struct err *err)
{
    *outgoing = (struct outgoing){.routing_key = message->routing_key, .type = message->type};
    if (message->id && *message->id) {
        g_strlcpy(outgoing->id, message->id, sizeof(outgoing->id));
    } else {
        uuid_new(outgoing->id);
    }
    return envelope_encode(message, now_us(), outgoing->id, &outgoing->text, err);
}

void
outgoing_done(struct outgoing *outgoing)
{
    g_free(outgoing->text);
}

enum rc
publisher_send(struct bus *bus, const struct outgoing *outgoings, size_t n, size_t *ret_n_confirmed,
               struct err *err)
{
    *ret_n_confirmed = 0;
    struct publisher *publisher = &bus->publisher;
    g_mutex_lock(&publisher->mutex);
    enum rc rc = n ? publisher_connect(bus, err) : RC_OK;
    while (!rc && *ret_n_confirmed < n) {
        size_t n_sent;
        rc = send_window(bus, outgoings + *ret_n_confirmed, n - *ret_n_confirmed, &n_sent, err);
        *ret_n_confirmed += n_sent;
    }
    bus_counts.published += (int64_t)*ret_n_confirmed;
    bus_counts.unconfirmed += (int64_t)(n - *ret_n_confirmed);
    if (rc) {
        publisher_drop(publisher, false);
    } else if (publisher->link.conn) {
        amqp_maybe_release_buffers(publisher->link.conn);
    }
    g_mutex_unlock(&publisher->mutex);
    return rc;
}

static enum rc
publisher_open(struct bus *bus, struct err *err)
{
    struct publisher *publisher = &bus->publisher;
    enum rc rc = link_open(&publisher->link, &bus->config, "publisher", err);
    rc = rc ? rc : link_declare_exchange(&publisher->link, err);
    if (!rc) {
        amqp_confirm_select(publisher->link.conn, BUS_CHANNEL);
        rc = link_result(&publisher->link, "ask for confirms from", err);
    }
    return rc ? RC_UNAVAILABLE : RC_OK;
}

static enum rc
publisher_connect(struct bus *bus, struct err *err)
{
    struct publisher *publisher = &bus->publisher;
    if (publisher->link.conn) {
        return RC_OK;
    }
    if (monotonic_ms() < publisher->retry_at_ms) {
        return fault(err, RC_UNAVAILABLE, "the broker is not reachable");
    }
    enum rc rc = publisher_open(bus, err);
    if (rc) {
        publisher_drop(publisher, false);
        int64_t delay = retry_delay_ms(publisher->failures++, g_random_int());
        publisher->retry_at_ms = monotonic_ms() + MIN(delay, CONNECT_DELAY_MAX_MS);
        return rc;
    }
    publisher->failures = 0;
    publisher->next_tag = 1;
    atomic_store(&publisher->connected, true);
    return RC_OK;
}

static void
publisher_drop(struct publisher *publisher, bool polite)
{
    atomic_store(&publisher->connected, false);
    link_close(&publisher->link, polite);
}

static enum rc
send_one(struct bus *bus, const struct outgoing *outgoing, struct err *err)
{
    amqp_basic_properties_t properties = {
        ._flags = AMQP_BASIC_CONTENT_TYPE_FLAG | AMQP_BASIC_DELIVERY_MODE_FLAG |
                  AMQP_BASIC_MESSAGE_ID_FLAG | AMQP_BASIC_TYPE_FLAG | AMQP_BASIC_USER_ID_FLAG,
        .content_type = amqp_cstring_bytes("application/json"),
        .delivery_mode = PERSISTENT,
        .message_id = amqp_cstring_bytes(outgoing->id),
        .type = amqp_cstring_bytes(outgoing->type),
        .user_id = amqp_cstring_bytes(bus->config.user),
    };
    if (outgoing->reply_to) {
        properties._flags |= AMQP_BASIC_REPLY_TO_FLAG;
        properties.reply_to = amqp_cstring_bytes(outgoing->reply_to);
    }
    if (outgoing->correlation_id) {
        properties._flags |= AMQP_BASIC_CORRELATION_ID_FLAG;
        properties.correlation_id = amqp_cstring_bytes(outgoing->correlation_id);
    }
    struct publisher *publisher = &bus->publisher;
    int status =
        amqp_basic_publish(publisher->link.conn, BUS_CHANNEL, amqp_cstring_bytes(BUS_EXCHANGE),
                           amqp_cstring_bytes(outgoing->routing_key), false, false, &properties,
                           amqp_cstring_bytes(outgoing->text));
    publisher->next_tag += status == AMQP_STATUS_OK;
    return link_status(status, "publish on", err);
}

struct window {
    uint64_t first_tag;
    size_t n, n_open; // n_open: not yet confirmed
    bool confirmed[WINDOW_MESSAGES];
};

// An ack of one tag or of all up to it; tags of an earlier window cannot come, the connection would
// have been dropped.
static void
window_confirm(struct window *window, uint64_t tag, bool multiple)
{
    for (size_t i = 0; i < window->n; i++) {
        uint64_t mine = window->first_tag + i;
        if ((mine == tag || (multiple && mine < tag)) && !window->confirmed[i]) {
            window->confirmed[i] = true;
            window->n_open--;
        }
    }
}

static enum rc
closed_by_broker(const amqp_frame_t *frame, struct err *err)
{
    amqp_bytes_t text = amqp_cstring_bytes("connection closed");
    if (frame->payload.method.id == AMQP_CHANNEL_CLOSE_METHOD) {
        text = ((amqp_channel_close_t *)frame->payload.method.decoded)->reply_text;
    }
    return fault(err, RC_UNAVAILABLE, "the broker refused to publish: %.*s",
                 (int)MIN(text.len, 300), (const char *)text.bytes);
}

static enum rc
window_take_frame(struct window *window, const amqp_frame_t *frame, struct err *err)
{
    if (frame->frame_type != AMQP_FRAME_METHOD) {
        return RC_OK;
    }
    const amqp_basic_ack_t *ack = frame->payload.method.decoded;
    switch (frame->payload.method.id) {
    case AMQP_BASIC_ACK_METHOD:
        window_confirm(window, ack->delivery_tag, ack->multiple);
        return RC_OK;
    case AMQP_BASIC_NACK_METHOD:
        return fault(err, RC_UNAVAILABLE, "the broker could not store a message");
    case AMQP_CHANNEL_CLOSE_METHOD:
    case AMQP_CONNECTION_CLOSE_METHOD:
        return closed_by_broker(frame, err);
    default:
        return RC_OK;
    }
}

static enum rc
window_wait(struct publisher *publisher, struct window *window, struct err *err)
{
    int64_t deadline = monotonic_ms() + CONFIRM_TIMEOUT_MS;
    enum rc rc = RC_OK;
    while (!rc && window->n_open) {
        int64_t left = deadline - monotonic_ms();
        if (left <= 0) {
            return fault(err, RC_UNAVAILABLE, "the broker did not confirm in time");
        }
        struct timeval timeout = {left / 1000, left % 1000 * 1000};
        amqp_frame_t frame;
        int status = amqp_simple_wait_frame_noblock(publisher->link.conn, &frame, &timeout);
        if (status != AMQP_STATUS_TIMEOUT) {
            rc = link_status(status, "wait for confirms from", err);
            rc = rc ? rc : window_take_frame(window, &frame, err);
        }
    }
    return rc;
}

// ret_n_sent is always written: the confirmed prefix of this window.
static enum rc
send_window(struct bus *bus, const struct outgoing *outgoings, size_t n, size_t *ret_n_sent,
            struct err *err)
{
    struct window window = {.first_tag = bus->publisher.next_tag};
    size_t n_bytes = 0;
    enum rc rc = RC_OK;
    while (!rc && window.n < MIN(n, WINDOW_MESSAGES) && n_bytes < WINDOW_BYTES) {
        const struct outgoing *outgoing = &outgoings[window.n];
        n_bytes += strlen(outgoing->text);
        rc = send_one(bus, outgoing, err);
        window.n += !rc;
    }
    window.n_open = window.n;
    rc = rc ? rc : window_wait(&bus->publisher, &window, err);
    *ret_n_sent = 0;
    while (*ret_n_sent < window.n && window.confirmed[*ret_n_sent]) {
        ++*ret_n_sent;
    }
    return rc;
}

void
publisher_keep(struct bus *bus)
{
    struct publisher *publisher = &bus->publisher;
    if (!g_mutex_trylock(&publisher->mutex)) {
        return; // in use: whoever uses it sends heartbeats too
    }
    if (!publisher->link.conn) {
        rc_ignore(publisher_connect(bus, NULL));
    } else {
        struct timeval now = {0, 0};
        amqp_frame_t frame;
        int status = amqp_simple_wait_frame_noblock(publisher->link.conn, &frame, &now);
        if (status != AMQP_STATUS_TIMEOUT && status != AMQP_STATUS_OK) {
            publisher_drop(publisher, false);
        } else if (status == AMQP_STATUS_OK && frame.frame_type == AMQP_FRAME_METHOD) {
            publisher_drop(publisher, false); // nothing but a close comes unasked
        }
    }
    g_mutex_unlock(&publisher->mutex);
}

void
publisher_done(struct bus *bus)
{
    publisher_drop(&bus->publisher, true);
}
