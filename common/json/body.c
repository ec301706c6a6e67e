// SPDX-License-Identifier: Apache-2.0
#include "common/json/body.h"
#include "common/json/schema.h"

#include "common/base/util.h"

#include <inttypes.h>
#include <string.h>

enum { DEFAULT_MAX_CHARS = 65535 };

static const char *const type_names[] = {
    [FIELD_TEXT] = "string",  [FIELD_UUID] = "string",   [FIELD_INT] = "integer",
    [FIELD_BOOL] = "boolean", [FIELD_OBJECT] = "object", [FIELD_ARRAY] = "array",
    [FIELD_ANY] = NULL,
};

static enum rc
wrong(const struct field *field, struct err *err, const char *what)
{
    return fault(err, RC_INVALID, "Invalid input for field '%s': %s", field->name, what);
}

static enum rc
decode_text(const struct field *field, json_t *value, const char **ret_text, struct err *err)
{
    if (!json_is_string(value)) {
        return wrong(field, err, "it is not of type 'string'");
    }
    const char *text = json_string_value(value);
    if (strlen(text) != json_string_length(value)) {
        return wrong(field, err, "it contains a NUL character");
    }
    int64_t n_chars = g_utf8_strlen(text, -1), max = field->max ? field->max : DEFAULT_MAX_CHARS;
    if (n_chars < field->min) {
        return fault(err, RC_INVALID,
                     "Invalid input for field '%s': it is too short (minimum %" PRId64
                     " characters)",
                     field->name, field->min);
    }
    if (n_chars > max) {
        return fault(err, RC_INVALID,
                     "Invalid input for field '%s': it is too long (maximum %" PRId64
                     " characters)",
                     field->name, max);
    }
    if (field->type == FIELD_UUID && !uuid_is_valid(text)) {
        return wrong(field, err, "it is not a 'uuid'");
    }
    for (const char *const *allowed = field->values; allowed; allowed++) {
        if (!*allowed) {
            return fault(err, RC_INVALID,
                         "Invalid input for field '%s': '%.100s' is not one of the allowed values",
                         field->name, text);
        }
        if (strcmp(*allowed, text) == 0) {
            break;
        }
    }
    *ret_text = text;
    return RC_OK;
}

static enum rc
decode_int(const struct field *field, json_t *value, int64_t *ret_number, struct err *err)
{
    int64_t number;
    if (json_is_integer(value)) {
        number = json_integer_value(value);
    } else if (!(field->flags & FIELD_LAX) || !json_is_string(value) ||
               !parse_int64(json_string_value(value), INT64_MIN, INT64_MAX, &number)) {
        return wrong(field, err, "it is not of type 'integer'");
    }
    if ((field->min || field->max) && (number < field->min || number > field->max)) {
        return fault(err, RC_INVALID,
                     "Invalid input for field '%s': %" PRId64 " is not between %" PRId64
                     " and %" PRId64,
                     field->name, number, field->min, field->max);
    }
    *ret_number = number;
    return RC_OK;
}

static enum rc
decode_bool(const struct field *field, json_t *value, bool *ret_flag, struct err *err)
{
    if (json_is_boolean(value)) {
        *ret_flag = json_is_true(value);
        return RC_OK;
    }
    if ((field->flags & FIELD_LAX) && json_is_string(value) &&
        parse_bool(json_string_value(value), ret_flag)) {
        return RC_OK;
    }
    return wrong(field, err, "it is not of type 'boolean'");
}

static enum rc
decode_json(const struct field *field, json_t *value, json_t **ret_value, struct err *err)
{
    if (field->type == FIELD_OBJECT && !json_is_object(value)) {
        return wrong(field, err, "it is not of type 'object'");
    }
    if (field->type == FIELD_ARRAY) {
        if (!json_is_array(value)) {
            return wrong(field, err, "it is not of type 'array'");
        }
        int64_t n_items = (int64_t)json_array_size(value);
        if ((field->min || field->max) && (n_items < field->min || n_items > field->max)) {
            return wrong(field, err, "it has too few or too many items");
        }
    }
    *ret_value = value;
    return RC_OK;
}

