// SPDX-License-Identifier: Apache-2.0
#include "services/network/api/quota.h"

#include "common/base/util.h"
#include "common/client/client.h"
#include "services/network/api/neutron.h"
#include "services/network/api/quota_db.h"

#include <string.h>

#define OWNED "WHERE project_id = $1"

const struct quota_resource network_quotas[] = {
    {"network", 100, "SELECT count(*) FROM network " OWNED},
    {"subnet", 100, "SELECT count(*) FROM subnet " OWNED},
    {"port", 500, "SELECT count(*) FROM port " OWNED},
    {"router", 10, "SELECT count(*) FROM router " OWNED},
    {"floatingip", 50, "SELECT count(*) FROM floatingip " OWNED},
    {"security_group", 10, "SELECT count(*) FROM security_group " OWNED},
    {"security_group_rule", 100, "SELECT count(*) FROM security_group_rule " OWNED},
    {"subnetpool", -1, "SELECT count(*) FROM subnetpool " OWNED},
    {"rbac_policy", 10, "SELECT count(*) FROM rbac_policy " OWNED},
    {0},
};

static const struct quota_resource *
find(const char *name)
{
    for (size_t i = 0; network_quotas[i].name; i++) {
        if (strcmp(network_quotas[i].name, name) == 0) {
            return &network_quotas[i];
        }
    }
    return NULL;
}

enum rc
network_quota_check(struct db *db, const char *project_id, const char *name, int64_t amount,
                    struct err *err)
{
    const struct quota_resource *resource = find(name);
    g_assert(resource);
    const struct quota_request request = {resource, amount};
    return quota_check(db, project_id, &request, 1, err);
}

// Neutron's three shapes of the same figures.
enum shape { SHAPE_LIMITS, SHAPE_DEFAULTS, SHAPE_DETAILS };

static json_t *
document(json_t *report, enum shape shape)
{
    json_t *quota = json_object();
    for (size_t i = 0; network_quotas[i].name; i++) {
        const char *name = network_quotas[i].name;
        json_t *row = json_object_get(report, name);
        json_int_t limit = row ? json_integer_value(json_object_get(row, "limit"))
                               : network_quotas[i].default_limit;
        json_object_set_new(quota, name,
                            shape != SHAPE_DETAILS
                                ? json_integer(limit)
                                : json_pack("{s:I, s:O, s:i}", "limit", limit, "used",
                                            json_object_get(row, "used"), "reserved", 0));
    }
    return quota;
}

static enum rc
check_owner(const struct request *request, struct err *err)
{
    if (neutron_is_admin(request) ||
        g_str_equal(request_param(request, "project_id"), request_project(request))) {
        return RC_OK;
    }
    return fault(err, RC_FORBIDDEN, "rule:get_quota is disallowed by policy");
}

static enum rc
check_admin(const struct request *request, struct err *err)
{
    return neutron_is_admin(request)
               ? RC_OK
               : fault(err, RC_FORBIDDEN, "rule:update_quota is disallowed by policy");
}

static enum rc
quota_show(struct request *request, struct reply *reply, struct err *err)
{
    const enum shape *shape = request_route(request)->data;
    struct db *db;
    json_auto_t *report = NULL;
    enum rc rc = check_owner(request, err);
    if (rc == RC_OK) {
        rc = request_db(request, &db, err);
    }
    if (rc == RC_OK && *shape != SHAPE_DEFAULTS) {
        rc = quota_report(db, network_quotas, request_param(request, "project_id"), &report, err);
    }
    if (rc == RC_OK) {
        reply->json = json_pack("{s:o}", "quota", document(report, *shape));
    }
    return rc;
}

static enum rc
quota_list(struct request *request, struct reply *reply, struct err *err)
{
    g_autoptr(db_result) projects = NULL;
    struct db *db;
    enum rc rc = check_admin(request, err);
    if (rc == RC_OK) {
        rc = request_db(request, &db, err);
    }
    if (rc == RC_OK) {
        rc = quota_db_projects(db, &projects, err);
    }
    json_auto_t *list = json_array();
    for (int i = 0; rc == RC_OK && i < db_n_rows(projects); i++) {
        json_auto_t *report = NULL;
        const char *project_id = db_text(projects, i, "project_id");
        rc = quota_report(db, network_quotas, project_id, &report, err);
        if (rc == RC_OK) {
            json_t *quota = document(report, SHAPE_LIMITS);
            json_object_set_new(quota, "project_id", json_string(project_id));
            json_object_set_new(quota, "tenant_id", json_string(project_id));
            json_array_append_new(list, quota);
        }
    }
    if (rc == RC_OK) {
        reply->json = json_pack("{s:O}", "quotas", list);
    }
    return rc;
}

static enum rc
quota_tenant(struct request *request, struct reply *reply, struct err *err)
{
    reply->json = json_pack("{s:{s:s, s:s}}", "tenant", "tenant_id", request_project(request),
                            "project_id", request_project(request));
    return RC_OK;
}

