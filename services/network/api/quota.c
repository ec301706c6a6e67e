// SPDX-License-Identifier: Apache-2.0
#include "services/network/api/quota.h"

#include "common/base/util.h"
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

#define DEFAULTS "" // the project whose limits are everybody's defaults

static json_t *
document(json_t *report, enum shape shape)
{
    json_t *quota = json_object();
    for (size_t i = 0; network_quotas[i].name; i++) {
        const char *name = network_quotas[i].name;
        json_t *row = json_object_get(report, name);
        json_object_set_new(quota, name,
                            shape != SHAPE_DETAILS
                                ? json_incref(json_object_get(row, "limit"))
                                : json_pack("{s:O, s:O, s:i}", "limit",
                                            json_object_get(row, "limit"), "used",
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
    if (rc == RC_OK) {
        const char *project_id =
            *shape == SHAPE_DEFAULTS ? DEFAULTS : request_param(request, "project_id");
        rc = quota_report(db, network_quotas, project_id, &report, err);
    }
    if (rc == RC_OK) {
        reply->json = json_pack("{s:o}", "quota", document(report, *shape));
    }
    return rc;
}

static json_t *
limits_of(const db_result *rows, int row, json_t *defaults)
{
    json_auto_t *own = db_json(rows, row, "limits");
    json_t *quota = json_object();
    for (size_t i = 0; network_quotas[i].name; i++) {
        const char *name = network_quotas[i].name;
        json_t *value = json_object_get(own, name);
        json_object_set(quota, name,
                        value ? value : json_object_get(json_object_get(defaults, name), "limit"));
    }
    json_object_set_new(quota, "project_id", json_string(db_text(rows, row, "project_id")));
    json_object_set_new(quota, "tenant_id", json_string(db_text(rows, row, "project_id")));
    return quota;
}

static json_t *
names(void)
{
    json_t *list = json_array();
    for (size_t i = 0; network_quotas[i].name; i++) {
        json_array_append_new(list, json_string(network_quotas[i].name));
    }
    return list;
}

static enum rc
quota_list(struct request *request, struct reply *reply, struct err *err)
{
    g_autoptr(db_result) projects = NULL;
    json_auto_t *defaults = NULL, *wanted = names();
    struct db *db;
    enum rc rc = check_admin(request, err);
    rc = rc ? rc : request_db(request, &db, err);
    rc = rc ? rc : quota_report(db, network_quotas, DEFAULTS, &defaults, err);
    rc = rc ? rc : quota_db_projects(db, wanted, NULL, &projects, err);
    json_auto_t *list = json_array();
    for (int i = 0; rc == RC_OK && i < db_n_rows(projects); i++) {
        json_array_append_new(list, limits_of(projects, i, defaults));
    }
    if (rc == RC_OK) {
        reply->json = json_pack("{s:O}", "quotas", list);
    }
    return rc;
}

// Also by its newer name: {"project": {"project_id": …}}.
static enum rc
quota_tenant(struct request *request, struct reply *reply, struct err *err)
{
    const char *key = request_route(request)->data;
    g_autofree char *id = g_strconcat(key, "_id", NULL);
    reply->json = json_pack("{s:{s:s, s:s}}", key, id, request_project(request), "project_id",
                            request_project(request));
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

static enum rc
set_limits(struct request *request, json_t *values, struct err *err)
{
    const struct neutron *neutron = request_context(request);
    const struct quota_change change = {"network", request_param(request, "project_id"), values,
                                        network_quotas};
    struct db *db;
    enum rc rc = request_db(request, &db, err);
    return rc ? rc : quota_set(db, neutron->client, neutron->identity_url, &change, err);
}

static enum rc
read_values(json_t *quota, json_t *ret_values, struct err *err)
{
    static const char *const options[] = {"force", "check_limit", "tenant_id", "project_id"};
    const char *name;
    json_t *value;
    json_object_foreach(quota, name, value)
    {
        int64_t number = 0;
        bool is_option = false;
        for (size_t i = 0; i < N_ELEMENTS(options); i++) {
            is_option |= strcmp(name, options[i]) == 0;
        }
        if (is_option) {
            continue;
        }
        enum rc rc = find(name) ? read_limit(name, value, &number, err)
                                : fault(err, RC_INVALID, "Unrecognized attribute(s) '%.64s'", name);
        if (rc != RC_OK) {
            return rc;
        }
        json_object_set_new(ret_values, name, json_integer(number));
    }
    return RC_OK;
}

// What is wanted only when it leaves room for what is used.
static enum rc
check_used(struct request *request, json_t *values, struct err *err)
{
    struct db *db;
    json_auto_t *report = NULL;
    enum rc rc = request_db(request, &db, err);
    rc = rc ? rc
            : quota_report(db, network_quotas, request_param(request, "project_id"), &report, err);
    const char *name;
    json_t *value;
    json_object_foreach(values, name, value)
    {
        json_int_t limit = json_integer_value(value);
        json_int_t used =
            json_integer_value(json_object_get(json_object_get(report, name), "used"));
        if (rc == RC_OK && limit >= 0 && used > limit) {
            rc = fault(err, RC_INVALID,
                       "Quota limit %lld for %s must be greater than or equal to already used %lld",
                       (long long)limit, name, (long long)used);
        }
    }
    return rc;
}

static enum rc
quota_update(struct request *request, struct reply *reply, struct err *err)
{
    json_t *quota = json_object_get(request_json(request), "quota");
    json_auto_t *values = json_object();
    enum rc rc = check_admin(request, err);
    if (rc == RC_OK && !json_is_object(quota)) {
        return fault(err, RC_INVALID, "Unable to find 'quota' in request body");
    }
    rc = rc ? rc : read_values(quota, values, err);
    if (rc == RC_OK && json_is_true(json_object_get(quota, "check_limit"))) {
        rc = check_used(request, values, err);
    }
    rc = rc ? rc : set_limits(request, values, err);
    return rc ? rc : quota_show(request, reply, err);
}

static enum rc
quota_reset(struct request *request, struct reply *reply, struct err *err)
{
    const char *project_id = request_param(request, "project_id");
    g_autoptr(db_result) own = NULL;
    json_auto_t *values = json_object(), *wanted = names();
    struct db *db;
    enum rc rc = check_admin(request, err);
    rc = rc ? rc : request_db(request, &db, err);
    rc = rc ? rc : quota_db_projects(db, wanted, project_id, &own, err);
    if (rc == RC_OK && !db_n_rows(own)) {
        return fault_typed(err, RC_NOT_FOUND, "TenantQuotaNotFound",
                           "Quota for tenant %.64s could not be found.", project_id);
    }
    for (size_t i = 0; network_quotas[i].name; i++) {
        json_object_set_new(values, network_quotas[i].name, json_null());
    }
    return rc ? rc : set_limits(request, values, err);
}

static const enum shape as_limits = SHAPE_LIMITS, as_defaults = SHAPE_DEFAULTS,
                        as_details = SHAPE_DETAILS;

// clang-format off
const struct route quota_routes[] = {
    {.method = "GET", .path = "/v2.0/quotas", .handle = quota_list, .status = 200, .summary = "list projects with quotas of their own"},
    {.method = "GET", .path = "/v2.0/quotas/tenant", .handle = quota_tenant, .status = 200, .data = "tenant", .summary = "show the requester's project"},
    {.method = "GET", .path = "/v2.0/quotas/project", .handle = quota_tenant, .status = 200, .data = "project", .summary = "show the requester's project"},
    {.method = "GET", .path = "/v2.0/quotas/{project_id}", .handle = quota_show, .status = 200, .data = &as_limits, .summary = "show quotas"},
    {.method = "GET", .path = "/v2.0/quotas/{project_id}/default", .handle = quota_show, .status = 200, .data = &as_defaults, .summary = "show default quotas"},
    {.method = "GET", .path = "/v2.0/quotas/{project_id}/details", .handle = quota_show, .status = 200, .data = &as_details, .summary = "show quotas with usage"},
    {.method = "PUT", .path = "/v2.0/quotas/{project_id}", .handle = quota_update, .flags = ROUTE_SLOW, .status = 200, .data = &as_limits, .summary = "set quotas"},
    {.method = "DELETE", .path = "/v2.0/quotas/{project_id}", .handle = quota_reset, .flags = ROUTE_SLOW, .status = 204, .summary = "reset quotas to the default"},
    {0},
};
// clang-format on
