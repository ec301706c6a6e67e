// SPDX-License-Identifier: Apache-2.0
// Checks what a client gave for a resource against its attribute table.
#include "common/resource/internal.h"

#include "common/base/util.h"

#include <inttypes.h>
#include <string.h>

enum { DEFAULT_MAX_TEXT = 255 };

static enum rc
wrong(const char *name, const char *reason, struct err *err)
{
    return fault_typed(err, RC_INVALID, "HTTPBadRequest", "Invalid input for %s. Reason: %s.", name,
                       reason);
}

static enum rc
check_text(const struct attribute *attribute, json_t *value, struct err *err)
{
    if (!json_is_string(value)) {
        return wrong(attribute->name, "it is not a valid string", err);
    }
    const char *text = json_string_value(value);
    int64_t max = attribute->max ? attribute->max : DEFAULT_MAX_TEXT,
            n_chars = g_utf8_strlen(text, -1);
    if (strlen(text) != json_string_length(value)) {
        return wrong(attribute->name, "it contains a NUL character", err);
    }
    if (n_chars > max) {
        return fault_typed(err, RC_INVALID, "HTTPBadRequest",
                           "Invalid input for %s. Reason: it exceeds maximum length of %" PRId64
                           ".",
                           attribute->name, max);
    }
    if (n_chars < attribute->min && !(n_chars == 0 && (attribute->flags & ATTR_BLANK))) {
        return wrong(attribute->name, "it is too short", err);
    }
    if (attribute->type == ATTR_UUID && !uuid_is_valid(text)) {
        return fault_typed(err, RC_INVALID, "HTTPBadRequest",
                           "Invalid input for %s. Reason: '%.80s' is not a valid UUID.",
                           attribute->name, text);
    }
    for (const char *const *allowed = attribute->values; allowed; allowed++) {
        if (!*allowed) {
            return fault_typed(
                err, RC_INVALID, "HTTPBadRequest",
                "Invalid input for %s. Reason: '%.80s' is not one of the valid values.",
                attribute->name, text);
        }
        if (strcmp(*allowed, text) == 0) {
            break;
        }
    }
    return RC_OK;
}

// Numbers as digits and booleans as words or 0 and 1 are converted: *value is replaced.
static enum rc
check_number(const struct attribute *attribute, json_t **value, struct err *err)
{
    int64_t number;
    if (json_is_integer(*value)) {
        number = json_integer_value(*value);
    } else if (!json_is_string(*value) ||
               !parse_int64(json_string_value(*value), INT64_MIN, INT64_MAX, &number)) {
        return wrong(attribute->name, "it is not an integer", err);
    }
    if ((attribute->min || attribute->max) &&
        (number < attribute->min || number > attribute->max)) {
        return fault_typed(err, RC_INVALID, "HTTPBadRequest",
                           "Invalid input for %s. Reason: %" PRId64 " is not in range %" PRId64
                           " to %" PRId64 ".",
                           attribute->name, number, attribute->min, attribute->max);
    }
    json_decref(*value);
    *value = json_integer(number);
    return RC_OK;
}

static enum rc
check_bool(const struct attribute *attribute, json_t **value, struct err *err)
{
    bool flag;
    if (json_is_boolean(*value)) {
        return RC_OK;
    }
    if (json_is_integer(*value) &&
        (json_integer_value(*value) == 0 || json_integer_value(*value) == 1)) {
        flag = json_integer_value(*value) == 1;
    } else if (!json_is_string(*value) || !parse_bool(json_string_value(*value), &flag)) {
        return wrong(attribute->name, "it cannot be converted to boolean", err);
    }
    json_decref(*value);
    *value = json_boolean(flag);
    return RC_OK;
}

static enum rc
check_time(const struct attribute *attribute, json_t *value, struct err *err)
{
    int64_t time_us;
    bool valid = json_is_string(value) && iso8601_parse(json_string_value(value), &time_us);
    return valid ? RC_OK : wrong(attribute->name, "it is not a valid ISO 8601 time", err);
}

static enum rc
check_size(const struct attribute *attribute, json_t *value, struct err *err)
{
    int64_t n_items = (int64_t)json_array_size(value);
    bool bounded = json_is_array(value) && (attribute->min || attribute->max);
    return bounded && (n_items < attribute->min || n_items > attribute->max)
               ? wrong(attribute->name, "it has too few or too many items", err)
               : RC_OK;
}

static enum rc
check_value(const struct attribute *attribute, json_t **value, struct err *err)
{
    if (json_is_null(*value)) {
        return attribute->flags & ATTR_NULLABLE
                   ? RC_OK
                   : wrong(attribute->name, "it must not be null", err);
    }
    switch (attribute->type) {
    case ATTR_TEXT:
    case ATTR_UUID:
        return check_text(attribute, *value, err);
    case ATTR_INT:
        return check_number(attribute, value, err);
    case ATTR_BOOL:
        return check_bool(attribute, value, err);
    case ATTR_TIME:
        return check_time(attribute, *value, err);
    case ATTR_ARRAY:
        return json_is_array(*value) ? check_size(attribute, *value, err)
                                     : wrong(attribute->name, "it is not a list", err);
    case ATTR_OBJECT:
        return json_is_object(*value) ? RC_OK
                                      : wrong(attribute->name, "it is not a dictionary", err);
    default:
        return RC_OK;
    }
}

