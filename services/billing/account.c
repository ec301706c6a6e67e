// SPDX-License-Identifier: Apache-2.0
// What a project used, what it costs so far, and its statements.
#include "common/base/util.h"
#include "services/billing/billing.h"
#include "services/billing/fact.h"
#include "services/billing/ingest.h"
#include "services/billing/statement_db.h"
#include <string.h>

enum { COMPLETE_TIMEOUT_MS = 4000, USAGE_LIMIT = 1000 };

static enum rc
allow_account(struct request *request, const char *rule, const char **ret_project_id,
              struct err *err)
{
    const char *project_id = request_param(request, "project_id");
    json_auto_t *target = json_pack("{s:s}", "project_id", project_id);
    if (!target || !text_is_clean(project_id, 64)) {
        return fault(err, RC_NOT_FOUND, "no such account");
    }
    *ret_project_id = project_id;
    return request_allow(request, rule, target, err);
}

static enum rc
query_time(struct request *request, const char *name, int64_t *time_us, struct err *err)
{
    const char *text = request_query(request, name);
    int64_t value;
    if (!text) {
        return RC_OK;
    }
    if (!iso8601_parse(text, &value) || value <= 0 || value > TIME_MAX_US) {
        return fault(err, RC_INVALID, "query parameter '%s' is not a time", name);
    }
    *time_us = value;
    return RC_OK;
}

struct window {
    int64_t from_us, to_us; // from_us: asked for, or the first usage
    bool from_given;
};

// ?from and ?to: default the first usage and now; to may not lie in the future.
static enum rc
query_window(struct request *request, struct db *db, const char *project_id, struct window *window,
             struct err *err)
{
    struct account_bounds bounds;
    enum rc rc = statement_db_bounds(db, project_id, &bounds, err);
    if (rc) {
        return rc;
    }
    *window = (struct window){.to_us = bounds.now_us};
    rc = query_time(request, "to", &window->to_us, err);
    if (!rc && window->to_us > bounds.now_us) {
        rc = fault(err, RC_INVALID, "query parameter 'to' lies in the future");
    }
    rc = rc ? rc : query_time(request, "from", &window->from_us, err);
    window->from_given = window->from_us != 0;
    if (!window->from_given) {
        window->from_us = bounds.first_us ? MIN(bounds.first_us, window->to_us) : window->to_us;
    }
    if (!rc && window->from_us > window->to_us) {
        rc = fault(err, RC_INVALID, "query parameter 'from' is later than 'to'");
    }
    return rc;
}

static enum rc
account_window(struct request *request, const char *rule, const char **ret_project_id,
               struct db **ret_db, struct window *ret_window, struct err *err)
{
    enum rc rc = allow_account(request, rule, ret_project_id, err);
    rc = rc ? rc : request_db(request, ret_db, err);
    return rc ? rc : query_window(request, *ret_db, *ret_project_id, ret_window, err);
}

static enum rc
get_cost(struct request *request, struct reply *reply, struct err *err)
{
    const char *project_id;
    struct db *db;
    struct window window;
    struct bill bill;
    enum rc rc = account_window(request, "billing:account:get", &project_id, &db, &window, err);
    rc = rc ? rc : bill_load(db, project_id, window.from_us, window.to_us, &bill, err);
    if (!rc) {
        reply->json = bill_to_json(&bill, project_id);
        bill_done(&bill);
    }
    return rc;
}

