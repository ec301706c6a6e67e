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

static enum rc
healthcheck(struct request *request, struct reply *reply, struct err *err)
{
    struct service *service = service_of(request);
    char detail[200] = "";
    bool database = !service->db || database_is_well(service);
    bool bus = !service->bus || bus_is_connected(service->bus);
    bool own =
        !service->def->healthy || service->def->healthy(service->context, detail, sizeof(detail));
    json_t *checks = json_object();
    if (service->db) {
        json_object_set_new(checks, "database", json_boolean(database));
    }
    if (service->bus) {
        json_object_set_new(checks, "bus", json_boolean(bus));
    }
    if (service->def->healthy) {
        json_object_set_new(checks, service->def->name,
                            *detail ? json_string(detail) : json_boolean(own));
    }
    // The bus only carries hints and work that is re-sent: without it the service still answers, so
    // it is reported only.
    reply->status = database && own ? 200 : 503;
    reply->json = json_pack("{s:s, s:s, s:o}", "status",
                            database && own ? (bus ? "ok" : "degraded") : "failed", "version",
                            HANEUL_VERSION, "checks", checks);
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
