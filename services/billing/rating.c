// SPDX-License-Identifier: Apache-2.0
// The part of CloudKitty's API that its client reads most: versions, rating modules, metrics and
// the v2 summary.
#include "common/base/util.h"
#include "services/billing/billing.h"
#include "services/billing/price.h"
#include "services/billing/rating_summary.h"
#include <string.h>

static enum rc
get_versions(struct request *request, struct reply *reply, struct err *err)
{
    const char *base = request_base_url(request);
    g_autofree char *v1 = g_strconcat(base, "/v1", NULL);
    g_autofree char *v2 = g_strconcat(base, "/v2", NULL);
    reply->json = json_pack("[{s:s, s:s, s:[{s:s, s:s}]}, {s:s, s:s, s:[{s:s, s:s}]}]", "id", "v1",
                            "status", "CURRENT", "links", "href", v1, "rel", "self", "id", "v2",
                            "status", "EXPERIMENTAL", "links", "href", v2, "rel", "self");
    return RC_OK;
}

static json_t *
module_json(void)
{
    return json_pack("{s:s, s:s, s:b, s:b, s:i}", "module_id", "haneul", "description",
                     "Versioned prices: flat, graduated, volume, package, minimum.", "enabled", 1,
                     "hot-config", 0, "priority", 1);
}

static enum rc
list_modules(struct request *request, struct reply *reply, struct err *err)
{
    reply->json = json_pack("{s:[o]}", "modules", module_json());
    return RC_OK;
}

static enum rc
show_module(struct request *request, struct reply *reply, struct err *err)
{
    const char *id = request_param(request, "module_id");
    if (strcmp(id, "haneul")) {
        return fault(err, RC_NOT_FOUND, "no rating module '%s'", id);
    }
    reply->json = module_json();
    return RC_OK;
}

enum { LIMIT_DEFAULT = 100, LIMIT_MAX = 1000 };

static enum rc
parse_groupby(struct request *request, unsigned *ret_by, struct err *err)
{
    const char *name, *value;
    *ret_by = 0;
    for (unsigned i = 0; request_query_at(request, i, &name, &value); i++) {
        g_auto(GStrv) items = strcmp(name, "groupby") ? NULL : g_strsplit(value, ",", 16);
        for (char **item = items; item && *item; item++) {
            unsigned bit = !strcmp(*item, "type") || !strcmp(*item, "res_type") ? BY_TYPE
                           : !strcmp(*item, "project_id") || !strcmp(*item, "tenant_id")
                               ? BY_PROJECT
                               : 0;
            if (!bit) {
                return fault(err, RC_INVALID,
                             "query parameter 'groupby' knows type and project_id only");
            }
            *ret_by |= bit;
        }
    }
    return RC_OK;
}

// filters=key:value, repeated or with commas. ret_project_id stays when it is not given.
static enum rc
parse_filters(struct request *request, const char **ret_type, const char **ret_project_id,
              struct err *err)
{
    const char *name, *value;
    for (unsigned i = 0; request_query_at(request, i, &name, &value); i++) {
        g_auto(GStrv) items = strcmp(name, "filters") ? NULL : g_strsplit(value, ",", 16);
        for (char **item = items; item && *item; item++) {
            if (g_str_has_prefix(*item, "type:")) {
                *ret_type = request_strdup(request, *item + strlen("type:"));
            } else if (g_str_has_prefix(*item, "project_id:")) {
                *ret_project_id = request_strdup(request, *item + strlen("project_id:"));
            } else {
                return fault(err, RC_INVALID,
                             "query parameter 'filters' knows type and project_id only");
            }
        }
    }
    return RC_OK;
}

static json_t *
group_to_json(const struct summary *summary, const struct group *group, const char *begin,
              const char *end)
{
    // CloudKitty's numbers are floating point; ours become so only here, at the edge.
    double hours = (double)(group->volume / G_USEC_PER_SEC) / 3600;
    json_t *row = json_pack("[s, s, f, f]", begin, end, hours, (double)group->nano / 1e9);
    if (summary->by & BY_TYPE) {
        json_array_append_new(row, json_string(group->type));
    }
    if (summary->by & BY_PROJECT) {
        json_array_append_new(row, json_string(group->project_id));
    }
    return row;
}

