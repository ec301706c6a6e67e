// SPDX-License-Identifier: Apache-2.0
// JSON Schema as far as the metadata definitions use it: type, enum, minLength 1, maxLength,
// minimum, items, minItems, uniqueItems, properties, additionalProperties, required and $ref to
// definitions. Pure.
#include "services/image/metadef/metadef.h"

#include <string.h>

#define MAX_DEPTH 16

struct check {
    json_t *root;
    struct err *err;
    const char *member; // where we are, for messages
    int depth;
};

static enum rc check_value(struct check *check, json_t *schema, json_t *value);

static bool
is_of_type(const char *type, const json_t *value)
{
    static const char *const names[] = {
        [JSON_OBJECT] = "object",   [JSON_ARRAY] = "array", [JSON_STRING] = "string",
        [JSON_INTEGER] = "integer", [JSON_REAL] = "number", [JSON_TRUE] = "boolean",
        [JSON_FALSE] = "boolean",   [JSON_NULL] = "null",
    };
    return !strcmp(type, names[json_typeof(value)]) ||
           (json_is_number(value) && !strcmp(type, "number"));
}

static bool
holds(const json_t *array, const json_t *value, size_t before)
{
    for (size_t i = 0; i < before; i++) {
        if (json_equal(json_array_get(array, i), value)) {
            return true;
        }
    }
    return false;
}

static enum rc
check_array(struct check *check, json_t *schema, json_t *value)
{
    json_t *items = json_object_get(schema, "items"), *each;
    bool is_unique = json_is_true(json_object_get(schema, "uniqueItems"));
    size_t i;
    if ((json_int_t)json_array_size(value) <
        json_integer_value(json_object_get(schema, "minItems"))) {
        return fault(check->err, RC_INVALID, "'%.80s' has too few items", check->member);
    }
    json_array_foreach(value, i, each)
    {
        if (is_unique && holds(value, each, i)) {
            return fault(check->err, RC_INVALID, "'%.80s' has the same item twice", check->member);
        }
        enum rc rc = items ? check_value(check, items, each) : RC_OK;
        if (rc != RC_OK) {
            return rc;
        }
    }
    return RC_OK;
}

static enum rc
check_object(struct check *check, json_t *schema, json_t *value)
{
    json_t *known = json_object_get(schema, "properties");
    json_t *others = json_object_get(schema, "additionalProperties"), *each;
    const char *name, *outside = check->member;
    size_t i;
    json_array_foreach(json_object_get(schema, "required"), i, each)
    {
        if (!json_object_get(value, json_string_value(each))) {
            return fault(check->err, RC_INVALID, "'%s' is a required property of '%.80s'",
                         json_string_value(each), check->member);
        }
    }
    json_object_foreach(value, name, each)
    {
        if (!*name) { // no path could name it again
            return fault(check->err, RC_INVALID, "'%.80s' has a member without a name", outside);
        }
        json_t *one = json_object_get(known, name);
        if (!one && json_is_false(others)) {
            return fault(check->err, RC_INVALID,
                         "Additional properties are not allowed ('%.80s' was unexpected)", name);
        }
        one = one ? one : others;
        check->member = name;
        enum rc rc = json_is_object(one) ? check_value(check, one, each) : RC_OK;
        if (rc != RC_OK) {
            return rc;
        }
    }
    check->member = outside;
    return RC_OK;
}

static enum rc
check_scalar(const struct check *check, json_t *schema, json_t *value)
{
    json_t *longest = json_object_get(schema, "maxLength");
    json_t *least = json_object_get(schema, "minimum"), *choices = json_object_get(schema, "enum");
    if (longest && json_is_string(value) &&
        g_utf8_strlen(json_string_value(value), -1) > json_integer_value(longest)) {
        return fault(check->err, RC_INVALID, "'%.80s' is too long, at most %lld characters",
                     check->member, (long long)json_integer_value(longest));
    }
    if (json_is_string(value) && !*json_string_value(value) &&
        json_integer_value(json_object_get(schema, "minLength")) > 0) {
        return fault(check->err, RC_INVALID, "'%.80s' is empty", check->member);
    }
    if (least && json_is_number(value) && json_number_value(value) < json_number_value(least)) {
        return fault(check->err, RC_INVALID, "'%.80s' is less than the minimum of %lld",
                     check->member, (long long)json_integer_value(least));
    }
    if (choices && !holds(choices, value, json_array_size(choices))) {
        g_autofree char *shown = json_dumps(choices, JSON_COMPACT);
        return fault(check->err, RC_INVALID, "'%.80s' is not one of %s", check->member, shown);
    }
    return RC_OK;
}

// "#/definitions/name"
static json_t *
definition_of(const struct check *check, json_t *schema)
{
    const char *reference = json_string_value(json_object_get(schema, "$ref"));
    return reference ? json_object_get(json_object_get(check->root, "definitions"),
                                       strrchr(reference, '/') + 1)
                     : schema;
}

static enum rc
check_value(struct check *check, json_t *schema, json_t *value)
{
    schema = definition_of(check, schema);
    const char *type = json_string_value(json_object_get(schema, "type"));
    if (++check->depth > MAX_DEPTH) {
        return fault(check->err, RC_INVALID, "'%.80s' is nested too deep", check->member);
    }
    if (type && !is_of_type(type, value)) {
        return fault(check->err, RC_INVALID, "'%.80s' is not of type '%s'", check->member, type);
    }
    enum rc rc = json_is_array(value)    ? check_array(check, schema, value)
                 : json_is_object(value) ? check_object(check, schema, value)
                                         : RC_OK;
    check->depth--;
    return rc == RC_OK ? check_scalar(check, schema, value) : rc;
}

enum rc
schema_check(json_t *schema, json_t *value, struct err *err)
{
    const char *name = json_string_value(json_object_get(schema, "name"));
    struct check check = {schema, err, name ? name : "body", 0};
    if (!json_is_object(value)) {
        return fault(err, RC_INVALID, "'%s' is not of type 'object'", check.member);
    }
    return check_value(&check, schema, value);
}
