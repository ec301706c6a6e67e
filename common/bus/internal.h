// SPDX-License-Identifier: Apache-2.0
// What the files of common/bus share: the bus itself, its publisher and its consumers.
#pragma once
#include "common/bus/link.h"
#include <glib.h>
#include <stdatomic.h>

// One connection in confirm mode. The mutex guards everything but `connected`.
struct publisher {
    GMutex mutex;
    struct link link;
    uint64_t next_tag;   // of the next message on this channel; the broker counts from 1
    unsigned failures;   // attempts to connect in a row
    int64_t retry_at_ms; // monotonic; no attempt before
    atomic_bool connected;
};

struct bus {
    struct bus_config config; // texts owned
    struct publisher publisher;
    GThread *keeper; // keeps the publisher connected and its heartbeats going
    // The mutex guards `stopping` and `consumers`.
    GMutex mutex;
    GCond wake;
    bool stopping;
    GPtrArray *consumers;
};

bool bus_is_stopping(struct bus *bus);
// Sleeps until the bus stops or the time passed; true when stopping.
bool bus_wait_stop(struct bus *bus, int64_t timeout_ms);

// What this process' buses did; shown by /metrics.
struct bus_counts {
    _Atomic int64_t published, unconfirmed, consumed, retried, refused, lost;
};
extern struct bus_counts bus_counts;
void bus_counts_register(void); // once a process

// A message ready for the wire; texts borrowed but `text`.
struct outgoing {
    char *text;
    char id[40];
    const char *routing_key, *type;
    const char *reply_to, *correlation_id; // NULL: none
};
enum rc outgoing_init(struct outgoing *outgoing, const struct message *message,
                      struct err *err) CHECKED;
void outgoing_done(struct outgoing *outgoing);
// Publishes all in windows and waits for the confirms; ret_n_confirmed (always written) is the
// confirmed prefix.
enum rc publisher_send(struct bus *bus, const struct outgoing *outgoings, size_t n,
                       size_t *ret_n_confirmed, struct err *err) CHECKED;
void publisher_keep(struct bus *bus); // one round of the keeper
void publisher_done(struct bus *bus);

// What a handler is given: the message and how to answer it.
struct delivery {
    struct message message; // first: bus_reply finds the rest by it
    json_t *root;
    char *routing_key, *user_id, *reply_to, *correlation_id;
    uint64_t tag;
    unsigned attempts;
    int64_t due_ms;
};
// Copies what it needs. RC_INVALID or RC_TOO_LARGE: not a message of ours.
enum rc delivery_new(const amqp_envelope_t *envelope, struct delivery **ret_delivery,
                     struct err *err) CHECKED;
void delivery_free(struct delivery *delivery);

struct consumer;
struct consumer *consumer_start(struct bus *bus, const struct subscription *subscription,
                                int number);
void consumer_join(struct consumer *consumer); // the bus is stopping; frees