static enum rc
summary_reply(struct request *request, const struct summary *summary, struct reply *reply,
              struct err *err)
{
    const char *format = request_query(request, "response_format");
    const char *limit_text = request_query(request, "limit"),
               *offset_text = request_query(request, "offset");
    int64_t limit = LIMIT_DEFAULT, offset = 0;
    if ((limit_text && !parse_int64(limit_text, 1, LIMIT_MAX, &limit)) ||
        (offset_text && !parse_int64(offset_text, 0, INT32_MAX, &offset))) {
        return fault(err, RC_INVALID, "query parameters 'limit' and 'offset' must be numbers");
    }
    if (format && strcmp(format, "table")) {
        return fault(err, RC_INVALID, "query parameter 'response_format' must be table");
    }
    char begin[32], end[32];
    iso8601_format(summary->from_us, false, begin);
    iso8601_format(summary->to_us, false, end);
    json_t *rows = json_array();
    for (int64_t i = offset; i < summary->groups->len && i < offset + limit; i++) {
        json_array_append_new(
            rows, group_to_json(summary, g_ptr_array_index(summary->groups, i), begin, end));
    }
    json_t *columns = json_pack("[s, s, s, s]", "begin", "end", "qty", "rate");
    if (summary->by & BY_TYPE) {
        json_array_append_new(columns, json_string("type"));
    }
    if (summary->by & BY_PROJECT) {
        json_array_append_new(columns, json_string("project_id"));
    }
    reply->json = json_pack("{s:i, s:o, s:o, s:s}", "total", (int)summary->groups->len, "columns",
                            columns, "results", rows, "format", "table");
    return RC_OK;
}

static enum rc
get_summary(struct request *request, struct reply *reply, struct err *err)
{
    g_autoptr(GPtrArray) groups = g_ptr_array_new_with_free_func(group_free);
    struct summary summary = {.groups = groups};
    bool all = request_is_allowed(request, "billing:rating:all", NULL);
    const char *project_id = all ? NULL : request_project(request);
    const char *filter = project_id;
    enum rc rc = request_db(request, &summary.db, err);
    rc = rc ? rc : summary_window(request, &summary, err);
    rc = rc ? rc : parse_groupby(request, &summary.by, err);
    rc = rc ? rc : parse_filters(request, &summary.type, &filter, err);
    if (!rc && !all && strcmp(filter, project_id)) {
        rc = fault(err, RC_FORBIDDEN,
                   "only the summary of the token's own project may be asked for");
    }
    rc = rc ? rc : summary_add_all(&summary, filter, err);
    return rc ? rc : summary_reply(request, &summary, reply, err);
}

// ---- the first version's reports

// Whose: the token's own project; admins name one by tenant_id or ask for all by all_tenants.
static enum rc
report_project(struct request *request, const char **ret_project_id, struct err *err)
{
    const char *tenant_id = request_query(request, "tenant_id"),
               *all_text = request_query(request, "all_tenants");
    bool all = false;
    if (all_text && !parse_bool(all_text, &all)) {
        return fault(err, RC_INVALID, "query parameter 'all_tenants' is not a boolean");
    }
    bool is_own = !all && (!tenant_id || !strcmp(tenant_id, request_project(request)));
    *ret_project_id = all ? NULL : tenant_id ? tenant_id : request_project(request);
    return is_own ? RC_OK : request_allow(request, "billing:rating:all", NULL, err);
}

static enum rc
report_load(struct request *request, struct summary *summary, struct err *err)
{
    const char *project_id = NULL;
    summary->type = request_query(request, "service");
    enum rc rc = report_project(request, &project_id, err);
    rc = rc ? rc : request_db(request, &summary->db, err);
    rc = rc ? rc : summary_window(request, summary, err);
    return rc ? rc : summary_add_all(summary, project_id, err);
}

static enum rc
get_total(struct request *request, struct reply *reply, struct err *err)
{
    g_autoptr(GPtrArray) groups = g_ptr_array_new_with_free_func(group_free);
    struct summary summary = {.groups = groups};
    char text[32];
    enum rc rc = report_load(request, &summary, err);
    if (!rc) {
        nano_to_text(groups->len ? ((struct group *)groups->pdata[0])->nano : 0, text);
        reply->text = g_strdup(text);
    }
    return rc;
}

static json_t *
report_row(const struct summary *summary, const struct group *group)
{
    char begin[32], end[32], rate[32];
    iso8601_format(summary->from_us, false, begin);
    iso8601_format(summary->to_us, false, end);
    begin[strlen(begin) - 1] = end[strlen(end) - 1] = 0; // this version's times have no zone
    nano_to_text(group->nano, rate);
    return json_pack("{s:s, s:s, s:s, s:s, s:s}", "begin", begin, "end", end, "tenant_id",
                     summary->by & BY_PROJECT ? group->project_id : "ALL", "res_type",
                     summary->by & BY_TYPE ? group->type : "ALL", "rate", rate);
}

