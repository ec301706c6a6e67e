// SPDX-License-Identifier: Apache-2.0
// GET /servers, /servers/detail, /servers/{id}, and a server's addresses.
#include <string.h>

#include "common/base/util.h"
#include "services/compute/api/api.h"
#include "services/compute/api/server.h"
#include "services/compute/api/server_db.h"

#define PORT_IP(pattern)                                                                          \
    "EXISTS (SELECT FROM server_port p, jsonb_array_elements(p.fixed_ips) f WHERE p.server_id = " \
    "s.id"                                                                                        \
    " AND position('" pattern                                                                     \
    "' IN f->>'ip') > 0 AND EXISTS (SELECT FROM %s v(x) WHERE f->>'ip' ~ v.x))"
#define TAG_COUNT "(SELECT count(DISTINCT v.x) FROM %s v(x) WHERE v.x = ANY (s.tags))"

// clang-format off
static const struct server_filter filters[] = {
    {"name", "EXISTS (SELECT FROM %s v(x) WHERE s.name ~* v.x)"},
    {"status", NULL}, // server_view_status
    {"image", "s.image_id::text IN %s"},
    {"flavor", "s.flavor_id IN %s"},
    {"ip", PORT_IP(".")},
    {"ip6", PORT_IP(":")},
    {"reservation_id", "s.reservation_id IN %s"},
    {"changes-since", "s.updated_at >= (SELECT max(v.x::timestamptz) FROM %s v(x))"},
    {"changes-before", "s.updated_at <= (SELECT min(v.x::timestamptz) FROM %s v(x))", false, 66},
    {"tags", "NOT EXISTS (SELECT FROM %s v(x), unnest(string_to_array(v.x, ',')) t WHERE t <> ALL (s.tags))", false, 26},
    {"tags-any", "EXISTS (SELECT FROM %s v(x), unnest(string_to_array(v.x, ',')) t WHERE t = ANY (s.tags))", false, 26},
    {"not-tags", "EXISTS (SELECT FROM %s v(x), unnest(string_to_array(v.x, ',')) t WHERE t <> ALL (s.tags))", false, 26},
    {"not-tags-any", "NOT EXISTS (SELECT FROM %s v(x), unnest(string_to_array(v.x, ',')) t WHERE t = ANY (s.tags))", false, 26},
    {"locked", "s.locked::text IN %s", false, 73},
    {"host", "s.host IN %s", true},
    {"project_id", "s.project_id IN %s", true},
    {"tenant_id", "s.project_id IN %s", true},
    {"user_id", "s.user_id IN %s", true},
    {"uuid", "s.id::text IN %s", true},
    {"vm_state", "s.vm_state IN %s", true},
    {"task_state", "s.task_state IN %s", true},
    {"power_state", "s.power_state::text IN %s", true},
    {"key_name", "s.key_name IN %s", true},
    {"hostname", "s.hostname IN %s", true},
    {"description", "EXISTS (SELECT FROM %s v(x) WHERE s.description ~ v.x)", true},
    {"availability_zone", "EXISTS (SELECT FROM %s v(x) WHERE v.x = coalesce((SELECT h.zone FROM compute_host h WHERE h.host = s.host), s.zone))", true},
};
static const struct { const char *key, *sql; } sort_keys[] = {
    {"created_at", "s.created_at"}, {"updated_at", "s.updated_at"}, {"display_name", "s.name"}, {"uuid", "s.id"},
    {"display_description", "coalesce(s.description, '')"}, {"vm_state", "s.vm_state"}, {"task_state", "coalesce(s.task_state, '')"},
    {"host", "coalesce(s.host, '')"}, {"hostname", "s.hostname"}, {"image_ref", "s.image_id"}, {"instance_type_id", "s.flavor_id"},
    {"key_name", "coalesce(s.key_name, '')"}, {"launched_at", "coalesce(s.launched_at, 'infinity')"}, {"power_state", "s.power_state"},
    {"project_id", "s.project_id"}, {"user_id", "s.user_id"}, {"launch_index", "s.launch_index"}, {"locked", "s.locked"},
    {"access_ip_v4", "coalesce(host(s.access_ipv4), '')"}, {"access_ip_v6", "coalesce(host(s.access_ipv6), '')"},
    {"auto_disk_config", "s.disk_config"}, {"config_drive", "s.config_drive"}, {"root_device_name", "s.number"},
    {"availability_zone", "coalesce(s.zone, '')"}, {"node", "coalesce(s.host, '')"}, {"progress", "s.vm_state"},
    {"terminated_at", "coalesce(s.terminated_at, 'infinity')"},
};
// clang-format on

