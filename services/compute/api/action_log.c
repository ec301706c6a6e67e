// SPDX-License-Identifier: Apache-2.0
// /servers/{id}/os-instance-actions and /servers/{id}/os-interface: what happened to a server, and
// its NICs.
#include <string.h>

#include "common/base/util.h"
#include "services/compute/api/action_log_db.h"
#include "services/compute/api/server.h"

static enum rc
read_action_query(struct request *request, struct action_query *query, struct page *page,
                  struct err *err)
{
    int64_t time_us;
    *query = (struct action_query){
        .server_id = request_param(request, "server_id"),
        .project_id = request_is_admin(request) ? NULL : request_project(request),
        .version = request_version(request),
        .is_admin = request_is_admin(request),
    };
    *page = (struct page){.limit = MAX_LIMIT};
    if (!uuid_is_valid(query->server_id)) {
        return fault(err, RC_NOT_FOUND, "Instance %.64s could not be found.", query->server_id);
    }
    enum rc rc = query->version >= 58 ? page_from_request(request, page, err) : RC_OK;
    if (query->version >= 58) {
        query->changes_since = request_query(request, "changes-since");
    }
    if (rc == RC_OK && query->changes_since && !iso8601_parse(query->changes_since, &time_us)) {
        rc = fault(err, RC_INVALID,
                   "Invalid input for query parameters changes-since. Value: %.100s.",
                   query->changes_since);
    }
    query->marker = page->marker;
    query->limit = page->limit;
    return rc;
}

static void
array_reply(struct reply *reply, const char *name, const db_result *rows)
{
    reply->text = g_strdup_printf("{\"%s\":%s}", name, db_text(rows, 0, "items"));
}

static enum rc
action_list(struct request *request, struct reply *reply, struct err *err)
{
    struct action_query query;
    struct page page;
    struct db *db;
    g_autoptr(db_result) rows = NULL;
    enum rc rc = read_action_query(request, &query, &page, err);
    if (rc != RC_OK || (rc = request_db(request, &db, err)) != RC_OK ||
        (rc = action_log_db_list(db, &query, &rows, err)) != RC_OK) {
        return rc;
    }
    if (page.is_limited && db_int(rows, 0, "n") == page.limit && page.limit) {
        page_reply(request, reply, "instanceActions", &page, rows);
        char *renamed = g_strdup(reply->text); // the link's name is in another case than the list's
        char *at = strstr(renamed, "\"instanceActions_links\"");
        if (at) {
            g_autofree char *head = g_strndup(renamed, (gsize)(at - renamed));
            g_free(reply->text);
            reply->text =
                g_strconcat(head, "\"links\"", at + strlen("\"instanceActions_links\""), NULL);
            reply->text_size = 0;
        }
        g_free(renamed);
        return RC_OK;
    }
    array_reply(reply, "instanceActions", rows);
    return RC_OK;
}

static enum rc
action_show(struct request *request, struct reply *reply, struct err *err)
{
    struct action_query query;
    struct page page;
    struct db *db;
    g_autoptr(db_result) rows = NULL;
    enum rc rc = read_action_query(request, &query, &page, err);
    if (rc != RC_OK || (rc = request_db(request, &db, err)) != RC_OK) {
        return rc;
    }
    query.request_id = request_param(request, "request_id");
    rc = action_log_db_show(db, &query, &rows, err);
    if (rc == RC_OK) {
        item_reply(reply, "instanceAction", rows);
    }
    return rc;
}

static enum rc
interface_list(struct request *request, struct reply *reply, struct err *err)
{
    struct server_brief server;
    struct db *db;
    g_autoptr(db_result) rows = NULL;
    enum rc rc = server_find(request, &db, &server, err);
    if (rc == RC_OK && (rc = interface_db_list(db, server.id, NULL, request_version(request), &rows,
                                               err)) == RC_OK) {
        array_reply(reply, "interfaceAttachments", rows);
    }
    return rc;
}

static enum rc
interface_show(struct request *request, struct reply *reply, struct err *err)
{
    const char *port_id = request_param(request, "port_id");
    struct server_brief server;
    struct db *db;
    g_autoptr(db_result) rows = NULL;
    enum rc rc = server_find(request, &db, &server, err);
    if (rc != RC_OK || (rc = interface_db_list(db, server.id, port_id, request_version(request),
                                               &rows, err)) != RC_OK) {
        return rc;
    }
    json_auto_t *items = json_loads(db_text(rows, 0, "items"), 0, NULL);
    if (json_array_size(items) != 1) {
        return fault(err, RC_NOT_FOUND, "Instance %s does not have a port with id %.64s", server.id,
                     port_id);
    }
    reply->json = json_pack("{s:O}", "interfaceAttachment", json_array_get(items, 0));
    return RC_OK;
}

// Volumes come with another service; a server has none.
static enum rc
volume_list(struct request *request, struct reply *reply, struct err *err)
{
    struct server_brief server;
    struct db *db;
    enum rc rc = server_find(request, &db, &server, err);
    if (rc == RC_OK) {
        reply->json = json_pack("{s:[]}", "volumeAttachments");
    }
    return rc;
}

#define SERVER "/v2.1/servers/{server_id}"
// clang-format off
const struct route instance_action_routes[] = {
    {.method = "GET", .path = SERVER "/os-instance-actions", .handle = action_list, .status = 200, .summary = "list a server's actions"},
    {.method = "GET", .path = SERVER "/os-instance-actions/{request_id}", .handle = action_show, .status = 200, .summary = "show an action and its events"},
    {0},
};
const struct route interface_routes[] = {
    {.method = "GET", .path = SERVER "/os-interface", .handle = interface_list, .status = 200, .summary = "list a server's interfaces"},
    {.method = "GET", .path = SERVER "/os-interface/{port_id}", .handle = interface_show, .status = 200, .summary = "show an interface"},
    {.method = "GET", .path = SERVER "/os-volume_attachments", .handle = volume_list, .status = 200, .summary = "list a server's volumes"},
    {0},
};
// clang-format on
