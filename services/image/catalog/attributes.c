// SPDX-License-Identifier: Apache-2.0
#include "services/image/catalog/attributes.h"

#include "common/base/util.h"
#include "services/image/catalog/image_sql.h"

#include <string.h>

#define UUID_PATTERN \
    "^([0-9a-fA-F]){8}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){12}$"
#define MAX_INT 2147483647
#define RESERVED_NAMESPACE "os_glance"

// clang-format off
static const struct image_attribute attributes[] = {
    {"id", RULE_CREATE, "{\"type\": \"string\", \"pattern\": \"" UUID_PATTERN "\"}", "An identifier for the image"},
    {"name", RULE_WRITE, "{\"type\": [\"null\", \"string\"], \"maxLength\": 255}", "Descriptive name for the image"},
    {"status", RULE_READONLY, "{\"type\": \"string\", \"enum\": [\"queued\", \"saving\", \"active\", \"killed\", \"deleted\","
        " \"uploading\", \"importing\", \"pending_delete\", \"deactivated\"]}", "Status of the image"},
    {"visibility", RULE_WRITE, "{\"type\": \"string\", \"enum\": [\"community\", \"public\", \"private\", \"shared\"]}",
        "Scope of image accessibility"},
    {"protected", RULE_WRITE, "{\"type\": \"boolean\"}", "If true, image will not be deletable."},
    {"os_hidden", RULE_WRITE, "{\"type\": \"boolean\"}", "If true, image will not appear in default image list response."},
    {"checksum", RULE_READONLY, "{\"type\": [\"null\", \"string\"], \"maxLength\": 32}", "md5 hash of image contents."},
    {"os_hash_algo", RULE_READONLY, "{\"type\": [\"null\", \"string\"], \"maxLength\": 64}", "Algorithm to calculate the os_hash_value"},
    {"os_hash_value", RULE_READONLY, "{\"type\": [\"null\", \"string\"], \"maxLength\": 128}",
        "Hexdigest of the image contents using the algorithm specified by the os_hash_algo"},
    {"owner", RULE_WRITE, "{\"type\": [\"null\", \"string\"], \"maxLength\": 255}", "Owner of the image"},
    {"size", RULE_READONLY, "{\"type\": [\"null\", \"integer\"]}", "Size of image file in bytes"},
    {"virtual_size", RULE_READONLY, "{\"type\": [\"null\", \"integer\"]}", "Virtual size of image in bytes"},
    {"container_format", RULE_WRITE, "{\"type\": [\"null\", \"string\"], \"enum\": [null, \"bare\", \"ami\", \"ari\", \"aki\", \"ovf\","
        " \"ova\", \"docker\", \"compressed\"]}", "Format of the container"},
    {"disk_format", RULE_WRITE, "{\"type\": [\"null\", \"string\"], \"enum\": [null, \"raw\", \"ami\", \"ari\", \"aki\", \"qcow2\","
        " \"iso\", \"vmdk\", \"vdi\", \"vhd\", \"vhdx\"]}", "Format of the disk"},
    {"created_at", RULE_READONLY, "{\"type\": \"string\"}", "Date and time of image registration"},
    {"updated_at", RULE_READONLY, "{\"type\": \"string\"}", "Date and time of the last image modification"},
    {"tags", RULE_WRITE, "{\"type\": \"array\", \"items\": {\"type\": \"string\", \"maxLength\": 255}}", "List of strings related to the image"},
    {"direct_url", RULE_READONLY, "{\"type\": \"string\"}", "URL to access the image file kept in external store"},
    {"min_ram", RULE_WRITE, "{\"type\": \"integer\"}", "Amount of ram (in MB) required to boot image."},
    {"min_disk", RULE_WRITE, "{\"type\": \"integer\"}", "Amount of disk space (in GB) required to boot image."},
    {"self", RULE_READONLY, "{\"type\": \"string\"}", "An image self url"},
    {"file", RULE_READONLY, "{\"type\": \"string\"}", "An image file url"},
    {"stores", RULE_READONLY, "{\"type\": \"string\"}", "Stores in which image data resides, comma-separated."},
    {"schema", RULE_READONLY, "{\"type\": \"string\"}", "An image schema url"},
    {"locations", RULE_READONLY, "{\"type\": \"array\", \"items\": {\"type\": \"object\", \"properties\": {\"url\": {\"type\": \"string\","
        " \"maxLength\": 255}, \"metadata\": {\"type\": \"object\"}}, \"required\": [\"url\", \"metadata\"]}}",
        "URLs to access the image file kept in external store"},
};
static const struct image_attribute member_attributes[] = {
    {"member_id", RULE_CREATE, "{\"type\": \"string\"}", "An identifier for the image member (tenantId)"},
    {"image_id", RULE_READONLY, "{\"type\": \"string\", \"pattern\": \"" UUID_PATTERN "\"}", "An identifier for the image"},
    {"created_at", RULE_READONLY, "{\"type\": \"string\"}", "Date and time of image member creation"},
    {"updated_at", RULE_READONLY, "{\"type\": \"string\"}", "Date and time of last modification of image member"},
    {"status", RULE_WRITE, "{\"type\": \"string\", \"enum\": [\"pending\", \"accepted\", \"rejected\"]}", "The status of this image member"},
    {"schema", RULE_READONLY, "{\"type\": \"string\"}", "A member schema url"},
};
// What lists of tasks tell, then what only the task itself does.
static const struct image_attribute task_attributes[] = {
    {"id", RULE_CREATE, "{\"type\": \"string\", \"pattern\": \"" UUID_PATTERN "\"}", "An identifier for the task"},
    {"type", RULE_CREATE, "{\"type\": \"string\", \"enum\": [\"import\", \"api_image_import\", \"location_import\"]}", "What began the task"},
    {"status", RULE_CREATE, "{\"type\": \"string\", \"enum\": [\"pending\", \"processing\", \"success\", \"failure\"]}", "How far the task is"},
    {"owner", RULE_CREATE, "{\"type\": \"string\"}", "The project that the task is of"},
    {"image_id", RULE_CREATE, "{\"type\": \"string\"}", "The image that the task is about"},
    {"request_id", RULE_CREATE, "{\"type\": \"string\"}", "The request that began the task"},
    {"user_id", RULE_CREATE, "{\"type\": \"string\"}", "The user who began the task"},
    {"expires_at", RULE_CREATE, "{\"type\": [\"null\", \"string\"]}", "When the task is forgotten"},
    {"created_at", RULE_CREATE, "{\"type\": \"string\"}", "Date and time of the task's beginning"},
    {"updated_at", RULE_CREATE, "{\"type\": \"string\"}", "Date and time of the task's last change"},
    {"self", RULE_READONLY, "{\"type\": \"string\"}", "A task self url"},
    {"schema", RULE_READONLY, "{\"type\": \"string\"}", "A task schema url"},
    {"input", RULE_CREATE, "{\"type\": [\"null\", \"object\"]}", "What the task was asked to do"},
    {"result", RULE_CREATE, "{\"type\": [\"null\", \"object\"]}", "What came of the task"},
    {"message", RULE_CREATE, "{\"type\": \"string\"}", "Why the task failed"},
};
#define N_TASK_BRIEF (N_ELEMENTS(task_attributes) - 3)
// clang-format on
static const char *const reserved[] = {"location", "deleted", "deleted_at"};