static enum rc
may_set(const struct resource_op *op, const struct attribute *attribute, bool is_create,
        struct err *err)
{
    if (!(attribute->flags & (is_create ? ATTR_CREATE : ATTR_UPDATE))) {
        return fault_typed(err, RC_INVALID, "HTTPBadRequest", "Attribute '%s' not allowed in %s",
                           attribute->name, is_create ? "POST" : request_method(op->request));
    }
    if ((attribute->flags & ATTR_ADMIN_SET) && !requester_sees_all(op->request)) {
        return fault_typed(
            err, RC_FORBIDDEN, "PolicyNotAuthorized", "(rule:%s_%s:%s) is disallowed by policy",
            is_create ? "create" : "update", op->resource->singular, attribute->name);
    }
    return RC_OK;
}

static enum rc
set_owner(struct resource_op *op, const char *name, json_t *value, bool is_create, struct err *err)
{
    if (!json_is_string(value) || !is_create || strlen(json_string_value(value)) > 255) {
        return wrong(name, is_create ? "it is not a valid string" : "it cannot be changed", err);
    }
    const char *owner = json_string_value(value);
    if (*owner && strcmp(owner, op->project_id) != 0 && !requester_sees_all(op->request)) {
        return fault_typed(err, RC_FORBIDDEN, "PolicyNotAuthorized",
                           "rule:create_%s is disallowed by policy: %s is another project's",
                           op->resource->singular, name);
    }
    if (*owner) {
        op->project_id = request_strdup(op->request, owner);
    }
    return RC_OK;
}

static enum rc
unknown(struct resource_op *op, const char *name, json_t *value, json_t *extra, struct err *err)
{
    bool keep = op->resource->style & RESOURCE_KEEP_UNKNOWN;
    if (!keep) {
        return fault_typed(err, RC_INVALID, "HTTPBadRequest", "Unrecognized attribute(s) '%.100s'",
                           name);
    }
    if (strlen(name) > 255) {
        return wrong("attribute name", "it exceeds maximum length of 255", err);
    }
    if (strcmp(name, "links") != 0 && strcmp(name, "id") != 0) {
        json_object_set(extra, name, value);
    }
    return RC_OK;
}

static enum rc
check_given(struct resource_op *op, bool is_create, json_t *extra, struct err *err)
{
    const char *name;
    json_t *given;
    json_object_foreach(op->input, name, given)
    {
        const struct attribute *attribute = resource_attribute(op->resource, name);
        bool owner = (op->resource->style & RESOURCE_TENANT) &&
                     (strcmp(name, "project_id") == 0 || strcmp(name, "tenant_id") == 0);
        enum rc rc;
        if (owner) {
            rc = set_owner(op, name, given, is_create, err);
        } else if (!attribute) {
            rc = unknown(op, name, given, extra, err);
        } else {
            json_t *value = json_incref(given);
            rc = may_set(op, attribute, is_create, err);
            rc = rc == RC_OK ? check_value(attribute, &value, err) : rc;
            if (rc == RC_OK && !(attribute->flags & ATTR_VIRTUAL)) {
                json_object_set(op->values, attribute_column(attribute), value);
            } else if (rc == RC_OK && value != given) {
                json_object_set(
                    op->input, name,
                    value); // hooks read the converted form; the key exists, so iteration is safe
            }
            json_decref(value);
        }
        if (rc != RC_OK) {
            return rc;
        }
    }
    return RC_OK;
}

static enum rc
fill_defaults(struct resource_op *op, struct err *err)
{
    for (const struct attribute *attribute = op->resource->attributes; attribute->name;
         attribute++) {
        if (json_object_get(op->input, attribute->name)) {
            continue;
        }
        if (attribute->flags & ATTR_REQUIRED) {
            return fault_typed(err, RC_INVALID, "HTTPBadRequest",
                               "Failed to parse request. Required attribute '%s' not specified",
                               attribute->name);
        }
        if (attribute->default_json) {
            json_t *value = json_loads(attribute->default_json, JSON_DECODE_ANY, NULL);
            g_assert(value);
            json_object_set_new(attribute->flags & ATTR_VIRTUAL ? op->input : op->values,
                                attribute->flags & ATTR_VIRTUAL ? attribute->name
                                                                : attribute_column(attribute),
                                value);
        }
    }
    return RC_OK;
}

enum rc
check_input(struct resource_op *op, bool is_create, struct err *err)
{
    json_auto_t *extra = json_object();
    enum rc rc = check_given(op, is_create, extra, err);
    if (rc == RC_OK && is_create) {
        rc = fill_defaults(op, err);
    }
    if (rc == RC_OK && json_object_size(extra)) {
        json_object_set(op->values, "extra", extra);
    }
    return rc;
}
