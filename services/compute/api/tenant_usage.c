// SPDX-License-Identifier: Apache-2.0
// /os-simple-tenant-usage: what a project's servers used between two instants.
#include "common/base/util.h"
#include "services/compute/api/api.h"
#include "services/compute/api/tenant_usage_db.h"

#include <string.h>

#define LINKS_FROM 40 // microversion that pages by server

// "2026-11-20T10:00:00", with a fraction, or with a blank instead of the T; absent: now.
static enum rc
read_time(struct request *request, const char *name, int64_t *ret_time_us, struct err *err)
{
    const char *text = request_query(request, name);
    g_autofree char *iso = g_strdelimit(g_strdup(text ? text : ""), " ", 'T');
    *ret_time_us = now_us();
    if (!*iso || (strlen(iso) >= 19 && iso8601_parse(iso, ret_time_us))) {
        return RC_OK;
    }
    return fault(err, RC_INVALID, "Invalid input for field '%s': Datetime is in invalid format",
                 name);
}

static enum rc
read_window(struct request *request, struct usage_window *ret_window, struct page *ret_page,
            struct err *err)
{
    const char *detailed = request_query(request, "detailed");
    *ret_page = (struct page){.limit = MAX_LIMIT};
    enum rc rc = read_time(request, "start", &ret_window->from_us, err);
    rc = rc ? rc : read_time(request, "end", &ret_window->to_us, err);
    if (rc == RC_OK && ret_window->from_us >= ret_window->to_us) {
        return fault(err, RC_INVALID,
                     "Invalid start time. The start time cannot occur after the end time.");
    }
    if (rc == RC_OK && request_version(request) >= LINKS_FROM) {
        rc = page_from_request(request, ret_page, err);
    }
    ret_window->to_us = MIN(ret_window->to_us, now_us());
    ret_window->has_servers = detailed && strcmp(detailed, "1") == 0;
    ret_window->limit = ret_page->limit;
    ret_window->marker = ret_page->marker;
    return rc;
}

static enum rc
read_usage(struct request *request, const struct usage_window *window, struct page *page,
           db_result **ret_rows, struct err *err)
{
    struct db *db;
    enum rc rc = request_db(request, &db, err);
    rc = rc ? rc : tenant_usage_db_read(db, window, ret_rows, err);
    if (rc == RC_OK && !db_bool(*ret_rows, 0, "is_marked")) {
        return fault(err, RC_INVALID, "Marker %.64s could not be found.", window->marker);
    }
    if (request_version(request) < LINKS_FROM) {
        page->limit = 0; // no link to a next page
    }
    return rc;
}

static enum rc
usage_list(struct request *request, struct reply *reply, struct err *err)
{
    struct usage_window window = {0};
    struct page page;
    g_autoptr(db_result) rows = NULL;
    if (g_str_has_suffix(request_url(request), "/")) { // a project was forgotten
        return fault(err, RC_NOT_FOUND, "The resource could not be found.");
    }
    enum rc rc = read_window(request, &window, &page, err);
    rc = rc ? rc : read_usage(request, &window, &page, &rows, err);
    if (rc == RC_OK) {
        page_reply(request, reply, "tenant_usages", &page, rows);
    }
    return rc;
}

static enum rc
usage_show(struct request *request, struct reply *reply, struct err *err)
{
    struct usage_window window = {.project_id = request_param(request, "project_id")};
    struct page page;
    g_autoptr(db_result) rows = NULL;
    json_auto_t *target = json_pack("{s:s}", "project_id", window.project_id);
    enum rc rc = request_allow(request, "os_compute_api:os-simple-tenant-usage:show", target, err);
    rc = rc ? rc : read_window(request, &window, &page, err);
    window.has_servers = true;
    rc = rc ? rc : read_usage(request, &window, &page, &rows, err);
    if (rc == RC_OK) {
        page_reply_first(request, reply, "tenant_usage", &page, rows);
    }
    return rc;
}

static const char *const list_query[] = {"start", "end", "detailed", "limit", "marker", NULL};
static const char *const show_query[] = {"start", "end", "limit", "marker", NULL};
// clang-format off
const struct route tenant_usage_routes[] = {
    {.method = "GET", .path = "/v2.1/os-simple-tenant-usage", .handle = usage_list, .policy = "os_compute_api:os-simple-tenant-usage:list", .status = 200, .query = list_query, .summary = "what every project's servers used"},
    {.method = "GET", .path = "/v2.1/os-simple-tenant-usage/{project_id}", .handle = usage_show, .status = 200, .query = show_query, .summary = "what a project's servers used"},
    {0},
};
// clang-format on
