// SPDX-License-Identifier: Apache-2.0
// GET /v2.1/servers/{id}/os-disk-layers, for administrators: what the server's disk is made of, as
// its host answers.
#include "common/base/util.h"
#include "common/bus/bus.h"
#include "services/compute/api/server.h"

#define RULE "os_compute_api:os-disk-layers"
#define TIMEOUT_MS 5000

static enum rc
ask_host(struct request *request, const struct server_brief *server, json_t **ret_answer,
         struct err *err)
{
    struct compute *compute = request_context(request);
    g_autofree char *routing_key = g_strdup_printf("host.%s", server->host);
    json_auto_t *body = json_pack("{s:s}", "server_id", server->id);
    char id[UUID_SIZE];
    uuid_new(id);
    struct message message = {
        .id = id,
        .type = "server.layers",
        .routing_key = routing_key,
        .request_id = request_id(request),
        .deadline_us = now_us() + TIMEOUT_MS * INT64_C(1000),
        .body = body,
    };
    return bus_call(compute->bus, &message, TIMEOUT_MS, ret_answer, err);
}

static enum rc
layers_show(struct request *request, struct reply *reply, struct err *err)
{
    struct server_brief server;
    struct db *db;
    json_t *answer = NULL;
    enum rc rc = server_find(request, &db, &server, err);
    if (rc != RC_OK) {
        return rc;
    }
    if (!*server.host || !server.host_is_up) {
        return fault(err, RC_CONFLICT, "Instance %s is not ready", server.id);
    }
    rc = ask_host(request, &server, &answer, err);
    if (rc == RC_OK) {
        json_object_set_new(answer, "host", json_string(server.host));
        reply->json = json_pack("{s:o}", "disk", answer);
    }
    return rc;
}

const struct route layer_routes[] = {
    {.method = "GET",
     .path = "/v2.1/servers/{server_id}/os-disk-layers",
     .handle = layers_show,
     .policy = RULE,
     .flags = ROUTE_SLOW,
     .status = 200,
     .summary = "what a server's disk is made of on its host"},
    {0},
};
