// SPDX-License-Identifier: Apache-2.0
// /os-instance_usage_audit_log: how many servers ran on each host in the last whole month. What
// Nova's hosts write down at its end, the usage intervals know for every month there was.
#include "common/base/util.h"
#include "services/compute/api/api.h"
#include "services/compute/api/usage_audit_db.h"
#include <string.h>

static enum rc
read_before(const struct request *request, int64_t before_us, const char *envelope,
            struct reply *reply, struct err *err)
{
    struct db *db;
    g_autoptr(db_result) row = NULL;
    enum rc rc = request_db(request, &db, err);
    rc = rc ? rc : usage_audit_db_read(db, before_us, &row, err);
    if (rc == RC_OK) {
        item_reply(reply, envelope, row);
    }
    return rc;
}

static enum rc
audit_list(struct request *request, struct reply *reply, struct err *err)
{
    return read_before(request, now_us(), "instance_usage_audit_logs", reply, err);
}

// "2026-11-20 10:00:00", or with a fraction.
static enum rc
audit_show(struct request *request, struct reply *reply, struct err *err)
{
    int64_t before_us = 0;
    const char *text = request_param(request, "before");
    g_autofree char *iso = g_strdup(text);
    if (strlen(iso) < 19 || iso[10] != ' ' || !strchr("0123456789", iso[strlen(iso) - 1])) {
        return fault(err, RC_INVALID, "Invalid timestamp for date %.64s", text);
    }
    iso[10] = 'T';
    return iso8601_parse(iso, &before_us)
               ? read_before(request, before_us, "instance_usage_audit_log", reply, err)
               : fault(err, RC_INVALID, "Invalid timestamp for date %.64s", text);
}

#define AUDIT "/v2.1/os-instance_usage_audit_log"
// clang-format off
const struct route usage_audit_routes[] = {
    {.method = "GET", .path = AUDIT, .handle = audit_list, .policy = "os_compute_api:os-instance-usage-audit-log:list", .status = 200, .summary = "what ran on each host in the last month"},
    {.method = "GET", .path = AUDIT "/{before}", .handle = audit_show, .policy = "os_compute_api:os-instance-usage-audit-log:show", .status = 200, .summary = "what ran on each host in the month before an instant"},
    {0},
};
// clang-format on
