// SPDX-License-Identifier: Apache-2.0
// /os-quota-sets and /limits. Usage is counted from rows; limits are identity's and set through it.
#include <string.h>

#include "common/base/util.h"
#include "services/compute/api/api.h"

#define NOTHING "SELECT 0::bigint"
#define LIVE "FROM server WHERE project_id = $1 AND deleted_at IS NULL"

const struct quota_resource compute_quotas[] = {
    [QUOTA_INSTANCES] = {"instances", 10, "SELECT count(*) " LIVE, "servers"},
    [QUOTA_CORES] = {"cores", 20, "SELECT coalesce(sum(vcpus), 0) " LIVE, "class:VCPU"},
    [QUOTA_RAM] = {"ram", 51200, "SELECT coalesce(sum(ram_mib), 0) " LIVE, "class:MEMORY_MB"},
    [QUOTA_METADATA_ITEMS] = {"metadata_items", 128, NOTHING, "server_metadata_items"},
    [QUOTA_KEY_PAIRS] = {"key_pairs", 100, NOTHING, "server_key_pairs"},
    [QUOTA_SERVER_GROUPS] = {"server_groups", 10,
                             "SELECT count(*) FROM server_group WHERE project_id = $1"},
    [QUOTA_SERVER_GROUP_MEMBERS] = {"server_group_members", 10, NOTHING},
    // Nova's API has these in its older versions: files are not injected here, networks are
    // Neutron's.
    [QUOTA_FIRST_KEPT] = {"injected_files", 0, NOTHING, "server_injected_files"},
    {"injected_file_content_bytes", 0, NOTHING, "server_injected_file_content_bytes"},
    {"injected_file_path_bytes", 0, NOTHING, "server_injected_file_path_bytes"},
    {"fixed_ips", -1, NOTHING},
    {"floating_ips", -1, NOTHING},
    {"security_groups", -1, NOTHING},
    {"security_group_rules", -1, NOTHING},
    {0},
};
static const unsigned gone_from[] = {57, 57, 57, 36, 36, 36, 36}; // microversions, of those kept

static bool
is_shown(size_t position, unsigned version)
{
    return position < QUOTA_FIRST_KEPT || version < gone_from[position - QUOTA_FIRST_KEPT];
}

#define DEFAULTS "" // the project whose limits are everybody's defaults

enum shape { SHAPE_LIMITS, SHAPE_DETAIL };

static int64_t
report_number(json_t *report, const char *name, const char *member)
{
    return json_integer_value(json_object_get(json_object_get(report, name), member));
}

static json_t *
quota_value(int64_t limit, int64_t used, enum shape shape)
{
    return shape == SHAPE_LIMITS ? json_integer(limit)
                                 : json_pack("{s:I,s:I,s:i}", "limit", (json_int_t)limit, "in_use",
                                             (json_int_t)used, "reserved", 0);
}

static json_t *
quota_document(json_t *report, enum shape shape, unsigned version)
{
    json_t *document = json_object();
    for (size_t i = 0; compute_quotas[i].name; i++) {
        const char *name = compute_quotas[i].name;
        if (!is_shown(i, version)) {
            continue;
        }
        json_object_set_new(document, name,
                            quota_value(report_number(report, name, "limit"),
                                        report_number(report, name, "used"), shape));
    }
    return document;
}

static enum rc
check_owner(struct request *request, const char *project_id, const char *rule, struct err *err)
{
    json_auto_t *target = json_pack("{s:s}", "project_id", project_id);
    return request_allow(request, rule, target, err);
}

// As Nova: asked with the requester's own token; what that may not know, or nobody can tell now, is
// taken as it is.
static enum rc
check_project(struct request *request, struct err *err)
{
    const char *project_id = request_param(request, "project_id");
    if (!strcmp(project_id, request_project(request))) {
        return RC_OK;
    }
    struct compute *compute = request_context(request);
    g_autofree char *id = g_uri_escape_string(project_id, NULL, FALSE);
    g_autofree char *url = g_strdup_printf("%s/v3/projects/%s", compute->identity_url, id);
    const struct call call = {.method = "GET",
                              .url = url,
                              .token = request_header(request, "X-Auth-Token"),
                              .request_id = request_id(request)};
    struct err ignored = {0};
    return client_call(compute->client, &call, NULL, &ignored) == RC_NOT_FOUND
               ? fault(err, RC_INVALID, "Project ID %.64s is not a valid project.", project_id)
               : RC_OK;
}

