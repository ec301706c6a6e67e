// SPDX-License-Identifier: Apache-2.0
#include "common/service/metrics.h"

#include <inttypes.h>
#include <string.h>

enum { MAX_TABLES = 64 };

// Filled by constructors and at start, before threads exist; only read afterwards.
static struct {
    const struct metric *metrics;
    size_t n_metrics;
} tables[MAX_TABLES];
static size_t n_tables;

void
metrics_register(const struct metric *metrics, size_t n_metrics)
{
    g_assert(n_tables < MAX_TABLES);
    tables[n_tables].metrics = metrics;
    tables[n_tables++].n_metrics = n_metrics;
}

void
metrics_print(GString *out)
{
    const char *previous = "";
    for (size_t t = 0; t < n_tables; t++) {
        for (size_t i = 0; i < tables[t].n_metrics; i++) {
            const struct metric *metric = &tables[t].metrics[i];
            if (strcmp(metric->name, previous) != 0) {
                g_string_append_printf(out, "# HELP %s %s\n# TYPE %s %s\n", metric->name,
                                       metric->help, metric->name, metric->kind);
                previous = metric->name;
            }
            g_string_append(out, metric->name);
            if (metric->labels) {
                g_string_append_printf(out, "{%s}", metric->labels);
            }
            g_string_append_printf(out, " %" PRId64 "\n", (int64_t)*metric->value);
        }
    }
}