static enum rc
get_statement(struct request *request, struct reply *reply, struct err *err)
{
    const char *project_id;
    struct db *db;
    struct window window;
    g_autofree char *lagging = NULL;
    struct bill bill;
    json_t *sources = NULL;
    enum rc rc = account_window(request, "billing:account:get", &project_id, &db, &window, err);
    rc = rc ? rc
            : ingest_complete(request_context(request), window.to_us, COMPLETE_TIMEOUT_MS, &lagging,
                              err);
    if (!rc && !window.from_given) { // what came in meanwhile may be older than all before
        int64_t to_us = window.to_us;
        rc = query_window(request, db, project_id, &window, err);
        window.to_us = to_us;
    }
    rc = rc ? rc : fact_db_sources(db, &sources, err);
    rc =
        rc ? rc
           : bill_load(db, project_id, MIN(window.from_us, window.to_us), window.to_us, &bill, err);
    if (rc) {
        json_decref(sources);
        return rc;
    }
    bool complete = !*lagging;
    json_auto_t *more =
        json_pack("{s:b, s:b, s:b, s:s, s:o}", "closed", 0, "complete", complete, "final",
                  complete && !bill.has_open, "incomplete_services", lagging, "sources", sources);
    reply->json = bill_to_json(&bill, project_id);
    json_object_update(reply->json, more);
    bill_done(&bill);
    return RC_OK;
}

static enum rc
post_statement(struct request *request, struct reply *reply, struct err *err)
{
    const char *project_id;
    struct db *db;
    struct window window;
    g_autofree char *lagging = NULL;
    enum rc rc =
        account_window(request, "billing:statement:create", &project_id, &db, &window, err);
    rc = rc ? rc
            : ingest_complete(request_context(request), window.to_us, COMPLETE_TIMEOUT_MS, &lagging,
                              err);
    if (rc) {
        return rc;
    }
    if (*lagging) {
        return fault(err, RC_CONFLICT, "usage is not complete up to then, try again later: %s",
                     lagging);
    }
    struct statement_close close = {
        .project_id = project_id,
        .created_by = request_auth(request)->user_id,
        .from_us = window.from_given ? window.from_us : 0,
        .to_us = window.to_us,
    };
    rc = db_tx(db, statement_db_close, &close, err);
    return rc ? rc : statement_db_get(db, project_id, close.id, &reply->text, err);
}

static enum rc
list_statements(struct request *request, struct reply *reply, struct err *err)
{
    const char *project_id;
    struct db *db;
    enum rc rc = allow_account(request, "billing:account:get", &project_id, err);
    rc = rc ? rc : request_db(request, &db, err);
    return rc ? rc : statement_db_list(db, project_id, &reply->text, err);
}

static enum rc
show_statement(struct request *request, struct reply *reply, struct err *err)
{
    const char *project_id, *id = request_param(request, "statement_id");
    struct db *db;
    enum rc rc = allow_account(request, "billing:account:get", &project_id, err);
    if (!rc && !uuid_is_valid(id)) {
        return fault(err, RC_NOT_FOUND, "no statement '%s'", id);
    }
    rc = rc ? rc : request_db(request, &db, err);
    rc = rc ? rc : statement_db_get(db, project_id, id, &reply->text, err);
    return rc == RC_NOT_FOUND ? fault(err, rc, "no statement '%s'", id) : rc;
}

// A marker is "<from_us>:<id>" of the last item of the page before.
static enum rc
query_page(struct request *request, struct interval_query *query, struct err *err)
{
    const char *limit = request_query(request, "limit");
    query->limit = USAGE_LIMIT;
    if (limit && !parse_int64(limit, 1, USAGE_LIMIT, &query->limit)) {
        return fault(err, RC_INVALID, "query parameter 'limit' must be a number from 1 to %d",
                     USAGE_LIMIT);
    }
    const char *marker = request_query(request, "marker");
    const char *colon = marker ? strchr(marker, ':') : NULL;
    if (!marker) {
        return RC_OK;
    }
    g_autofree char *time = colon ? g_strndup(marker, colon - marker) : NULL;
    if (!colon || !parse_int64(time, 0, TIME_MAX_US, &query->after_us) ||
        !uuid_is_valid(colon + 1)) {
        return fault(err, RC_INVALID, "query parameter 'marker' is not a marker");
    }
    query->after_id = colon + 1;
    return RC_OK;
}

