// SPDX-License-Identifier: Apache-2.0
// What tables say of one value, as JSON Schema.
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct value_shape {    // borrowed
    const char *type;   // "string", "integer", "array"…; NULL: any
    bool may_be_null;   // with a type
    const char *format; // "uuid"; NULL: none
    int64_t min, max; // value of an integer, items of an array, else characters; both 0: unbounded
    const char *const *values; // allowed texts, NULL-terminated; or NULL
    const char *help;          // or NULL
};
json_t *value_schema(const struct value_shape *shape); // new reference
