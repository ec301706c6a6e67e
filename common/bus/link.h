// SPDX-License-Identifier: Apache-2.0
// One AMQP connection with one channel: opened with deadlines and heartbeats, declared on, and
// dropped on any doubt. Internal to common/bus; a link belongs to one thread at a time.
#pragma once
#include "common/bus/bus.h"
#include <amqp.h>
#include <amqp_framing.h>

#define BUS_EXCHANGE "haneul"
#define BUS_DEAD "haneul.dead"
#define BUS_CHANNEL 1
#define BUS_BODY_MAX (1024 * 1024)

struct link {
    amqp_connection_state_t conn; // NULL: not open
};

// purpose: shown by the broker as the connection's name. RC_UNAVAILABLE when it cannot be reached
// or refuses.
enum rc link_open(struct link *link, const struct bus_config *config, const char *purpose,
                  struct err *err) CHECKED;
// polite: the closing handshake (bounded); else the socket is just closed.
void link_close(struct link *link, bool polite);
// Result of the last synchronous method: RC_FORBIDDEN, RC_NOT_FOUND and RC_CONFLICT when the broker
// closed the channel with 403, 404 and 406 (the channel is open again afterwards), RC_UNAVAILABLE
// otherwise.
enum rc link_result(struct link *link, const char *attempted, struct err *err) CHECKED;
// RC_UNAVAILABLE with the library's words unless status is AMQP_STATUS_OK.
enum rc link_status(int status, const char *attempted, struct err *err) CHECKED;

// The exchange; passively when the user may not configure it.
enum rc link_declare_exchange(struct link *link, struct err *err) CHECKED;
// The dead-letter exchange and queue; silently left alone when the user may not configure them.
enum rc link_declare_dead(struct link *link, struct err *err) CHECKED;
// The queue of its kind, passively when it exists otherwise or may not be configured. ret_name: the
// caller frees.
enum rc link_declare_queue(struct link *link, enum queue_kind kind, const char *name,
                           char **ret_name, struct err *err) CHECKED;
enum rc link_bind(struct link *link, const char *queue, const char *pattern,
                  struct err *err) CHECKED;