static enum rc
reply_quota(struct request *request, struct reply *reply, enum shape shape, bool with_id,
            struct err *err)
{
    const char *project_id = request_param(request, "project_id");
    struct db *db;
    json_auto_t *report = NULL;
    enum rc rc = request_db(request, &db, err);
    if (rc != RC_OK || (rc = quota_report(db, compute_quotas, project_id, &report, err)) != RC_OK) {
        return rc;
    }
    json_t *document = quota_document(report, shape, request_version(request));
    if (with_id) {
        json_object_set_new(document, "id", json_string(project_id));
    }
    reply->json = json_pack("{s:o}", "quota_set", document);
    return RC_OK;
}

static enum rc
quota_show(struct request *request, struct reply *reply, struct err *err)
{
    enum rc rc = check_owner(request, request_param(request, "project_id"),
                             "os_compute_api:os-quota-sets:show", err);
    enum shape shape = request_route(request)->data ? SHAPE_DETAIL : SHAPE_LIMITS;
    rc = rc ? rc : check_project(request, err);
    return rc == RC_OK ? reply_quota(request, reply, shape, true, err) : rc;
}

static enum rc
quota_defaults(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db;
    json_auto_t *report = NULL;
    enum rc rc = check_project(request, err);
    rc = rc ? rc : request_db(request, &db, err);
    rc = rc ? rc : quota_report(db, compute_quotas, DEFAULTS, &report, err);
    if (rc == RC_OK) {
        json_t *document = quota_document(report, SHAPE_LIMITS, request_version(request));
        json_object_set_new(document, "id", json_string(request_param(request, "project_id")));
        reply->json = json_pack("{s:o}", "quota_set", document);
    }
    return rc;
}

static bool
is_quota(const char *name, unsigned version)
{
    for (size_t i = 0; compute_quotas[i].name; i++) {
        if (strcmp(compute_quotas[i].name, name) == 0) {
            return is_shown(i, version);
        }
    }
    return false;
}

static enum rc
read_limit(const char *name, json_t *value, int64_t *ret_limit, struct err *err)
{
    const char *text = json_string_value(value);
    if (json_is_integer(value)) {
        *ret_limit = json_integer_value(value);
    } else if (!text || !parse_int64(text, -1, INT32_MAX, ret_limit)) {
        return fault(err, RC_INVALID,
                     "Invalid input for field '%.64s': it is not of type 'integer'", name);
    }
    if (*ret_limit < -1 || *ret_limit > INT32_MAX) {
        return fault(err, RC_INVALID, "Invalid input for field '%.64s': it must be -1 or more",
                     name);
    }
    return RC_OK;
}

// One limit below what is in use is refused unless forced.
static enum rc
check_limit(json_t *report, const char *name, int64_t limit, bool force, struct err *err)
{
    int64_t used = json_integer_value(json_object_get(json_object_get(report, name), "used"));
    if (!force && limit >= 0 && limit < used) {
        return fault(err, RC_INVALID,
                     "Quota limit %lld for %s must be greater than or equal to already used and "
                     "reserved %lld.",
                     (long long)limit, name, (long long)used);
    }
    return RC_OK;
}

// ret_values: {"cores": 8}, what identity is to be told. report NULL: usage does not matter.
static enum rc
collect_limits(unsigned version, json_t *wanted, json_t *report, json_t *ret_values,
               struct err *err)
{
    const char *name;
    json_t *value;
    bool force = !report || json_is_true(json_object_get(wanted, "force"));
    json_object_foreach(wanted, name, value)
    {
        int64_t limit = 0;
        if (report && (strcmp(name, "force") == 0 || strcmp(name, "tenant_id") == 0)) {
            continue;
        }
        if (!is_quota(name, version)) {
            return fault(err, RC_INVALID,
                         "Additional properties are not allowed ('%.64s' was unexpected)", name);
        }
        enum rc rc = read_limit(name, value, &limit, err);
        if (rc != RC_OK || (rc = check_limit(report, name, limit, force, err)) != RC_OK) {
            return rc;
        }
        json_object_set_new(ret_values, name, json_integer(limit));
    }
    return RC_OK;
}

