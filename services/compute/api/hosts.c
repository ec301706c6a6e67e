// SPDX-License-Identifier: Apache-2.0
// /os-hypervisors, /os-services, /os-availability-zone.
#include <string.h>

#include "common/base/util.h"
#include "services/compute/api/api.h"
#include "services/compute/api/host_db.h"

static const char detail[] = "detail";

static enum rc
read_host_query(struct request *request, struct host_query *query, struct page *page,
                struct err *err)
{
    bool flag = false;
    enum rc rc = RC_OK;
    *page = (struct page){.limit = MAX_LIMIT};
    if (query->version >= 33) {
        rc = page_from_request(request, page, err);
    }
    if (query->version >= 53) {
        const char *with = request_query(request, "with_servers");
        query->pattern = request_query(request, "hypervisor_hostname_pattern");
        if (with && !parse_bool(with, &flag)) {
            return fault(err, RC_INVALID,
                         "Invalid input for query parameters with_servers. Value: %.64s.", with);
        }
        query->with_servers = flag;
    }
    query->limit = page->limit;
    query->marker = page->marker;
    return rc;
}

static enum rc
hypervisor_list(struct request *request, struct reply *reply, struct err *err)
{
    struct host_query query = {
        .version = request_version(request),
        .is_detailed = request_route(request)->data == detail,
    };
    struct page page;
    struct db *db;
    g_autoptr(db_result) rows = NULL;
    enum rc rc = read_host_query(request, &query, &page, err);
    if (rc != RC_OK || (rc = request_db(request, &db, err)) != RC_OK ||
        (rc = host_db_list(db, &query, &rows, err)) != RC_OK) {
        return rc;
    }
    if (query.pattern && db_int(rows, 0, "n") == 0) {
        return fault(err, RC_NOT_FOUND, "No hypervisor matching '%.100s' could be found.",
                     query.pattern);
    }
    page_reply(request, reply, "hypervisors", &page, rows);
    return RC_OK;
}

// /os-hypervisors/{pattern}/search and /servers, until 2.52.
static enum rc
hypervisor_search(struct request *request, struct reply *reply, struct err *err)
{
    struct host_query query = {
        .version = request_version(request),
        .with_servers = request_route(request)->data != NULL,
        .pattern = request_param(request, "hypervisor_id"),
        .limit = MAX_LIMIT,
    };
    struct page page = {.limit = MAX_LIMIT};
    struct db *db;
    g_autoptr(db_result) rows = NULL;
    enum rc rc = request_db(request, &db, err);
    if (rc != RC_OK || (rc = host_db_list(db, &query, &rows, err)) != RC_OK) {
        return rc;
    }
    if (db_int(rows, 0, "n") == 0) {
        return fault(err, RC_NOT_FOUND, "No hypervisor matching '%.100s' could be found.",
                     query.pattern);
    }
    page_reply(request, reply, "hypervisors", &page, rows);
    return RC_OK;
}

static enum rc
hypervisor_show(struct request *request, struct reply *reply, struct err *err)
{
    struct host_query query = {
        .version = request_version(request),
        .is_detailed = true,
        .id = request_param(request, "hypervisor_id"),
    };
    const char *with = request_query(request, "with_servers");
    struct db *db;
    g_autoptr(db_result) rows = NULL;
    query.with_servers =
        query.version >= 53 && with && parse_bool(with, &query.with_servers) && query.with_servers;
    enum rc rc = request_db(request, &db, err);
    if (rc == RC_OK && (rc = host_db_show(db, &query, &rows, err)) == RC_OK) {
        item_reply(reply, "hypervisor", rows);
    }
    return rc;
}

static enum rc
hypervisor_uptime(struct request *request, struct reply *reply, struct err *err)
{
    struct host_query query = {.version = request_version(request),
                               .id = request_param(request, "hypervisor_id")};
    struct db *db;
    g_autoptr(db_result) rows = NULL;
    enum rc rc = request_db(request, &db, err);
    if (rc == RC_OK && (rc = host_db_uptime(db, &query, &rows, err)) == RC_OK) {
        item_reply(reply, "hypervisor", rows);
    }
    return rc;
}

static enum rc
hypervisor_statistics(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db;
    g_autoptr(db_result) rows = NULL;
    enum rc rc = request_db(request, &db, err);
    if (rc == RC_OK && (rc = host_db_statistics(db, &rows, err)) == RC_OK) {
        item_reply(reply, "hypervisor_statistics", rows);
    }
    return rc;
}

