// SPDX-License-Identifier: Apache-2.0
// RabbitMQ: one topic exchange "haneul"; service queues are durable quorum queues, host queues
// light and bounded. A bus runs one publishing connection (confirms, any thread may publish) and
// one consuming thread per subscription. It reconnects with back-off and jitter; a lost, late or
// doubled message must cost the caller latency only.
#pragma once
#include "common/base/err.h"
#include <jansson.h>
#include <stdint.h>

struct bus_config {
    const char *host;
    int port;
    const char *vhost;
    const char *user; // set as user_id on every message; the broker validates it
    const char *password;
};
struct bus;
struct bus *bus_new(const struct bus_config *config); // copies; connects lazily
// Stops subscriptions and joins their threads, so that what their handlers use may go; publishing
// still works.
void bus_stop(struct bus *bus);
void bus_free(struct bus *bus); // bus_stop first, when that was not done

// An envelope: JSON {id, type, version, time_us, request_id, generation, deadline_us, body} in an
// AMQP message whose message_id is id. Borrowed strings and body when publishing.
struct message {
    const char *id;   // UUID; consumers are idempotent by it
    const char *type; // "server.start"
    const char *routing_key;
    const char *user_id; // consuming: the sender as the broker validated it ("host-h1")
    const char *request_id;
    int64_t generation;  // 0: none
    int64_t deadline_us; // 0: none; a consumer drops what is past it
    json_t *body;
};
// Returns after the broker confirmed. RC_UNAVAILABLE: unreachable or not confirmed within 5 s.
// Unroutable is not an error.
enum rc bus_publish(struct bus *bus, const struct message *message, struct err *err) CHECKED;
// Publishes all, then waits for all confirms once (the outbox relay's way): ret_n_confirmed is the
// length of the confirmed prefix.
enum rc bus_publish_batch(struct bus *bus, const struct message *messages, size_t n,
                          size_t *ret_n_confirmed, struct err *err) CHECKED;

// Decides the message's fate by its rc: RC_OK acks; retryable rcs are tried again later (back-off,
// at most 20 times, then dead-lettered); others dead-letter at once ("haneul.dead"; on host and
// hint queues they are dropped). May run again for the same id. Must return within 60 s: meanwhile
// the thread sends no heartbeats.
//
// What a broker user needs. A service: configure, write and read on
// `^(haneul|haneul\.dead|<queue>|amq\.gen-.*)$`. A host: configure `^host\.<name>$`, write and read
// `^(haneul|host\.<name>)$`, and topic permissions on exchange haneul: write
// `^(compute\.host|reply\..+)$`, read `^host\.<name>$`. Nobody needs the default exchange.
typedef enum rc (*bus_handler_fn)(const struct message *message, void *context, struct err *err);

enum queue_kind {
    QUEUE_SERVICE, // durable quorum queue; any number of consumers share it
    QUEUE_HOST, // light, bounded (1,000 messages, oldest dropped), one consumer; lost messages are
                // asked for again
    QUEUE_HINT, // exclusive to this process, auto-deleted: every process gets every message
};
struct subscription {
    enum queue_kind kind;
    const char *queue;           // "compute.scheduler"; ignored for QUEUE_HINT
    const char *const *bindings; // routing-key patterns, NULL-terminated
    int n_threads;               // consuming threads, each with its own channel; 0: 1
    int prefetch;                // 0: 32
    bus_handler_fn handle;
    void *context;
};
// Starts consuming in threads of its own; declared again after every reconnect. subscription is
// copied, bindings too.
enum rc bus_subscribe(struct bus *bus, const struct subscription *subscription,
                      struct err *err) CHECKED;

// Request and reply with a deadline, for what needs an answer (console output). The handler side
// answers by bus_reply. ret_body: new reference. RC_DEADLINE when none came.
enum rc bus_call(struct bus *bus, const struct message *message, int timeout_ms, json_t **ret_body,
                 struct err *err) CHECKED;
// Inside a handler: answers the message being handled (no-op when the sender wants no answer). An
// err is sent as such and comes out of bus_call with its rc.
enum rc bus_reply(struct bus *bus, const struct message *request, json_t *body,
                  const struct err *failure, struct err *err) CHECKED;
bool bus_is_connected(const struct bus *bus); // for /healthcheck
