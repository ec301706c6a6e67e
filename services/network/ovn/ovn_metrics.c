// SPDX-License-Identifier: Apache-2.0
#include "services/network/ovn/ovn_metrics.h"
#include "common/base/util.h"
#include "common/service/metrics.h"

static _Atomic int64_t values[N_OVN_METRICS];

#define TRANSACTIONS \
    "haneul_ovn_transactions_total", "counter", "Transactions sent to the northbound database."
#define RECONCILED \
    "haneul_ovn_reconciled_total", "counter", "Objects that a reconciliation had to put right."

static const struct metric metrics[] = {
    {"haneul_ovn_connected", "gauge", "1 while the northbound database is connected.", NULL,
     &values[OVN_CONNECTED]},
    {TRANSACTIONS, "result=\"committed\"", &values[OVN_COMMITTED]},
    {TRANSACTIONS, "result=\"raced\"", &values[OVN_RACED]},
    {TRANSACTIONS, "result=\"failed\"", &values[OVN_FAILED]},
    {RECONCILED, "what=\"repaired\"", &values[OVN_REPAIRED]},
    {RECONCILED, "what=\"removed\"", &values[OVN_REMOVED]},
};

__attribute__((constructor)) static void
register_metrics(void)
{
    metrics_register(metrics, N_ELEMENTS(metrics));
}

void
ovn_metric_add(enum ovn_metric metric, int64_t n)
{
    atomic_fetch_add(&values[metric], n);
}