static enum rc
store_limits(struct request *request, const char *project_id, json_t *values, struct err *err)
{
    struct compute *compute = request_context(request);
    const struct quota_change change = {"compute", project_id, values, compute_quotas};
    struct db *db;
    enum rc rc = request_db(request, &db, err);
    return rc ? rc : quota_set(db, compute->client, compute->identity_url, &change, err);
}

static enum rc
read_envelope(struct request *request, const char *name, json_t **ret_wanted, struct err *err)
{
    json_t *root = request_json(request);
    *ret_wanted = json_object_get(root, name);
    return json_is_object(*ret_wanted) && json_object_size(root) == 1
               ? RC_OK
               : fault(err, RC_INVALID, "Invalid input for field '%s': it is not of type 'object'",
                       name);
}

static enum rc
quota_update(struct request *request, struct reply *reply, struct err *err)
{
    const char *project_id = request_param(request, "project_id");
    json_t *wanted = NULL;
    json_auto_t *report = NULL, *values = json_object();
    struct db *db;
    enum rc rc = read_envelope(request, "quota_set", &wanted, err);
    rc = rc ? rc : request_db(request, &db, err);
    rc = rc ? rc : quota_report(db, compute_quotas, project_id, &report, err);
    rc = rc ? rc : collect_limits(request_version(request), wanted, report, values, err);
    rc = rc ? rc : store_limits(request, project_id, values, err);
    if (rc == RC_NOT_FOUND) {
        return fault(err, RC_INVALID, "Project ID %.64s is not a valid project.", project_id);
    }
    return rc ? rc : reply_quota(request, reply, SHAPE_LIMITS, false, err);
}

static enum rc
quota_delete(struct request *request, struct reply *reply, struct err *err)
{
    json_auto_t *values = json_object();
    for (size_t i = 0; compute_quotas[i].name; i++) {
        json_object_set_new(values, compute_quotas[i].name, json_null());
    }
    enum rc rc = store_limits(request, request_param(request, "project_id"), values, err);
    return rc == RC_NOT_FOUND ? RC_OK : rc; // nothing is left to be reset
}

// ---- classes: "default" is the registered limits; of any other name there is none of its own

// What os-quota-sets leaves out from 2.36, classes leave out from 2.50.
static unsigned
class_version(const struct request *request)
{
    return request_version(request) < 50 ? 1 : request_version(request);
}

static enum rc
reply_class(struct request *request, struct reply *reply, bool with_id, struct err *err)
{
    struct db *db;
    json_auto_t *report = NULL;
    enum rc rc = request_db(request, &db, err);
    rc = rc ? rc : quota_report(db, compute_quotas, DEFAULTS, &report, err);
    if (rc != RC_OK) {
        return rc;
    }
    json_t *document = quota_document(report, SHAPE_LIMITS, class_version(request));
    if (request_version(request) < 50) {
        json_object_del(document, "server_groups");
        json_object_del(document, "server_group_members");
    }
    if (with_id) {
        json_object_set_new(document, "id", json_string(request_param(request, "class")));
    }
    reply->json = json_pack("{s:o}", "quota_class_set", document);
    return RC_OK;
}

static enum rc
class_show(struct request *request, struct reply *reply, struct err *err)
{
    return reply_class(request, reply, true, err);
}

static enum rc
class_update(struct request *request, struct reply *reply, struct err *err)
{
    const char *name = request_param(request, "class");
    json_t *wanted = NULL;
    json_auto_t *values = json_object();
    enum rc rc = read_envelope(request, "quota_class_set", &wanted, err);
    rc = rc ? rc : collect_limits(class_version(request), wanted, NULL, values, err);
    if (rc == RC_OK && strcmp(name, "default") != 0) {
        return fault(err, RC_INVALID, "Quota class '%.64s' is not used: only 'default' is", name);
    }
    rc = rc ? rc : store_limits(request, DEFAULTS, values, err);
    return rc ? rc : reply_class(request, reply, false, err);
}

