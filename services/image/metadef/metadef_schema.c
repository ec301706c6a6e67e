// SPDX-License-Identifier: Apache-2.0
// The schema documents of the metadata definitions; bodies are checked against them.
#include "common/base/util.h"
#include "services/image/metadef/metadef.h"

#include <string.h>

// clang-format off
#define TYPES "[\"array\", \"boolean\", \"integer\", \"number\", \"object\", \"string\", null]"
#define READ_ONLY_TIME(words) "{\"type\": \"string\", \"readOnly\": true, \"format\": \"date-time\", \"description\": \"" words "\"}"
#define READ_ONLY_TEXT "{\"type\": \"string\", \"readOnly\": true}"

static const char definitions[] = "{"
    "\"positiveInteger\": {\"type\": \"integer\", \"minimum\": 0},"
    "\"positiveIntegerDefault0\": {\"type\": \"integer\", \"minimum\": 0, \"default\": 0},"
    "\"stringArray\": {\"type\": \"array\", \"items\": {\"type\": \"string\"}, \"uniqueItems\": true}"
    "}";

static const char property_members[] = "{"
    "\"name\": {\"type\": \"string\", \"minLength\": 1, \"maxLength\": 80},"
    "\"title\": {\"type\": \"string\"},"
    "\"description\": {\"type\": \"string\"},"
    "\"operators\": {\"type\": \"array\", \"items\": {\"type\": \"string\"}},"
    "\"type\": {\"type\": \"string\", \"enum\": " TYPES "},"
    "\"required\": {\"$ref\": \"#/definitions/stringArray\"},"
    "\"minimum\": {\"type\": \"number\"},"
    "\"maximum\": {\"type\": \"number\"},"
    "\"maxLength\": {\"$ref\": \"#/definitions/positiveInteger\"},"
    "\"minLength\": {\"$ref\": \"#/definitions/positiveIntegerDefault0\"},"
    "\"pattern\": {\"type\": \"string\", \"format\": \"regex\"},"
    "\"enum\": {\"type\": \"array\"},"
    "\"readonly\": {\"type\": \"boolean\"},"
    "\"default\": {},"
    "\"items\": {\"type\": \"object\", \"properties\": {\"type\": {\"type\": \"string\", \"enum\": " TYPES "}, \"enum\": {\"type\": \"array\"}}},"
    "\"maxItems\": {\"$ref\": \"#/definitions/positiveInteger\"},"
    "\"minItems\": {\"$ref\": \"#/definitions/positiveIntegerDefault0\"},"
    "\"uniqueItems\": {\"type\": \"boolean\", \"default\": false},"
    "\"additionalItems\": {\"type\": \"boolean\"}"
    "}";

static const char object_members[] = "{"
    "\"name\": {\"type\": \"string\", \"minLength\": 1, \"maxLength\": 80},"
    "\"description\": {\"type\": \"string\"},"
    "\"required\": {\"$ref\": \"#/definitions/stringArray\"},"
    "\"properties\": {\"$ref\": \"#/definitions/property\"},"
    "\"schema\": " READ_ONLY_TEXT ", \"self\": " READ_ONLY_TEXT ","
    "\"created_at\": " READ_ONLY_TIME("Date and time of object creation") ","
    "\"updated_at\": " READ_ONLY_TIME("Date and time of the last object modification")
    "}";

static const char tag_members[] = "{"
    "\"name\": {\"type\": \"string\", \"minLength\": 1, \"maxLength\": 80},"
    "\"created_at\": " READ_ONLY_TIME("Date and time of tag creation") ","
    "\"updated_at\": " READ_ONLY_TIME("Date and time of the last tag modification")
    "}";

static const char association_members[] = "{"
    "\"name\": {\"type\": \"string\", \"minLength\": 1, \"maxLength\": 80, \"description\": \"Name of the resource type, as Heat calls it where it has one\"},"
    "\"prefix\": {\"type\": \"string\", \"maxLength\": 80, \"description\": \"Stands before the properties' names for this resource type, with its separator\"},"
    "\"properties_target\": {\"type\": \"string\", \"maxLength\": 80, \"description\": \"Which metadata of the resource is meant, where it has several\"},"
    "\"created_at\": " READ_ONLY_TIME("Date and time of resource type association") ","
    "\"updated_at\": " READ_ONLY_TIME("Date and time of the last resource type association modification")
    "}";

