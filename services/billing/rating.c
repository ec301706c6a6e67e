// SPDX-License-Identifier: Apache-2.0
// The part of CloudKitty's API that its client reads most: versions, rating modules, metrics and
// the v2 summary.
#include "common/base/util.h"
#include "services/billing/bill.h"
#include "services/billing/billing.h"
#include "services/billing/price.h"
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

// ---- summary: the rated lines of one or all projects, added up by type and project.

enum { BY_TYPE = 1, BY_PROJECT = 2, LIMIT_DEFAULT = 100, LIMIT_MAX = 1000 };

struct summary {
    struct db *db;
    int64_t from_us, to_us;
    unsigned by;
    const char *type;  // filter; NULL: all
    GPtrArray *groups; // struct group
};
struct group {
    char *type, *project_id;
    int64_t nano;
    __int128 volume; // quantity × µs
};

static void
group_free(gpointer data)
{
    struct group *group = data;
    g_free(group->type);
    g_free(group->project_id);
    g_free(group);
}

static struct group *
summary_group(struct summary *summary, const char *type, const char *project_id)
{
    for (guint i = 0; i < summary->groups->len; i++) {
        struct group *group = g_ptr_array_index(summary->groups, i);
        if ((!(summary->by & BY_TYPE) || !strcmp(group->type, type)) &&
            (!(summary->by & BY_PROJECT) || !strcmp(group->project_id, project_id))) {
            return group;
        }
    }
    struct group *group = g_new0(struct group, 1);
    group->type = g_strdup(type);
    group->project_id = g_strdup(project_id);
    g_ptr_array_add(summary->groups, group);
    return group;
}

static enum rc
summary_add(struct summary *summary, const char *project_id, struct err *err)
{
    struct bill bill;
    enum rc rc = bill_load(summary->db, project_id, summary->from_us, summary->to_us, &bill, err);
    if (rc) {
        return rc;
    }
    for (guint i = 0; i < bill.lines->len && !rc; i++) {
        const struct rate_line *line = &g_array_index(bill.lines, struct rate_line, i);
        if (summary->type && strcmp(summary->type, line->meter)) {
            continue;
        }
        struct group *group = summary_group(summary, line->meter, project_id);
        if (__builtin_add_overflow(group->nano, line->amount.nano, &group->nano) ||
            __builtin_add_overflow(group->volume, line->volume, &group->volume)) {
            rc = fault(err, RC_RANGE, "the summary exceeds what can be added up");
        }
    }
    bill_done(&bill);
    return rc;
}

static enum rc
parse_groupby(struct request *request, unsigned *ret_by, struct err *err)
{
    const char *name, *value;
    *ret_by = 0;
    for (unsigned i = 0; request_query_at(request, i, &name, &value); i++) {
        g_auto(GStrv) items = strcmp(name, "groupby") ? NULL : g_strsplit(value, ",", 16);
        for (char **item = items; item && *item; item++) {
            unsigned bit = !strcmp(*item, "type")         ? BY_TYPE
                           : !strcmp(*item, "project_id") ? BY_PROJECT
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

static enum rc
parse_time(struct request *request, const char *name, int64_t *time_us, struct err *err)
{
    const char *text = request_query(request, name);
    if (text && (!iso8601_parse(text, time_us) || *time_us < 0 || *time_us > TIME_MAX_US)) {
        return fault(err, RC_INVALID, "query parameter '%s' is not a time", name);
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
summary_add_all(struct summary *summary, const char *project_id, struct err *err)
{
    if (project_id) {
        return summary_add(summary, project_id, err);
    }
    g_autoptr(db_result) projects = NULL;
    enum rc rc =
        interval_db_projects(summary->db, summary->from_us, summary->to_us, &projects, err);
    for (int i = 0; !rc && i < db_n_rows(projects); i++) {
        rc = summary_add(summary, db_text(projects, i, "project_id"), err);
    }
    return rc;
}

// The current month when no window is given; the future costs nothing yet.
static enum rc
summary_window(struct request *request, struct summary *summary, struct err *err)
{
    int64_t now_us;
    enum rc rc = interval_db_now(summary->db, &now_us, err);
    if (rc) {
        return rc;
    }
    summary->from_us = month_start_us(now_us, 0);
    summary->to_us = month_start_us(now_us, 1);
    rc = parse_time(request, "begin", &summary->from_us, err);
    rc = rc ? rc : parse_time(request, "end", &summary->to_us, err);
    summary->to_us = MIN(summary->to_us, now_us);
    summary->from_us = MIN(summary->from_us, summary->to_us);
    return rc;
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

static enum rc
get_metrics(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db;
    g_autoptr(GArray) prices = NULL;
    enum rc rc = request_db(request, &db, err);
    rc = rc ? rc : price_db_list(db, &prices, err);
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
    {.method = "GET", .path = "/v2/summary", .handle = get_summary, .policy = "billing:rating:get", .status = 200, .query = summary_query,
     .summary = "rated usage of a window, added up by type and project"},
    {0},
    // clang-format on
};
