// SPDX-License-Identifier: Apache-2.0
#include "services/compute/api/server_groups.h"

#include <string.h>

#include "services/compute/api/server.h"
#include "services/compute/api/server_check.h"

static enum rc
network_call(struct request *request, const char *method, const char *path, json_t *body,
             json_t **ret_json, struct err *err)
{
    struct compute *compute = request_context(request);
    g_autofree char *url = g_strconcat(compute->network_url, path, NULL);
    struct call call = {
        .method = method,
        .url = url,
        .body = body,
        .token = request_header(request, "X-Auth-Token"),
        .request_id = request_id(request),
    };
    return client_call(compute->client, &call, ret_json, err);
}

static enum rc
change_port(struct request *request, json_t *port, const char *group_id, bool adds,
            bool *ret_changed, struct err *err)
{
    json_auto_t *groups = json_array();
    json_t *item;
    size_t i;
    bool had = false;
    json_array_foreach(json_object_get(port, "security_groups"), i, item)
    {
        bool is_it = g_strcmp0(json_string_value(item), group_id) == 0;
        had |= is_it;
        if (!is_it) {
            json_array_append(groups, item);
        }
    }
    if (had == adds) {
        return RC_OK;
    }
    if (adds) {
        json_array_append_new(groups, json_string(group_id));
    }
    *ret_changed = true;
    json_auto_t *body = json_pack("{s:{s:O}}", "port", "security_groups", groups);
    g_autofree char *path =
        g_strdup_printf("/v2.0/ports/%s", json_string_value(json_object_get(port, "id")));
    return network_call(request, "PUT", path, body, NULL, err);
}

static enum rc
change_ports(struct request *request, const char *server_id, const char *group_id, bool adds,
             struct err *err)
{
    json_auto_t *reply = NULL;
    json_t *port;
    size_t i;
    bool changed = false;
    g_autofree char *path = g_strdup_printf("/v2.0/ports?device_id=%s", server_id);
    enum rc rc = network_call(request, "GET", path, NULL, &reply, err);
    json_array_foreach(json_object_get(reply, "ports"), i, port)
    {
        if (rc == RC_OK) {
            rc = change_port(request, port, group_id, adds, &changed, err);
        }
    }
    if (rc == RC_OK && !changed && !adds) {
        rc = fault(err, RC_NOT_FOUND, "Security group %s not associated with the instance %s",
                   group_id, server_id);
    }
    return rc;
}

static enum rc
change_group(struct request *request, json_t *argument, bool adds, struct err *err)
{
    json_auto_t *names = json_pack("[O]", argument), *groups = NULL;
    struct server_brief server;
    struct db *db;
    enum rc rc = server_find(request, &db, &server, err);
    if (rc == RC_OK) {
        rc = check_security_groups(request, names, &groups, err);
    }
    if (rc == RC_OK) {
        const char *group_id = json_string_value(json_object_get(json_array_get(groups, 0), "id"));
        rc = change_ports(request, server.id, group_id, adds, err);
    }
    return rc == RC_OK ? server_db_change_group(db, server.id, json_array_get(groups, 0), adds, err)
                       : rc;
}

enum rc
act_add_security_group(struct request *request, struct reply *reply, json_t *argument,
                       struct err *err)
{
    return change_group(request, argument, true, err);
}

enum rc
act_remove_security_group(struct request *request, struct reply *reply, json_t *argument,
                          struct err *err)
{
    return change_group(request, argument, false, err);
}