static enum rc
service_list(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db;
    g_autoptr(db_result) rows = NULL;
    enum rc rc = request_db(request, &db, err);
    if (rc == RC_OK &&
        (rc = service_db_list(db, request_version(request), request_query(request, "host"),
                              request_query(request, "binary"), &rows, err)) == RC_OK) {
        item_reply(reply, "services", rows);
    }
    return rc;
}

static enum rc
read_forced_down(json_t *root, struct service_change *change, struct err *err)
{
    json_t *forced = json_object_get(root, "forced_down");
    bool flag = json_is_true(forced);
    if (forced && !json_is_boolean(forced) &&
        !(json_is_string(forced) && parse_bool(json_string_value(forced), &flag))) {
        return fault(err, RC_INVALID,
                     "Invalid input for field 'forced_down': it is not of type 'boolean'");
    }
    change->forced_down = forced ? (flag ? "true" : "false") : NULL;
    return RC_OK;
}

// PUT /os-services/{id} from 2.53.
static enum rc
service_update(struct request *request, struct reply *reply, struct err *err)
{
    static const char *const names[] = {"status", "disabled_reason", "forced_down", NULL};
    json_t *root = request_json(request);
    const char *status = json_string_value(json_object_get(root, "status"));
    struct service_change change = {.service_id = request_param(request, "service_id")};
    struct db *db;
    g_autoptr(db_result) rows = NULL;
    enum rc rc = refuse_unknown_keys(root, names, err);
    if (rc != RC_OK || (rc = read_forced_down(root, &change, err)) != RC_OK) {
        return rc;
    }
    change.reason = json_string_value(json_object_get(root, "disabled_reason"));
    if (status && strcmp(status, "enabled") != 0 && strcmp(status, "disabled") != 0) {
        return fault(err, RC_INVALID,
                     "Invalid input for field 'status': it is not one of enabled, disabled");
    }
    if (change.reason && (g_strcmp0(status, "disabled") != 0 || strlen(change.reason) > 255)) {
        return fault(err, RC_INVALID,
                     "Specifying disabled_reason requires that status is disabled");
    }
    if (!status && !change.forced_down) {
        return fault(
            err, RC_INVALID,
            "No updates were requested. Fields 'status' or 'forced_down' should be specified.");
    }
    if (!uuid_is_valid(change.service_id)) {
        return fault(err, RC_INVALID, "Invalid uuid %.64s", change.service_id);
    }
    change.disabled = status ? (strcmp(status, "disabled") == 0 ? "true" : "false") : NULL;
    rc = request_db(request, &db, err);
    if (rc == RC_OK &&
        (rc = service_db_change(db, request_version(request), &change, &rows, err)) == RC_OK) {
        item_reply(reply, "service", rows);
    }
    return rc;
}

static const struct old_change { // PUT /os-services/NAME until 2.52
    const char *name, *disabled;
    bool needs_reason, is_force;
    unsigned min_version;
} old_changes[] = {
    {"enable", "false"},
    {"disable", "true"},
    {"disable-log-reason", "true", true},
    {"force-down", NULL, false, true, 11},
};

static const struct old_change *
find_old_change(const char *name, unsigned version)
{
    for (size_t i = 0; i < N_ELEMENTS(old_changes); i++) {
        if (strcmp(old_changes[i].name, name) == 0 && version >= old_changes[i].min_version) {
            return &old_changes[i];
        }
    }
    return NULL;
}

static json_t *
old_reply(const struct service_change *change)
{
    json_t *service = json_pack("{s:s,s:s}", "host", change->host, "binary", change->binary);
    if (change->disabled) {
        json_object_set_new(
            service, "status",
            json_string(strcmp(change->disabled, "true") == 0 ? "disabled" : "enabled"));
    }
    if (change->reason) {
        json_object_set_new(service, "disabled_reason", json_string(change->reason));
    }
    if (change->forced_down) {
        json_object_set_new(service, "forced_down",
                            json_boolean(strcmp(change->forced_down, "true") == 0));
    }
    return json_pack("{s:o}", "service", service);
}

