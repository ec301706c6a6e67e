// SPDX-License-Identifier: Apache-2.0
// /healthcheck and /metrics, which every program answers.
#include "common/service/internal.h"

#include <string.h>

static bool
database_is_well(struct service *service)
{
    struct db *db;
    struct err err;
    return db_get(service->db, &db, &err) == RC_OK &&
           db_run(db, "SELECT 1", DB_NONE, NULL, &err) == RC_OK;
}

// What the service cannot work without; false: the reply says which.
static bool
check_needs(struct service *service, json_t *checks)
{
    char detail[200] = "";
    bool database = true, keys = true, own = true;
    if (service->db) {
        database = database_is_well(service);
        json_object_set_new(checks, "database", json_boolean(database));
    }
    if (service->auth) {
        keys = authenticator_is_ready(service->auth);
        json_object_set_new(checks, "identity_keys", json_boolean(keys));
    }
    if (service->def->healthy) {
        own = service->def->healthy(service->context, detail, sizeof(detail));
        json_object_set_new(checks, service->def->name,
                            *detail ? json_string(detail) : json_boolean(own));
    }
    return database && keys && own;
}

static enum rc
healthcheck(struct request *request, struct reply *reply, struct err *err)
{
    struct service *service = service_of(request);
    json_t *checks = json_object();
    bool well = check_needs(service, checks);
    bool bus = !service->bus || bus_is_connected(service->bus);
    if (service->bus) {
        json_object_set_new(checks, "bus", json_boolean(bus));
    }
    // The bus only carries hints and work that is re-sent: without it the service still answers, so
    // it is reported only.
    reply->status = well ? 200 : 503;
    reply->json =
        json_pack("{s:s, s:s, s:o}", "status", well ? (bus ? "ok" : "degraded") : "failed",
                  "version", HANEUL_VERSION, "checks", checks);
    return RC_OK;
}

static enum rc
metrics(struct request *request, struct reply *reply, struct err *err)
{
    GString *text = g_string_new(NULL);
    metrics_print(text);
    reply->text = g_string_free(text, FALSE);
    reply->content_type = "text/plain; version=0.0.4";
    return RC_OK;
}

const struct route health_routes[] = {
    {.method = "GET",
     .path = "/healthcheck",
     .handle = healthcheck,
     .flags = ROUTE_PUBLIC,
     .status = 200,
     .summary = "is this process well"},
    {.method = "GET",
     .path = "/metrics",
     .handle = metrics,
     .flags = ROUTE_PUBLIC,
     .status = 200,
     .summary = "Prometheus metrics"},
    {0},
};

void
health_error_body(const struct request *request, const struct err *err, struct reply *reply)
{
    reply->json =
        json_pack("{s:{s:i, s:s}}", "error", "code", reply->status, "message", err->message);
}