static const struct server_filter *
status_filter(void)
{
    static struct server_filter filter = {.name = "status"};
    static gsize once;
    if (g_once_init_enter(&once)) {
        filter.sql = g_strdup_printf("(%s) IN %%s", server_view_status());
        g_once_init_leave(&once, 1);
    }
    return &filter;
}

static void
query_done(struct server_query *query)
{
    for (unsigned i = 0; i < query->n_filters; i++) {
        free(query->filter_values[i]);
    }
}

static enum rc
check_value(const struct server_filter *filter, const char *value, struct err *err)
{
    int64_t time_us;
    if (g_str_has_prefix(filter->name, "changes-") && !iso8601_parse(value, &time_us)) {
        return fault(
            err, RC_INVALID,
            "Invalid input for query parameters %s. Value: %.100s. It is no date and time.",
            filter->name, value);
    }
    return text_is_clean(value, 1024)
               ? RC_OK
               : fault(err, RC_INVALID, "Invalid input for query parameters %s.", filter->name);
}

// A boolean filter compares with PostgreSQL's "true" and "false"; states with upper case.
static json_t *
filter_text(const struct server_filter *filter, const char *value)
{
    bool flag;
    if (strcmp(filter->name, "locked") == 0 && parse_bool(value, &flag)) {
        return json_string(flag ? "true" : "false");
    }
    if (strcmp(filter->name, "status") == 0) {
        g_autofree char *upper = g_ascii_strup(value, -1);
        return json_string(upper);
    }
    return json_string(value);
}

static enum rc
add_filter(struct request *request, const struct server_filter *filter, struct server_query *query,
           struct err *err)
{
    const char *name, *value;
    json_auto_t *values = json_array();
    for (unsigned i = 0; request_query_at(request, i, &name, &value); i++) {
        if (strcmp(name, filter->name) != 0) {
            continue;
        }
        enum rc rc = check_value(filter, value ? value : "", err);
        if (rc != RC_OK) {
            return rc;
        }
        json_array_append_new(values, filter_text(filter, value ? value : ""));
    }
    if (json_array_size(values) && query->n_filters < SERVER_MAX_FILTERS) {
        query->filters[query->n_filters] = filter->sql ? filter : status_filter();
        query->filter_values[query->n_filters++] = json_dumps(values, JSON_COMPACT);
    }
    return RC_OK;
}

static enum rc
read_filters(struct request *request, struct server_query *query, struct err *err)
{
    enum rc rc = RC_OK;
    for (size_t i = 0; rc == RC_OK && i < N_ELEMENTS(filters); i++) {
        bool applies =
            (query->is_admin || !filters[i].is_admin) && query->version >= filters[i].min_version;
        if (applies && request_query(request, filters[i].name)) {
            rc = add_filter(request, &filters[i], query, err);
        }
    }
    return rc;
}

static enum rc
read_scope(struct request *request, struct server_query *query, struct err *err)
{
    const char *all = request_query(request, "all_tenants"),
               *deleted = request_query(request, "deleted");
    bool flag = all && (!*all || (parse_bool(all, &flag) && flag));
    if (all && *all && !parse_bool(all, &flag)) {
        return fault(err, RC_INVALID,
                     "Invalid input for query parameters all_tenants. Value: %.100s.", all);
    }
    query->project_id = request_project(request);
    if (flag) {
        enum rc rc =
            request_allow(request, "os_compute_api:servers:detail:get_all_tenants", NULL, err);
        if (rc != RC_OK) {
            return rc;
        }
        query->project_id = NULL;
    }
    query->deleted = request_query(request, "changes-since") ? "any" : "live";
    if (deleted && query->is_admin && parse_bool(deleted, &flag)) {
        query->deleted = flag ? "deleted" : "live";
    }
    return RC_OK;
}

static enum rc
read_order(struct request *request, struct server_query *query, struct err *err)
{
    const char *key = request_query(request, "sort_key"),
               *direction = request_query(request, "sort_dir");
    query->sort_sql = "s.created_at";
    query->is_descending = !direction || strcmp(direction, "desc") == 0;
    if (direction && !query->is_descending && strcmp(direction, "asc") != 0) {
        return fault(err, RC_INVALID, "Invalid input for query parameters sort_dir. Value: %.100s.",
                     direction);
    }
    for (size_t i = 0; key && i < N_ELEMENTS(sort_keys); i++) {
        if (strcmp(sort_keys[i].key, key) == 0) {
            query->sort_sql = sort_keys[i].sql;
            return RC_OK;
        }
    }
    return key ? fault(err, RC_INVALID,
                       "Invalid input for query parameters sort_key. Value: %.100s.", key)
               : RC_OK;
}