static json_t *
interval_to_json(const db_result *rows, int row, int64_t now_us)
{
    char from[32], to[32];
    bool is_open = !db_text(rows, row, "to_us");
    int64_t from_us = db_int(rows, row, "from_us"),
            to_us = is_open ? now_us : db_int(rows, row, "to_us");
    iso8601_format(from_us, true, from);
    iso8601_format(to_us, true, to);
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:s, s:s?, s:I, s:I}", "id", db_text(rows, row, "id"),
        "service", db_text(rows, row, "service"), "resource_type",
        db_text(rows, row, "resource_type"), "resource_id", db_text(rows, row, "resource_id"),
        "resource_name", db_text(rows, row, "resource_name"), "meter", db_text(rows, row, "meter"),
        "quantity", (json_int_t)db_int(rows, row, "quantity"), "from", from, "to",
        is_open ? NULL : to, "seconds", (json_int_t)(MAX(to_us - from_us, 0) / G_USEC_PER_SEC),
        "duration_us", (json_int_t)MAX(to_us - from_us, 0));
}

static void
usage_reply(struct reply *reply, const db_result *rows, const struct interval_query *query,
            int64_t now_us)
{
    int n = db_n_rows(rows);
    json_t *items = json_array();
    for (int i = 0; i < n; i++) {
        json_array_append_new(items, interval_to_json(rows, i, now_us));
    }
    char as_of[32];
    iso8601_format(now_us, true, as_of);
    reply->json = json_pack("{s:s, s:s, s:o}", "project_id", query->project_id, "as_of", as_of,
                            "usage", items);
    if (n == query->limit) {
        g_autofree char *next =
            g_strdup_printf("%s:%s", db_text(rows, n - 1, "from_us"), db_text(rows, n - 1, "id"));
        json_object_set_new(reply->json, "next_marker", json_string(next));
    }
}

static enum rc
get_usage(struct request *request, struct reply *reply, struct err *err)
{
    struct interval_query query = {.resource_id = request_query(request, "resource_id")};
    struct db *db;
    struct window window;
    int64_t now_us;
    g_autoptr(db_result) rows = NULL;
    enum rc rc =
        account_window(request, "billing:account:get", &query.project_id, &db, &window, err);
    rc = rc ? rc : query_page(request, &query, err);
    rc = rc ? rc : interval_db_now(db, &now_us, err);
    if (!rc) {
        query.from_us = window.from_us;
        query.to_us = window.to_us;
        rc = interval_db_list(db, &query, &rows, err);
    }
    if (!rc) {
        usage_reply(reply, rows, &query, now_us);
    }
    return rc;
}

static const char *const window_query[] = {"from", "to", NULL};
static const char *const usage_query[] = {"from", "to", "resource_id", "limit", "marker", NULL};

#define ACCOUNT "/v1/accounts/{project_id}"
const struct route billing_account_routes[] = {
    // clang-format off
    {.method = "GET", .path = ACCOUNT "/cost", .handle = get_cost, .status = 200, .query = window_query,
     .summary = "what everything of a project costs so far, by resource and meter, to the microsecond"},
    {.method = "GET", .path = ACCOUNT "/usage", .handle = get_usage, .status = 200, .query = usage_query,
     .summary = "usage intervals of a project, oldest first, by page"},
    {.method = "GET", .path = ACCOUNT "/statement", .handle = get_statement, .status = 200, .flags = ROUTE_SLOW, .query = window_query,
     .summary = "the statement of a window as it stands, and whether every service's usage is complete up to its end"},
    {.method = "POST", .path = ACCOUNT "/statement", .handle = post_statement, .status = 201, .query = window_query,
     .flags = ROUTE_SLOW | ROUTE_OPTIONAL_BODY,
     .summary = "close the account up to a time: a statement that never changes, booked in the ledger"},
    {.method = "GET", .path = ACCOUNT "/statements", .handle = list_statements, .status = 200,
     .summary = "closed statements of a project"},
    {.method = "GET", .path = ACCOUNT "/statements/{statement_id}", .handle = show_statement, .status = 200,
     .summary = "a closed statement with its lines"},
    {0},
    // clang-format on
};
