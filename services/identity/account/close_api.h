// SPDX-License-Identifier: Apache-2.0
// What the rest of identity needs of closings.
#pragma once
#include "services/identity/identity.h"

extern const struct route close_routes[];
#define CLOSE_INTERVAL_MS 500
#define CLOSE_WATCH_INTERVAL_MS 10000
// One round of the background threads; argument: struct identity.
void close_work(void *identity);
void close_watch(void *identity); // metrics, and a warning for each closing past its deadline
void close_register_metrics(void);