static json_t *
limits_document(json_t *report, unsigned version)
{
    static const struct {
        const char *shown, *name, *member;
        unsigned gone_from;
    } rows[] = {
        {"maxTotalInstances", "instances", "limit", 0},
        {"totalInstancesUsed", "instances", "used", 0},
        {"maxTotalCores", "cores", "limit", 0},
        {"totalCoresUsed", "cores", "used", 0},
        {"maxTotalRAMSize", "ram", "limit", 0},
        {"totalRAMUsed", "ram", "used", 0},
        {"maxServerMeta", "metadata_items", "limit", 0},
        {"maxImageMeta", "metadata_items", "limit", 39},
        {"maxTotalKeypairs", "key_pairs", "limit", 0},
        {"maxServerGroups", "server_groups", "limit", 0},
        {"totalServerGroupsUsed", "server_groups", "used", 0},
        {"maxServerGroupMembers", "server_group_members", "limit", 0},
        {"maxTotalFloatingIps", "floating_ips", "limit", 36},
        {"totalFloatingIpsUsed", "floating_ips", "used", 36},
        {"maxSecurityGroups", "security_groups", "limit", 36},
        {"totalSecurityGroupsUsed", "security_groups", "used", 36},
        {"maxSecurityGroupRules", "security_group_rules", "limit", 36},
        {"maxPersonality", "injected_files", "limit", 57},
        {"maxPersonalitySize", "injected_file_content_bytes", "limit", 57},
    };
    json_t *absolute = json_object();
    for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
        if (!rows[i].gone_from || version < rows[i].gone_from) {
            json_object_set_new(absolute, rows[i].shown,
                                json_integer(report_number(report, rows[i].name, rows[i].member)));
        }
    }
    return json_pack("{s:{s:[],s:o}}", "limits", "rate", "absolute", absolute);
}

static enum rc
limits_show(struct request *request, struct reply *reply, struct err *err)
{
    const char *project_id = request_query(request, "tenant_id");
    struct db *db;
    json_auto_t *report = NULL;
    enum rc rc = RC_OK;
    if (project_id && strcmp(project_id, request_project(request)) != 0) {
        rc = check_owner(request, project_id, "os_compute_api:limits:other_project", err);
    } else {
        project_id = request_project(request);
    }
    if (rc != RC_OK || (rc = request_db(request, &db, err)) != RC_OK ||
        (rc = quota_report(db, compute_quotas, project_id, &report, err)) != RC_OK) {
        return rc;
    }
    reply->json = limits_document(report, request_version(request));
    return RC_OK;
}

// clang-format off
const struct route quota_routes[] = {
    {.method = "GET", .path = "/v2.1/limits", .handle = limits_show, .status = 200, .summary = "limits and usage of a project"},
    {.method = "GET", .path = "/v2.1/os-quota-sets/{project_id}", .handle = quota_show, .flags = ROUTE_SLOW, .status = 200, .summary = "a project's quota"},
    {.method = "GET", .path = "/v2.1/os-quota-sets/{project_id}/detail", .handle = quota_show, .flags = ROUTE_SLOW, .status = 200, .data = "detail", .summary = "a project's quota and usage"},
    {.method = "GET", .path = "/v2.1/os-quota-sets/{project_id}/defaults", .handle = quota_defaults, .flags = ROUTE_SLOW, .status = 200, .summary = "default quota"},
    {.method = "GET", .path = "/v2.1/os-quota-class-sets/{class}", .handle = class_show, .policy = "os_compute_api:os-quota-class-sets:show", .status = 200, .summary = "default quota of all projects"},
    {.method = "PUT", .path = "/v2.1/os-quota-class-sets/{class}", .handle = class_update, .flags = ROUTE_SLOW, .policy = "os_compute_api:os-quota-class-sets:update", .status = 200, .summary = "set the default quota of all projects"},
    {.method = "PUT", .path = "/v2.1/os-quota-sets/{project_id}", .handle = quota_update, .flags = ROUTE_SLOW, .policy = "os_compute_api:os-quota-sets:update", .status = 200, .summary = "set a project's quota"},
    {.method = "DELETE", .path = "/v2.1/os-quota-sets/{project_id}", .handle = quota_delete, .flags = ROUTE_SLOW, .policy = "os_compute_api:os-quota-sets:delete", .status = 202, .summary = "back to the default quota"},
    {0},
};
// clang-format on
