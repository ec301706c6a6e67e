// SPDX-License-Identifier: Apache-2.0
// Takes usage facts in exactly once: from the queue as they come, and by asking the services for
// what is missing.
#pragma once
#include "services/billing/billing.h"

// bus_handler_fn; context: struct billing. Facts of hosts, and of one service in another's name,
// are refused.
enum rc ingest_message(const struct message *message, void *context, struct err *err);
// Asks every service for what is missing, in a thread of its own every few seconds; context: struct
// billing.
void ingest_catch_up(void *context);
// The same at once, until every service is complete up to to_us or timeout_ms passed. ret_lagging:
// what is not, as "compute, network"; empty when complete.
enum rc ingest_complete(struct billing *billing, int64_t to_us, int timeout_ms, char **ret_lagging,
                        struct err *err) CHECKED;