static enum rc
decode_field(const struct field *field, json_t *value, void *at, struct err *err)
{
    if (json_is_null(value) && field->type != FIELD_ANY) {
        return field->flags & FIELD_NULLABLE ? RC_OK : wrong(field, err, "it must not be null");
    }
    switch (field->type) {
    case FIELD_TEXT:
    case FIELD_UUID:
        return decode_text(field, value, at, err);
    case FIELD_INT:
        return decode_int(field, value, at, err);
    case FIELD_BOOL:
        return decode_bool(field, value, at, err);
    default:
        return decode_json(field, value, at, err);
    }
}

static int
find_field(const struct body_spec *spec, const char *name)
{
    for (size_t i = 0; i < spec->n_fields; i++) {
        if (strcmp(spec->fields[i].name, name) == 0) {
            return (int)i;
        }
    }
    return -1;
}

static enum rc
decode_object(const struct body_spec *spec, json_t *object, void *ret_struct, uint64_t *ret_present,
              struct err *err)
{
    const char *name;
    json_t *value;
    json_object_foreach(object, name, value)
    {
        int i = find_field(spec, name);
        if (i < 0) {
            if (spec->unknown == BODY_ALLOW_UNKNOWN) {
                continue;
            }
            return fault(err, RC_INVALID,
                         "Additional properties are not allowed ('%.100s' was unexpected)", name);
        }
        enum rc rc =
            decode_field(&spec->fields[i], value, (char *)ret_struct + spec->fields[i].offset, err);
        if (rc != RC_OK) {
            return rc;
        }
        *ret_present |= UINT64_C(1) << i;
    }
    for (size_t i = 0; i < spec->n_fields; i++) {
        if ((spec->fields[i].flags & FIELD_REQUIRED) && !(*ret_present >> i & 1)) {
            return fault(err, RC_INVALID, "Invalid input: '%s' is a required property",
                         spec->fields[i].name);
        }
    }
    return RC_OK;
}

enum rc
body_decode(const struct body_spec *spec, json_t *root, void *ret_struct, uint64_t *ret_present,
            struct err *err)
{
    g_assert(spec->n_fields <= 64);
    memset(ret_struct, 0, spec->struct_size);
    if (!json_is_object(root)) {
        return fault(err, RC_INVALID, "The request body is not a JSON object");
    }
    json_t *object = root;
    if (spec->envelope) {
        object = json_object_get(root, spec->envelope);
        if (!json_is_object(object)) {
            return fault(err, RC_INVALID,
                         "Invalid input: '%s' is a required property and must be an object",
                         spec->envelope);
        }
        if (json_object_size(root) != 1 && spec->unknown == BODY_REFUSE_UNKNOWN) {
            return fault(err, RC_INVALID, "Additional properties are not allowed beside '%s'",
                         spec->envelope);
        }
    }
    uint64_t present = 0;
    enum rc rc = decode_object(spec, object, ret_struct, &present, err);
    if (rc == RC_OK && ret_present) {
        *ret_present = present;
    }
    return rc;
}

static json_t *
field_schema(const struct field *field)
{
    const struct value_shape shape = {.type = type_names[field->type],
                                      .may_be_null = field->flags & FIELD_NULLABLE,
                                      .min = field->min,
                                      .max = field->max,
                                      .values = field->values,
                                      .help = field->help};
    return value_schema(&shape);
}

json_t *
body_schema(const struct body_spec *spec)
{
    json_t *properties = json_object(), *required = json_array();
    for (size_t i = 0; i < spec->n_fields; i++) {
        json_object_set_new(properties, spec->fields[i].name, field_schema(&spec->fields[i]));
        if (spec->fields[i].flags & FIELD_REQUIRED) {
            json_array_append_new(required, json_string(spec->fields[i].name));
        }
    }
    json_t *object =
        json_pack("{s:s, s:o, s:o, s:b}", "type", "object", "properties", properties, "required",
                  required, "additionalProperties", spec->unknown == BODY_ALLOW_UNKNOWN);
    return spec->envelope ? json_pack("{s:s, s:{s:o}, s:[s]}", "type", "object", "properties",
                                      spec->envelope, object, "required", spec->envelope)
                          : object;
}
