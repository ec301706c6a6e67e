// SPDX-License-Identifier: Apache-2.0
// Prometheus counters and gauges: a const table per module, atomic cells, walked by /metrics.
#pragma once
#include <glib.h>
#include <stdatomic.h>
#include <stdint.h>

struct metric {
    const char *name; // "haneul_scheduler_claims_total"
    const char *kind; // "counter" or "gauge"
    const char *help;
    const char *labels; // "result=\"ok\"" or NULL
    _Atomic int64_t *value;
};
void metrics_register(const struct metric *metrics,
                      size_t n_metrics); // table must outlive the process
void metrics_print(GString *out);
