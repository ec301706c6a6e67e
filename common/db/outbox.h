// SPDX-License-Identifier: Apache-2.0
// A message and the fact it announces are committed together: outbox_add inside the transaction;
// the relay (one leader per schema, by advisory lock, woken by NOTIFY) publishes with confirms and
// deletes the row.
#pragma once
#include "common/db/db.h"

// One INSERT. routing_key: "compute.schedule", "host.h1", "usage.compute" …; body: borrowed.
// deadline_ms 0: none. Must run inside db_tx.
enum rc outbox_add(struct db *db, const char *routing_key, const char *type, json_t *body,
                   struct err *err) CHECKED;

struct bus;
struct outbox_relay;
// Starts the relay's thread; it takes the lead when it can.
struct outbox_relay *outbox_relay_start(struct db_pool *pool, struct bus *bus, const char *service);
void outbox_relay_stop(struct outbox_relay *relay); // finishes the current batch, joins