static enum rc
read_limit(const char *name, json_t *value, int64_t *ret_limit, struct err *err)
{
    int64_t limit = json_integer_value(value);
    bool is_number =
        json_is_integer(value) ||
        (json_is_string(value) && parse_int64(json_string_value(value), -1, INT32_MAX, &limit));
    if (!is_number || limit < -1 || limit > INT32_MAX) {
        return fault(err, RC_INVALID,
                     "Invalid input for %.64s. Reason: it is not a number from -1 to %d.", name,
                     INT32_MAX);
    }
    *ret_limit = limit;
    return RC_OK;
}

// Identity takes all of them or none; then they hold here.
static enum rc
set_limits(struct request *request, json_t *limits, struct err *err)
{
    const struct neutron *neutron = request_context(request);
    json_auto_t *body = json_pack("{s:O}", "limits", limits);
    g_autofree char *url = g_strconcat(neutron->identity_url, "/internal/v1/limits", NULL);
    const struct call call = {.method = "POST", .url = url, .body = body};
    struct db *db;
    enum rc rc = client_call(neutron->client, &call, NULL, err);
    if (rc == RC_OK) {
        rc = request_db(request, &db, err);
    }
    size_t i;
    json_t *limit;
    json_array_foreach(limits, i, limit)
    {
        json_t *value = json_object_get(limit, "value");
        int64_t number = json_integer_value(value);
        if (rc == RC_OK) {
            rc = quota_db_set(db, request_param(request, "project_id"),
                              json_string_value(json_object_get(limit, "resource")),
                              json_is_null(value) ? NULL : &number, err);
        }
    }
    return rc;
}

static void
add_limit(json_t *limits, const struct request *request, const char *name, json_t *value)
{
    json_array_append_new(limits, json_pack("{s:s, s:s, s:s, s:o}", "project_id",
                                            request_param(request, "project_id"), "service",
                                            "network", "resource", name, "value", value));
}

static enum rc
quota_update(struct request *request, struct reply *reply, struct err *err)
{
    json_t *quota = json_object_get(request_json(request), "quota");
    json_auto_t *limits = json_array();
    enum rc rc = check_admin(request, err);
    if (rc == RC_OK && !json_is_object(quota)) {
        return fault(err, RC_INVALID, "Unable to find 'quota' in request body");
    }
    const char *name;
    json_t *value;
    json_object_foreach(quota, name, value)
    {
        int64_t number = 0;
        bool is_option = strcmp(name, "force") == 0 || strcmp(name, "check_limit") == 0 ||
                         strcmp(name, "tenant_id") == 0 || strcmp(name, "project_id") == 0;
        if (rc != RC_OK || is_option) {
            continue;
        }
        rc = find(name) ? read_limit(name, value, &number, err)
                        : fault(err, RC_INVALID, "Unrecognized attribute(s) '%.64s'", name);
        if (rc == RC_OK) {
            add_limit(limits, request, name, json_integer(number));
        }
    }
    if (rc == RC_OK && json_array_size(limits)) {
        rc = set_limits(request, limits, err);
    }
    return rc == RC_OK ? quota_show(request, reply, err) : rc;
}

static enum rc
quota_reset(struct request *request, struct reply *reply, struct err *err)
{
    json_auto_t *limits = json_array();
    enum rc rc = check_admin(request, err);
    for (size_t i = 0; network_quotas[i].name; i++) {
        add_limit(limits, request, network_quotas[i].name, json_null());
    }
    return rc == RC_OK ? set_limits(request, limits, err) : rc;
}

static const enum shape as_limits = SHAPE_LIMITS, as_defaults = SHAPE_DEFAULTS,
                        as_details = SHAPE_DETAILS;

// clang-format off
const struct route quota_routes[] = {
    {.method = "GET", .path = "/v2.0/quotas", .handle = quota_list, .status = 200, .summary = "list projects with quotas of their own"},
    {.method = "GET", .path = "/v2.0/quotas/tenant", .handle = quota_tenant, .status = 200, .summary = "show the requester's project"},
    {.method = "GET", .path = "/v2.0/quotas/{project_id}", .handle = quota_show, .status = 200, .data = &as_limits, .summary = "show quotas"},
    {.method = "GET", .path = "/v2.0/quotas/{project_id}/default", .handle = quota_show, .status = 200, .data = &as_defaults, .summary = "show default quotas"},
    {.method = "GET", .path = "/v2.0/quotas/{project_id}/details", .handle = quota_show, .status = 200, .data = &as_details, .summary = "show quotas with usage"},
    {.method = "GET", .path = "/v2.0/quotas/{project_id}/details.json", .handle = quota_show, .status = 200, .data = &as_details, .summary = "show quotas with usage"},
    {.method = "PUT", .path = "/v2.0/quotas/{project_id}", .handle = quota_update, .flags = ROUTE_SLOW, .status = 200, .data = &as_limits, .summary = "set quotas"},
    {.method = "DELETE", .path = "/v2.0/quotas/{project_id}", .handle = quota_reset, .flags = ROUTE_SLOW, .status = 204, .summary = "reset quotas to the default"},
    {0},
};
// clang-format on
