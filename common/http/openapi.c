// SPDX-License-Identifier: Apache-2.0
// OpenAPI 3.1 from the route tables.
#include "common/http/http.h"

#include <string.h>

static json_t *
parameters_of(const struct route *route)
{
    json_t *parameters = json_array();
    for (const char *at = strchr(route->path, '{'); at; at = strchr(at + 1, '{')) {
        g_autofree char *name = g_strndup(at + 1, strcspn(at + 1, "}."));
        json_array_append_new(parameters,
                              json_pack("{s:s, s:s, s:b, s:{s:s}}", "name", name, "in", "path",
                                        "required", 1, "schema", "type", "string"));
    }
    for (const char *const *query = route->query; query && *query; query++) {
        json_array_append_new(parameters, json_pack("{s:s, s:s, s:{s:s}}", "name", *query, "in",
                                                    "query", "schema", "type", "string"));
    }
    return parameters;
}

static json_t *
operation_of(const struct route *route)
{
    char status[8];
    g_snprintf(status, sizeof(status), "%d", route->status ? route->status : 200);
    json_t *operation = json_pack(
        "{s:s, s:o, s:{s:{s:s}, s:{s:s}}}", "summary", route->summary ? route->summary : "",
        "parameters", parameters_of(route), "responses", status, "description", "success",
        "default", "description", "error, in the service's documented form");
    if (route->body) {
        json_object_set_new(operation, "requestBody",
                            json_pack("{s:b, s:{s:{s:o}}}", "required",
                                      !(route->flags & ROUTE_OPTIONAL_BODY), "content",
                                      "application/json", "schema", body_schema(route->body)));
    }
    if (!(route->flags & ROUTE_PUBLIC)) {
        json_object_set_new(operation, "security", json_pack("[{s:[]}]", "token"));
    }
    if (route->policy) {
        json_object_set_new(operation, "x-policy", json_string(route->policy));
    }
    if (route->min_version || route->max_version) {
        json_object_set_new(operation, "x-microversions",
                            json_pack("[i, i]", route->min_version, route->max_version));
    }
    if (route->describe) {
        route->describe(route, operation);
    }
    return operation;
}

json_t *
http_openapi(const char *title, const char *version, const struct route *const *routes)
{
    json_t *paths = json_object();
    for (; *routes; routes++) {
        for (const struct route *route = *routes; route->method; route++) {
            json_t *path = json_object_get(paths, route->path);
            if (!path) {
                path = json_object();
                json_object_set_new(paths, route->path, path);
            }
            g_autofree char *method = g_ascii_strdown(route->method, -1);
            json_object_set_new(path, method, operation_of(route));
        }
    }
    return json_pack("{s:s, s:{s:s, s:s}, s:o, s:{s:{s:{s:s, s:s, s:s}}}}", "openapi", "3.1.0",
                     "info", "title", title, "version", version, "paths", paths, "components",
                     "securitySchemes", "token", "type", "apiKey", "in", "header", "name",
                     "X-Auth-Token");
}
