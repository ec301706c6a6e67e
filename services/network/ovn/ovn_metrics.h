// SPDX-License-Identifier: Apache-2.0
// Counters of what goes on between us and OVN; /metrics shows them.
#pragma once
#include <stdatomic.h>
#include <stdint.h>

enum ovn_metric {
    OVN_CONNECTED, // gauge
    OVN_COMMITTED,
    OVN_RACED, // another writer was faster: computed anew
    OVN_FAILED,
    OVN_REPAIRED,
    OVN_REMOVED,
    N_OVN_METRICS,
};
void ovn_metric_add(enum ovn_metric metric, int64_t n);