static enum rc
get_report(struct request *request, struct reply *reply, struct err *err)
{
    g_autoptr(GPtrArray) groups = g_ptr_array_new_with_free_func(group_free);
    struct summary summary = {.groups = groups};
    enum rc rc = parse_groupby(request, &summary.by, err);
    rc = rc ? rc : report_load(request, &summary, err);
    if (rc) {
        return rc;
    }
    json_t *rows = json_array();
    for (guint i = 0; i < groups->len; i++) {
        json_array_append_new(rows, report_row(&summary, groups->pdata[i]));
    }
    reply->json = json_pack("{s:o}", "summary", rows);
    return RC_OK;
}

static enum rc
get_tenants(struct request *request, struct reply *reply, struct err *err)
{
    struct summary window;
    g_autoptr(db_result) projects = NULL;
    enum rc rc = request_db(request, &window.db, err);
    rc = rc ? rc : summary_window(request, &window, err);
    rc = rc ? rc : interval_db_projects(window.db, window.from_us, window.to_us, &projects, err);
    if (rc) {
        return rc;
    }
    reply->json = json_array();
    for (int i = 0; i < db_n_rows(projects); i++) {
        json_array_append_new(reply->json, json_string(db_text(projects, i, "project_id")));
    }
    return RC_OK;
}

static enum rc
get_metrics(struct request *request, struct reply *reply, struct err *err)
{
    g_autoptr(GArray) prices = NULL;
    enum rc rc = price_open_list(request, &prices, err);
    if (rc) {
        return rc;
    }
    json_t *metrics = json_array();
    for (guint i = 0; i < prices->len; i++) {
        const struct price *price = &g_array_index(prices, struct price, i);
        if (price->version == 1) {
            json_array_append_new(metrics, json_pack("{s:s, s:[s, s], s:s}", "metric_id",
                                                     price->meter, "metadata", "resource_id",
                                                     "resource_name", "unit", price->meter));
        }
    }
    reply->json = json_pack("{s:o}", "metrics", metrics);
    return RC_OK;
}

static const char *const report_query[] = {"begin",   "end",     "tenant_id", "all_tenants",
                                           "service", "groupby", NULL};
static const char *const summary_query[] = {"begin",  "end",   "groupby",         "filters",
                                            "offset", "limit", "response_format", NULL};

const struct route rating_routes[] = {
    // clang-format off
    {.method = "GET", .path = "/", .handle = get_versions, .flags = ROUTE_PUBLIC, .status = 200, .summary = "versions of the rating API"},
    {.method = "GET", .path = "/v1/rating/modules", .handle = list_modules, .policy = "billing:rating:get", .status = 200,
     .summary = "rating modules"},
    {.method = "GET", .path = "/v1/rating/modules/{module_id}", .handle = show_module, .policy = "billing:rating:get", .status = 200,
     .summary = "a rating module"},
    {.method = "GET", .path = "/v2/rating/modules", .handle = list_modules, .policy = "billing:rating:get", .status = 200,
     .summary = "rating modules"},
    {.method = "GET", .path = "/v2/rating/modules/{module_id}", .handle = show_module, .policy = "billing:rating:get", .status = 200,
     .summary = "a rating module"},
    {.method = "GET", .path = "/v1/info/metrics", .handle = get_metrics, .policy = "billing:rating:get", .status = 200,
     .summary = "meters that are rated"},
    {.method = "GET", .path = "/v2/info/metrics", .handle = get_metrics, .policy = "billing:rating:get", .status = 200,
     .summary = "meters that are rated"},
    {.method = "GET", .path = "/v1/report/summary", .handle = get_report, .policy = "billing:rating:get", .status = 200,
     .query = report_query, .summary = "rated usage of a window, added up by res_type and tenant_id"},
    {.method = "GET", .path = "/v1/report/total", .handle = get_total, .policy = "billing:rating:get", .status = 200,
     .query = report_query, .summary = "rated usage of a window as one number"},
    {.method = "GET", .path = "/v1/report/tenants", .handle = get_tenants, .policy = "billing:rating:all", .status = 200,
     .query = report_query, .summary = "projects with usage in a window"},
    {.method = "GET", .path = "/v2/summary", .handle = get_summary, .policy = "billing:rating:get", .status = 200, .query = summary_query,
     .summary = "rated usage of a window, added up by type and project"},
    {0},
    // clang-format on
};
