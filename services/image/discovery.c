// SPDX-License-Identifier: Apache-2.0
// What this API is: versions, schemas, import methods, the project's usage of its quota.
#include "services/image/access.h"
#include "services/image/api.h"
#include "services/image/catalog/attributes.h"

// Newest first; what each brought is in the Image API's version history.
static const struct {
    const char *id;
    bool is_of_cache; // offered where one is kept
} versions[] = {
    {"2.18", true},  {"2.17", false}, {"2.16", true},  {"2.15", false}, {"2.14", true},
    {"2.13", false}, {"2.12", false}, {"2.11", false}, {"2.10", false}, {"2.9", false},
    {"2.8", false},  {"2.7", false},  {"2.6", false},  {"2.5", false},  {"2.4", false},
    {"2.3", false},  {"2.2", false},  {"2.1", false},  {"2.0", false},
};

static enum rc
versions_list(struct request *request, struct reply *reply, struct err *err)
{
    json_t *list = json_array();
    g_autofree char *href = g_strdup_printf("%s/v2/", request_base_url(request));
    bool has_cache = image_service_of(request)->cache != NULL;
    for (size_t i = 0; i < N_ELEMENTS(versions); i++) {
        if (versions[i].is_of_cache && !has_cache) {
            continue;
        }
        g_autofree char *id = g_strdup_printf("v%s", versions[i].id);
        json_array_append_new(list, json_pack("{s:s, s:s, s:[{s:s, s:s}]}", "id", id, "status",
                                              json_array_size(list) ? "SUPPORTED" : "CURRENT",
                                              "links", "rel", "self", "href", href));
    }
    reply->json = json_pack("{s:o}", "versions", list);
    return RC_OK;
}

static enum rc
schemas_show(struct request *request, struct reply *reply, struct err *err)
{
    const char *name = request_param(request, "name");
    reply->json = image_schema(name);
    return reply->json ? RC_OK : fault(err, RC_NOT_FOUND, "No schema is called '%.60s'", name);
}

static enum rc
info_import(struct request *request, struct reply *reply, struct err *err)
{
    g_auto(GStrv) methods = g_strsplit(IMPORT_METHODS, ",", -1);
    json_t *values = json_array();
    for (char **each = methods; *each; each++) {
        json_array_append_new(values, json_string(*each));
    }
    reply->json = json_pack("{s:{s:s, s:s, s:o}}", "import-methods", "description",
                            "Import methods available.", "type", "array", "value", values);
    return RC_OK;
}

static enum rc
info_usage(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db;
    json_auto_t *report = NULL;
    enum rc rc = request_db(request, &db, err);
    if (rc == RC_OK) {
        rc = quota_report(db, image_quotas, request_project(request), &report, err);
    }
    if (rc != RC_OK) {
        return rc;
    }
    json_t *usage = json_object(), *each;
    const char *name;
    json_object_foreach(report, name, each)
    {
        json_object_set_new(usage, name,
                            json_pack("{s:O, s:O}", "usage", json_object_get(each, "used"), "limit",
                                      json_object_get(each, "limit")));
    }
    reply->json = json_pack("{s:o}", "usage", usage);
    return RC_OK;
}

// clang-format off
const struct route discovery_routes[] = {
    {.method = "GET", .path = "/", .handle = versions_list, .flags = ROUTE_PUBLIC, .status = 300, .summary = "list versions"},
    {.method = "GET", .path = "/versions", .handle = versions_list, .flags = ROUTE_PUBLIC, .status = 200, .summary = "list versions"},
    {.method = "GET", .path = "/v2/schemas/{name}", .handle = schemas_show, .status = 200, .summary = "show a JSON schema"},
    {.method = "GET", .path = "/v2/info/import", .handle = info_import, .status = 200, .summary = "list import methods"},
    {.method = "GET", .path = "/v2/info/usage", .handle = info_usage, .status = 200, .summary = "show the project's quotas"},
    {0},
};
// clang-format on
