// SPDX-License-Identifier: Apache-2.0
// One table of fields decodes a JSON body into a C struct, refuses unknown, missing, duplicate and
// mistyped fields by name, and publishes the OpenAPI schema. Duplicate keys are refused by the
// parser.
#pragma once
#include "common/base/err.h"
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

enum field_type {
    FIELD_TEXT,   // const char *   (borrowed from the body)
    FIELD_UUID,   // const char *
    FIELD_INT,    // int64_t        (integers; text digits too when FIELD_LAX)
    FIELD_BOOL,   // bool           (text "true"/"false" too when FIELD_LAX)
    FIELD_OBJECT, // json_t *       (borrowed)
    FIELD_ARRAY,  // json_t *
    FIELD_ANY,    // json_t *
};
enum field_flag {
    FIELD_REQUIRED = 1,
    FIELD_NULLABLE = 2, // null decodes as absent (pointer NULL); `ret_present` bit is still set
    FIELD_LAX = 4,      // accept the text form of numbers and booleans, as Nova and Neutron do
    FIELD_SECRET = 8,   // never logged, never encoded
};
struct field {
    const char *name;
    enum field_type type;
    unsigned flags;
    size_t offset;    // in the decoded struct
    int64_t min, max; // characters, value, or items; both 0: unbounded (texts then at most 65,535)
    const char *const *values; // FIELD_TEXT: allowed values, NULL-terminated; or NULL
    const char *help;
};
// FIELD(struct server_create, name, "name", FIELD_TEXT, FIELD_REQUIRED, 1, 255)
#define FIELD(struct_type, member, json_name, field_type, field_flags, ...) \
    {                                                                       \
        .name = json_name, .type = field_type, .flags = field_flags,        \
        .offset = offsetof(struct_type, member), BODY_RANGE_(__VA_ARGS__)   \
    }
#define BODY_RANGE_(...) BODY_RANGE2_(__VA_ARGS__ __VA_OPT__(, ) 0, 0)
#define BODY_RANGE2_(low, high, ...) .min = low, .max = high

enum body_unknown { BODY_REFUSE_UNKNOWN, BODY_ALLOW_UNKNOWN };
struct body_spec {
    const char *envelope; // "server": {"server": {…}}; NULL: the object itself
    const struct field *fields;
    size_t n_fields; // at most 64
    size_t struct_size;
    enum body_unknown unknown;
};
// root: the whole body. ret_struct (struct_size bytes) is zeroed first; ret_present (may be NULL)
// gets bit i for fields[i]. RC_INVALID names the field: "invalid input for field 'name': …".
enum rc body_decode(const struct body_spec *spec, json_t *root, void *ret_struct,
                    uint64_t *ret_present, struct err *err) CHECKED;
json_t *body_schema(const struct body_spec *spec); // JSON Schema, new reference