const struct image_attribute *
image_attribute_find(const char *name)
{
    for (size_t i = 0; i < N_ELEMENTS(attributes); i++) {
        if (!strcmp(attributes[i].name, name)) {
            return &attributes[i];
        }
    }
    return NULL;
}

static bool
type_matches(json_t *schema, json_t *value)
{
    json_t *type = json_object_get(schema, "type");
    size_t n = json_is_array(type) ? json_array_size(type) : 1;
    for (size_t i = 0; i < n; i++) {
        const char *name = json_string_value(json_is_array(type) ? json_array_get(type, i) : type);
        if ((!strcmp(name, "null") && json_is_null(value)) ||
            (!strcmp(name, "string") && json_is_string(value)) ||
            (!strcmp(name, "boolean") && json_is_boolean(value)) ||
            (!strcmp(name, "integer") && json_is_integer(value)) ||
            (!strcmp(name, "array") && json_is_array(value))) {
            return true;
        }
    }
    return false;
}

static bool
is_listed(json_t *values, json_t *value)
{
    size_t i;
    json_t *each;
    json_array_foreach(values, i, each)
    {
        if (json_equal(each, value)) {
            return true;
        }
    }
    return values == NULL;
}

static enum rc
check_value(const struct image_attribute *attribute, json_t *value, struct err *err)
{
    json_auto_t *schema = json_loads(attribute->schema, 0, NULL);
    g_autofree char *shown = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    const char *text = json_string_value(value);
    if (!type_matches(schema, value) || !is_listed(json_object_get(schema, "enum"), value)) {
        return fault(err, RC_INVALID,
                     "Provided object does not match schema 'image': invalid value %.100s for '%s'",
                     shown, attribute->name);
    }
    json_t *longest = json_object_get(schema, "maxLength");
    if (text && longest && g_utf8_strlen(text, -1) > json_integer_value(longest)) {
        return fault(
            err, RC_INVALID,
            "Provided object does not match schema 'image': '%s' is longer than %lld characters",
            attribute->name, (long long)json_integer_value(longest));
    }
    if (json_object_get(schema, "pattern") && (!uuid_is_valid(text) || strlen(text) != UUID_LEN)) {
        return fault(err, RC_INVALID,
                     "Provided object does not match schema 'image': '%s' is not a UUID",
                     attribute->name);
    }
    if (json_is_integer(value) &&
        (json_integer_value(value) < 0 || json_integer_value(value) > MAX_INT)) {
        return fault(err, RC_INVALID, "Invalid value for '%s': must be between 0 and %d",
                     attribute->name, MAX_INT);
    }
    return RC_OK;
}

