// SPDX-License-Identifier: Apache-2.0
#include "common/bus/internal.h"
#include "common/service/metrics.h"

struct bus_counts bus_counts;

static const struct metric metrics[] = {
    // clang-format off
    {"haneul_bus_published_total",   "counter", "messages that the broker confirmed", NULL, &bus_counts.published},
    {"haneul_bus_unconfirmed_total", "counter", "messages that it did not: sent again by whoever announced them", NULL, &bus_counts.unconfirmed},
    {"haneul_bus_consumed_total",    "counter", "messages handled and acknowledged", NULL, &bus_counts.consumed},
    {"haneul_bus_retried_total",     "counter", "tries of messages that failed for now", NULL, &bus_counts.retried},
    {"haneul_bus_refused_total",     "counter", "messages given up: dead-lettered or dropped", NULL, &bus_counts.refused},
    {"haneul_bus_lost_total",        "counter", "consuming connections lost", NULL, &bus_counts.lost},
    // clang-format on
};

void
bus_counts_register(void)
{
    static gsize once;
    if (g_once_init_enter(&once)) {
        metrics_register(metrics, sizeof(metrics) / sizeof(metrics[0]));
        g_once_init_leave(&once, 1);
    }
}