static const char namespace_members[] = "{"
    "\"namespace\": {\"type\": \"string\", \"minLength\": 1, \"maxLength\": 80, \"description\": \"The unique namespace text.\"},"
    "\"display_name\": {\"type\": \"string\", \"maxLength\": 80, \"description\": \"The user friendly name for the namespace.\"},"
    "\"description\": {\"type\": \"string\", \"maxLength\": 500, \"description\": \"Provides a user friendly description of the namespace.\"},"
    "\"visibility\": {\"type\": \"string\", \"enum\": [\"public\", \"private\"], \"description\": \"Scope of namespace accessibility.\"},"
    "\"protected\": {\"type\": \"boolean\", \"description\": \"If true, namespace will not be deletable.\"},"
    "\"owner\": {\"type\": \"string\", \"maxLength\": 255, \"description\": \"Owner of the namespace.\"},"
    "\"created_at\": " READ_ONLY_TIME("Date and time of namespace creation") ","
    "\"updated_at\": " READ_ONLY_TIME("Date and time of the last namespace modification") ","
    "\"schema\": " READ_ONLY_TEXT ", \"self\": " READ_ONLY_TEXT ","
    "\"resource_type_associations\": {\"type\": \"array\", \"items\": {\"type\": \"object\", \"required\": [\"name\"], \"properties\": {"
        "\"name\": {\"type\": \"string\", \"minLength\": 1, \"maxLength\": 80}, \"prefix\": {\"type\": \"string\", \"maxLength\": 80}, \"properties_target\": {\"type\": \"string\", \"maxLength\": 80}}}},"
    "\"properties\": {\"$ref\": \"#/definitions/property\"},"
    "\"objects\": {\"type\": \"array\", \"items\": {\"type\": \"object\", \"required\": [\"name\"], \"properties\": {"
        "\"name\": {\"type\": \"string\", \"minLength\": 1, \"maxLength\": 80}, \"description\": {\"type\": \"string\"},"
        "\"required\": {\"$ref\": \"#/definitions/stringArray\"}, \"properties\": {\"$ref\": \"#/definitions/property\"}}}},"
    "\"tags\": {\"type\": \"array\", \"items\": {\"type\": \"object\", \"required\": [\"name\"], \"properties\": {\"name\": {\"type\": \"string\", \"minLength\": 1, \"maxLength\": 80}}}}"
    "}";

static const struct document {
    const char *name;       // in the URL
    const char *collection; // in the URL, of many
    const char *title, *many; // the documents' names; many is also the member that holds the items
    const char *members;
    const char *required; // NULL, or names separated by commas
    bool is_map;
} documents[] = {
    {"namespace",     "namespaces",     "namespace",                 "namespaces",                 namespace_members,   "namespace",       false},
    {"object",        "objects",        "object",                    "objects",                    object_members,      "name",            false},
    {"property",      "properties",     "property",                  "properties",                 property_members,    "type,title,name", true},
    {"tag",           "tags",           "tag",                       "tags",                       tag_members,         "name",            false},
    {"resource_type", "resource_types", "resource_type_association", "resource_type_associations", association_members, "name",            false},
};
// clang-format on

// What follows is constant, so parsing cannot fail.
static json_t *
parsed(const char *text)
{
    json_t *value = json_loads(text, 0, NULL);
    g_assert(value);
    return value;
}

static json_t *
all_definitions(void)
{
    json_t *all = parsed(definitions);
    json_object_set_new(all, "property",
                        json_pack("{s:s, s:{s:s, s:[s, s], s:o}}", "type", "object",
                                  "additionalProperties", "type", "object", "required", "title",
                                  "type", "properties", parsed(property_members)));
    return all;
}

static json_t *
schema_of_one(const struct document *document, bool in_collection)
{
    json_t *schema = json_pack("{s:s, s:o, s:b}", "name", document->title, "properties",
                               parsed(document->members), "additionalProperties", 0);
    g_auto(GStrv) names = g_strsplit(document->required, ",", -1);
    json_t *required = json_array();
    for (char **name = names; *name; name++) {
        // In a map the name is the key.
        if (!in_collection || !document->is_map || strcmp(*name, "name")) {
            json_array_append_new(required, json_string(*name));
        }
    }
    json_object_set_new(schema, "required", required);
    return schema;
}

static json_t *
schema_of_many(const struct document *document)
{
    json_t *one = schema_of_one(document, true), *many;
    if (document->is_map) {
        many = json_pack("{s:s, s:o}", "type", "object", "additionalProperties", one);
    } else {
        many = json_pack("{s:s, s:o}", "type", "array", "items", one);
    }
    return json_pack("{s:s, s:{s:o, s:{s:s}, s:{s:s}, s:{s:s}}, "
                     "s:[{s:s, s:s}, {s:s, s:s}, {s:s, s:s}]}",
                     "name", document->many, "properties", document->many, many, "first", "type",
                     "string", "next", "type", "string", "schema", "type", "string", "links", "rel",
                     "first", "href", "{first}", "rel", "next", "href", "{next}", "rel",
                     "describedby", "href", "{schema}");
}

json_t *
metadef_schema(const char *name)
{
    for (size_t i = 0; i < N_ELEMENTS(documents); i++) {
        const struct document *document = &documents[i];
        bool is_one = !strcmp(name, document->name);
        if (is_one || !strcmp(name, document->collection)) {
            json_t *schema = is_one ? schema_of_one(document, false) : schema_of_many(document);
            json_object_set_new(schema, "definitions", all_definitions());
            return schema;
        }
    }
    return NULL;
}

enum rc
metadef_check(const char *name, json_t *value, struct err *err)
{
    json_auto_t *schema = metadef_schema(name);
    json_t *members = json_object_get(schema, "properties"), *each;
    const char *member;
    json_object_foreach(members, member, each)
    {
        if (json_is_true(json_object_get(each, "readOnly")) && json_object_get(value, member)) {
            return fault(err, RC_FORBIDDEN, "Attribute '%s' is read-only.", member);
        }
    }
    return schema_check(schema, value, err);
}