static enum rc
check_property(const char *name, json_t *value, struct err *err)
{
    if (!*name) { // no JSON pointer of a PATCH could name it again
        return fault(err, RC_INVALID, "Custom property should have a name.");
    }
    if (g_utf8_strlen(name, -1) > 255) {
        return fault(err, RC_INVALID, "Custom property should not be greater than 255 characters.");
    }
    if (value && !json_is_string(value)) {
        return fault(err, RC_INVALID,
                     "Provided object does not match schema 'image': custom property '%.255s' is "
                     "not a string",
                     name);
    }
    if (value && json_string_length(value) > 65535) {
        return fault(err, RC_INVALID, "The value of property '%.255s' is too long", name);
    }
    return RC_OK;
}

enum rc
image_attribute_check(const char *name, json_t *value, bool create, struct err *err)
{
    for (size_t i = 0; i < N_ELEMENTS(reserved); i++) {
        if (!strcmp(reserved[i], name)) {
            return fault(err, RC_FORBIDDEN, "Attribute '%s' is reserved.", name);
        }
    }
    if (g_str_has_prefix(name, RESERVED_NAMESPACE)) {
        return fault(err, RC_FORBIDDEN, "Attribute '%.255s' is reserved.", name);
    }
    const struct image_attribute *attribute = image_attribute_find(name);
    if (!attribute) {
        return check_property(name, value, err);
    }
    if (!strcmp(name, "locations")) {
        return fault(err, RC_FORBIDDEN,
                     "It's not allowed to update locations if locations are invisible.");
    }
    if (attribute->rule == RULE_READONLY || (attribute->rule == RULE_CREATE && !create)) {
        return fault(err, RC_FORBIDDEN, "Attribute '%s' is read-only.", name);
    }
    return value ? check_value(attribute, value, err) : RC_OK;
}

enum rc
image_tags_check(json_t *tags, json_t **ret_tags, struct err *err)
{
    json_auto_t *unique = json_array();
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    size_t i;
    json_t *tag;
    json_array_foreach(tags, i, tag)
    {
        const char *text = json_string_value(tag);
        if (!text || g_utf8_strlen(text, -1) > 255) {
            return fault(
                err, RC_INVALID,
                "Provided object does not match schema 'image': each of 'tags' must be a string of "
                "at most 255 characters");
        }
        if (g_hash_table_add(seen, (gpointer)text)) {
            json_array_append(unique, tag);
        }
    }
    if (json_array_size(unique) > MAX_TAGS) {
        return fault(err, RC_TOO_LARGE,
                     "The limit has been exceeded on the number of allowed image tags. "
                     "Attempted: %zu, Maximum: %d",
                     json_array_size(unique), MAX_TAGS);
    }
    *ret_tags = json_incref(unique);
    return RC_OK;
}

static json_t *
properties_of(const struct image_attribute *table, size_t n)
{
    json_t *properties = json_object();
    for (size_t i = 0; i < n; i++) {
        json_t *schema = json_loads(table[i].schema, 0, NULL);
        json_object_set_new(schema, "description", json_string(table[i].description));
        if (table[i].rule == RULE_READONLY && strcmp(table[i].name, "locations") != 0) {
            json_object_set_new(schema, "readOnly", json_true());
        }
        json_object_set_new(properties, table[i].name, schema);
    }
    return properties;
}

static json_t *
collection_of(const char *name, json_t *item)
{
    return json_pack(
        "{s:s, s:{s:{s:s, s:o}, s:{s:s}, s:{s:s}, s:{s:s}}, s:[{s:s,s:s},{s:s,s:s},{s:s,s:s}]}",
        "name", name, "properties", name, "type", "array", "items", item, "first", "type", "string",
        "next", "type", "string", "schema", "type", "string", "links", "rel", "first", "href",
        "{first}", "rel", "next", "href", "{next}", "rel", "describedby", "href", "{schema}");
}

static json_t *
image_item_schema(void)
{
    return json_pack("{s:s, s:o, s:{s:s}, s:[{s:s,s:s},{s:s,s:s},{s:s,s:s}]}", "name", "image",
                     "properties", properties_of(attributes, N_ELEMENTS(attributes)),
                     "additionalProperties", "type", "string", "links", "rel", "self", "href",
                     "{self}", "rel", "enclosure", "href", "{file}", "rel", "describedby", "href",
                     "{schema}");
}

static json_t *
plain_schema(const char *name, const struct image_attribute *table, size_t n)
{
    return json_pack("{s:s, s:o}", "name", name, "properties", properties_of(table, n));
}

json_t *
image_schema(const char *name)
{
    return !strcmp(name, "image")    ? image_item_schema()
           : !strcmp(name, "images") ? collection_of(name, image_item_schema())
           : !strcmp(name, "member")
               ? plain_schema("member", member_attributes, N_ELEMENTS(member_attributes))
           : !strcmp(name, "members")
               ? collection_of(
                     name, plain_schema("member", member_attributes, N_ELEMENTS(member_attributes)))
           : !strcmp(name, "task")
               ? plain_schema("task", task_attributes, N_ELEMENTS(task_attributes))
           : !strcmp(name, "tasks")
               ? collection_of(name, plain_schema("task", task_attributes, N_TASK_BRIEF))
               : NULL;
}