static enum rc
server_list(struct request *request, struct reply *reply, struct err *err)
{
    struct server_query query = {
        .base_url = request_base_url(request),
        .view = request_route(request)->data ? VIEW_DETAIL : VIEW_BRIEF,
        .version = request_version(request),
        .is_admin = request_is_admin(request),
    };
    struct page page;
    struct db *db;
    g_autoptr(db_result) rows = NULL;
    enum rc rc = page_from_request(request, &page, err);
    if (rc == RC_OK && page.marker && !uuid_is_valid(page.marker)) {
        rc = fault(err, RC_INVALID, "marker [%.100s] not found", page.marker);
    }
    query.limit = page.limit;
    query.marker = page.marker;
    if (rc == RC_OK && (rc = read_scope(request, &query, err)) == RC_OK &&
        (rc = read_order(request, &query, err)) == RC_OK &&
        (rc = read_filters(request, &query, err)) == RC_OK &&
        (rc = request_db(request, &db, err)) == RC_OK) {
        rc = server_db_list(db, &query, &rows, err);
    }
    query_done(&query);
    if (rc == RC_OK) {
        page_reply(request, reply, "servers", &page, rows);
    }
    return rc;
}

enum rc
server_reply(struct request *request, struct reply *reply, const char *id, enum server_view view,
             struct err *err)
{
    struct server_query query = {
        .base_url = request_base_url(request),
        .view = view,
        .version = request_version(request),
        .is_admin = request_is_admin(request),
        .project_id = request_is_admin(request) ? NULL : request_project(request),
    };
    struct db *db;
    g_autoptr(db_result) rows = NULL;
    enum rc rc = request_db(request, &db, err);
    if (rc == RC_OK && (rc = server_db_show(db, &query, id, &rows, err)) == RC_OK) {
        item_reply(reply, "server", rows);
    }
    return rc;
}

enum rc
server_find(struct request *request, struct db **ret_db, struct server_brief *ret_server,
            struct err *err)
{
    const char *id = request_param(request, "server_id");
    if (!uuid_is_valid(id)) {
        return fault(err, RC_NOT_FOUND, "Instance %.64s could not be found.", id);
    }
    enum rc rc = request_db(request, ret_db, err);
    const char *project_id = request_is_admin(request) ? NULL : request_project(request);
    return rc == RC_OK ? server_db_brief(*ret_db, id, project_id, false, ret_server, err) : rc;
}

static enum rc
server_show(struct request *request, struct reply *reply, struct err *err)
{
    const char *id = request_param(request, "server_id");
    if (!uuid_is_valid(id)) {
        return fault(err, RC_NOT_FOUND, "Instance %.64s could not be found.", id);
    }
    return server_reply(request, reply, id, VIEW_SHOW, err);
}

static enum rc
address_list(struct request *request, struct reply *reply, struct err *err)
{
    struct server_brief server;
    struct db *db;
    g_autoptr(db_result) rows = NULL;
    const char *network = request_route(request)->data ? request_param(request, "network") : NULL;
    enum rc rc = server_find(request, &db, &server, err);
    if (rc == RC_OK && (rc = server_db_addresses(db, server.id, network, &rows, err)) == RC_OK) {
        item_reply(reply, network ? NULL : "addresses", rows);
    }
    return rc;
}

// clang-format off
const struct route server_routes[] = {
    {.method = "GET", .path = "/v2.1/servers", .handle = server_list, .status = 200, .summary = "list servers"},
    {.method = "GET", .path = "/v2.1/servers/detail", .handle = server_list, .status = 200, .data = "detail", .summary = "list servers with details"},
    {.method = "POST", .path = "/v2.1/servers", .handle = server_create, .policy = "os_compute_api:servers:create", .flags = ROUTE_SLOW, .status = 202, .summary = "launch servers"},
    {.method = "GET", .path = "/v2.1/servers/{server_id}", .handle = server_show, .status = 200, .summary = "show a server"},
    {.method = "PUT", .path = "/v2.1/servers/{server_id}", .handle = server_update, .status = 200, .summary = "rename a server"},
    {.method = "DELETE", .path = "/v2.1/servers/{server_id}", .handle = server_delete, .status = 204, .summary = "delete a server"},
    {.method = "POST", .path = "/v2.1/servers/{server_id}/action", .handle = server_action, .flags = ROUTE_SLOW, .status = 202, .summary = "act on a server"},
    {.method = "GET", .path = "/v2.1/servers/{server_id}/ips", .handle = address_list, .status = 200, .summary = "a server's addresses"},
    {.method = "GET", .path = "/v2.1/servers/{server_id}/ips/{network}", .handle = address_list, .status = 200, .data = "network", .summary = "a server's addresses on one network"},
    {0},
};
// clang-format on