static enum rc
service_change_old(struct request *request, struct reply *reply, struct err *err)
{
    json_t *root = request_json(request);
    const struct old_change *kind =
        find_old_change(request_param(request, "service_id"), request_version(request));
    struct service_change change = {
        .host = json_string_value(json_object_get(root, "host")),
        .binary = json_string_value(json_object_get(root, "binary")),
        .disabled = kind ? kind->disabled : NULL,
    };
    struct db *db;
    g_autoptr(db_result) rows = NULL;
    if (!kind) {
        return fault(err, RC_NOT_FOUND, "Unknown action");
    }
    if (!change.host || !change.binary) {
        return fault(err, RC_INVALID, "Invalid input: 'host' and 'binary' are required properties");
    }
    change.reason =
        kind->needs_reason ? json_string_value(json_object_get(root, "disabled_reason")) : NULL;
    if (kind->needs_reason && !change.reason) {
        return fault(err, RC_INVALID, "Missing disabled reason field");
    }
    enum rc rc = kind->is_force ? read_forced_down(root, &change, err) : RC_OK;
    if (rc == RC_OK && (rc = request_db(request, &db, err)) == RC_OK &&
        (rc = service_db_change(db, request_version(request), &change, &rows, err)) == RC_OK) {
        reply->json = old_reply(&change);
    }
    return rc;
}

static enum rc
service_delete(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db;
    enum rc rc = request_db(request, &db, err);
    return rc == RC_OK ? service_db_delete(db, request_param(request, "service_id"), err) : rc;
}

static enum rc
zone_list(struct request *request, struct reply *reply, struct err *err)
{
    const struct compute *compute = request_context(request);
    struct db *db;
    g_autoptr(db_result) rows = NULL;
    enum rc rc = request_db(request, &db, err);
    if (rc == RC_OK && (rc = zone_db_list(db, request_route(request)->data == detail,
                                          compute->default_zone, &rows, err)) == RC_OK) {
        item_reply(reply, "availabilityZoneInfo", rows);
    }
    return rc;
}

#define HYPERVISORS "/v2.1/os-hypervisors"
#define RULE "os_compute_api:os-hypervisors"
// clang-format off
const struct route host_routes[] = {
    {.method = "GET", .path = HYPERVISORS, .handle = hypervisor_list, .policy = RULE, .status = 200, .summary = "list hypervisors"},
    {.method = "GET", .path = HYPERVISORS "/detail", .handle = hypervisor_list, .policy = RULE, .status = 200, .data = detail, .summary = "list hypervisors with details"},
    {.method = "GET", .path = HYPERVISORS "/statistics", .handle = hypervisor_statistics, .policy = RULE, .status = 200, .max_version = 87, .summary = "sums over all hypervisors"},
    {.method = "GET", .path = HYPERVISORS "/{hypervisor_id}", .handle = hypervisor_show, .policy = RULE, .status = 200, .summary = "show a hypervisor"},
    {.method = "GET", .path = HYPERVISORS "/{hypervisor_id}/uptime", .handle = hypervisor_uptime, .policy = RULE, .status = 200, .max_version = 87, .summary = "a hypervisor's uptime"},
    {.method = "GET", .path = HYPERVISORS "/{hypervisor_id}/search", .handle = hypervisor_search, .policy = RULE, .status = 200, .max_version = 52, .summary = "hypervisors by a part of their name"},
    {.method = "GET", .path = HYPERVISORS "/{hypervisor_id}/servers", .handle = hypervisor_search, .policy = RULE, .status = 200, .data = detail, .max_version = 52, .summary = "servers of hypervisors"},
    {.method = "GET", .path = "/v2.1/os-services", .handle = service_list, .policy = "os_compute_api:os-services:list", .status = 200, .summary = "list services"},
    {.method = "PUT", .path = "/v2.1/os-services/{service_id}", .handle = service_change_old, .policy = "os_compute_api:os-services:update", .status = 200, .max_version = 52, .summary = "enable or disable a host"},
    {.method = "PUT", .path = "/v2.1/os-services/{service_id}", .handle = service_update, .policy = "os_compute_api:os-services:update", .status = 200, .min_version = 53, .summary = "enable, disable or force down a host"},
    {.method = "DELETE", .path = "/v2.1/os-services/{service_id}", .handle = service_delete, .policy = "os_compute_api:os-services:delete", .status = 204, .summary = "forget a host without servers"},
    {.method = "GET", .path = "/v2.1/os-availability-zone", .handle = zone_list, .status = 200, .summary = "availability zones"},
    {.method = "GET", .path = "/v2.1/os-availability-zone/detail", .handle = zone_list, .policy = "os_compute_api:os-availability-zone:detail", .status = 200, .data = detail, .summary = "availability zones with their hosts"},
    {0},
};
// clang-format on
