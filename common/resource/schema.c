// SPDX-License-Identifier: Apache-2.0
// What the attribute table says about requests, as OpenAPI.
#include "common/json/schema.h"
#include "common/resource/internal.h"

#include <string.h>

static const char *const type_names[] = {
    [ATTR_TEXT] = "string",  [ATTR_UUID] = "string",   [ATTR_INT] = "integer",
    [ATTR_BOOL] = "boolean", [ATTR_TIME] = "string",   [ATTR_JSON] = NULL,
    [ATTR_ARRAY] = "array",  [ATTR_OBJECT] = "object",
};
static const char *const formats[] = {
    [ATTR_UUID] = "uuid", [ATTR_TIME] = "date-time", [ATTR_OBJECT] = NULL};

static json_t *
attribute_schema(const struct attribute *attribute)
{
    const struct value_shape shape = {.type = type_names[attribute->type],
                                      .may_be_null = attribute->flags & ATTR_NULLABLE,
                                      .format = formats[attribute->type],
                                      .min = attribute->min,
                                      .max = attribute->max,
                                      .values = attribute->values,
                                      .help = attribute->help};
    json_t *schema = value_schema(&shape);
    if (attribute->default_json) {
        json_object_set_new(schema, "default",
                            json_loads(attribute->default_json, JSON_DECODE_ANY, NULL));
    }
    if (attribute->flags & ATTR_ADMIN_SET) {
        json_object_set_new(schema, "x-admin-only", json_true());
    }
    return schema;
}

static void
describe_body(const struct resource *resource, unsigned flag, json_t *operation)
{
    json_t *properties = json_object(), *required = json_array();
    for (const struct attribute *attribute = resource->attributes; attribute->name; attribute++) {
        if (attribute->flags & flag) {
            json_object_set_new(properties, attribute->name, attribute_schema(attribute));
        }
        if (flag == ATTR_CREATE && (attribute->flags & ATTR_REQUIRED)) {
            json_array_append_new(required, json_string(attribute->name));
        }
    }
    json_t *object =
        json_pack("{s:s, s:o, s:o, s:b}", "type", "object", "properties", properties, "required",
                  required, "additionalProperties", (resource->style & RESOURCE_KEEP_UNKNOWN) != 0);
    json_object_set_new(operation, "requestBody",
                        json_pack("{s:b, s:{s:{s:{s:s, s:{s:o}, s:[s]}}}}", "required", 1,
                                  "content", "application/json", "schema", "type", "object",
                                  "properties", resource->singular, object, "required",
                                  resource->singular));
}

static void
describe_list(const struct resource *resource, json_t *operation)
{
    static const char *const pages[] = {"limit", "marker", "sort_key", "sort_dir", "fields", NULL};
    json_t *parameters = json_object_get(operation, "parameters");
    for (const struct attribute *attribute = resource->attributes; attribute->name; attribute++) {
        if (attribute->flags & ATTR_FILTER) {
            json_array_append_new(parameters,
                                  json_pack("{s:s, s:s, s:{s:s}}", "name", attribute->name, "in",
                                            "query", "schema", "type", "string"));
        }
    }
    for (const char *const *page = pages; *page; page++) {
        json_array_append_new(parameters, json_pack("{s:s, s:s, s:{s:s}}", "name", *page, "in",
                                                    "query", "schema", "type", "string"));
    }
}

// By method and path: services wrap the generic handlers.
void
resource_describe(const struct route *route, json_t *operation)
{
    const struct resource *resource = route->data;
    bool one = g_str_has_suffix(route->path, "}");
    if (strcmp(route->method, "GET") == 0 && !one) {
        describe_list(resource, operation);
    } else if (strcmp(route->method, "POST") == 0) {
        describe_body(resource, ATTR_CREATE, operation);
    } else if (strcmp(route->method, "PUT") == 0 || strcmp(route->method, "PATCH") == 0) {
        describe_body(resource, ATTR_UPDATE, operation);
    }
}
