// SPDX-License-Identifier: Apache-2.0
#include "common/json/schema.h"

#include <string.h>

static const struct {
    const char *type, *low, *high; // type NULL: all others
} bounds[] = {{"integer", "minimum", "maximum"},
              {"array", "minItems", "maxItems"},
              {NULL, "minLength", "maxLength"}};

static void
add_bounds(json_t *schema, const struct value_shape *shape)
{
    size_t i = 0;
    while (bounds[i].type && (!shape->type || strcmp(bounds[i].type, shape->type))) {
        i++;
    }
    if (shape->min || shape->max) {
        json_object_set_new(schema, bounds[i].low, json_integer(shape->min));
        json_object_set_new(schema, bounds[i].high, json_integer(shape->max));
    }
}

json_t *
value_schema(const struct value_shape *shape)
{
    json_t *schema = json_object();
    if (shape->type) {
        json_object_set_new(schema, "type",
                            shape->may_be_null ? json_pack("[ss]", shape->type, "null")
                                               : json_string(shape->type));
    }
    if (shape->format) {
        json_object_set_new(schema, "format", json_string(shape->format));
    }
    add_bounds(schema, shape);
    if (shape->values && shape->values[0]) {
        json_t *allowed = json_array();
        for (const char *const *value = shape->values; *value; value++) {
            json_array_append_new(allowed, json_string(*value));
        }
        json_object_set_new(schema, "enum", allowed);
    }
    if (shape->help) {
        json_object_set_new(schema, "description", json_string(shape->help));
    }
    return schema;
}
