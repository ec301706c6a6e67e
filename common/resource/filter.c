// SPDX-License-Identifier: Apache-2.0
// The filters of a list's query string, as SQL conditions: constant fragments and parameters.
#include "common/resource/internal.h"

#include "common/base/util.h"

#include <string.h>

int
list_query_add(struct list_query *query, char *own)
{
    g_ptr_array_add(query->owned, own);
    query->args[query->n_args++] = db_s(own);
    return (int)query->n_args;
}

static void
collect_values(const struct list_query *query, const char *name, GPtrArray *values)
{
    const char *each, *value;
    for (unsigned i = 0; request_query_at(query->request, i, &each, &value); i++) {
        if (strcmp(each, name) == 0) {
            g_ptr_array_add(values, (gpointer)value);
        }
    }
}

static bool
value_fits(const struct attribute *attribute, const char *value)
{
    int64_t number;
    switch (attribute->type) {
    case ATTR_UUID:
        return uuid_is_valid(value);
    case ATTR_INT:
        return parse_int64(value, INT64_MIN, INT64_MAX, &number);
    default:
        return g_utf8_validate(value, -1, NULL);
    }
}

static enum rc
filter_bool(struct list_query *query, const struct attribute *attribute, const char *text,
            struct err *err)
{
    bool flag = true;
    bool is_bare = !text[0] && (query->resource->style & RESOURCE_LINKS); // Keystone's "?enabled"
    if (!is_bare && !parse_bool(text, &flag)) {
        return fault_typed(err, RC_INVALID, "HTTPBadRequest",
                           "Invalid input for %s. Reason: '%.80s' cannot be converted to boolean.",
                           attribute->name, text);
    }
    int number = list_query_add(query, g_strdup(flag ? "t" : "f"));
    if (attribute->select) {
        g_string_append_printf(query->where, " AND (%s) = $%d::bool", attribute->select, number);
    } else {
        g_string_append_printf(query->where, " AND r.%s = $%d::bool", attribute_column(attribute),
                               number);
    }
    return RC_OK;
}

static enum rc
filter_attribute(struct list_query *query, const struct attribute *attribute, struct err *err)
{
    g_autoptr(GPtrArray) given = g_ptr_array_new(), values = g_ptr_array_new();
    collect_values(query, attribute->name, given);
    if (given->len == 0) {
        if (attribute->unless_filtered) {
            g_string_append_printf(query->where, " AND (%s)", attribute->unless_filtered);
        }
        return RC_OK;
    }
    if (query->n_args + 4 > MAX_LIST_ARGS) {
        return fault(err, RC_INVALID, "too many filters");
    }
    if (attribute->type == ATTR_BOOL && !attribute->filter) {
        return filter_bool(query, attribute, given->pdata[0], err);
    }
    for (unsigned i = 0; i < given->len; i++) {
        if (attribute->filter || value_fits(attribute, given->pdata[i])) {
            g_ptr_array_add(values, given->pdata[i]);
        }
    }
    int number = list_query_add(query, sql_text_array(values));
    g_autofree char *parameter = g_strdup_printf("$%d::text[]", number);
    if (attribute->filter) {
        g_auto(GStrv) parts = g_strsplit(attribute->filter, "%s", -1);
        g_autofree char *condition = g_strjoinv(parameter, parts);
        g_string_append_printf(query->where, " AND (%s)", condition);
        return RC_OK;
    }
    bool uuid = attribute->type == ATTR_UUID && !(query->resource->style & RESOURCE_HEX_ID);
    g_autofree char *expression = attribute->select
                                      ? g_strdup_printf("(%s)", attribute->select)
                                      : g_strdup_printf("r.%s", attribute_column(attribute));
    g_string_append_printf(query->where, " AND %s%s = ANY (%s%s)", expression,
                           attribute->select && !uuid ? "::text" : "", parameter,
                           uuid                                                ? "::uuid[]"
                           : attribute->type == ATTR_INT && !attribute->select ? "::bigint[]"
                                                                               : "");
    return RC_OK;
}

// Attributes that the style implies are filters too.
static const struct attribute implied_filters[N_RESOURCE_IMPLIED] = {
    {"id", ATTR_UUID, ATTR_FS},
    {"project_id", ATTR_TEXT, ATTR_FS},
    {"tenant_id", ATTR_TEXT, ATTR_FS, .column = "project_id"},
    {"revision_number", ATTR_INT, ATTR_FS},
    {"created_at", ATTR_TIME, ATTR_SORT},
    {"updated_at", ATTR_TIME, ATTR_SORT},
};

const struct attribute *
resource_implied(const struct resource *resource, size_t i)
{
    bool has = i == 0 || (i <= 2 && (resource->style & RESOURCE_TENANT)) ||
               (i >= 3 && (resource->style & RESOURCE_REVISION));
    return has && !resource_attribute(resource, implied_filters[i].name) ? &implied_filters[i]
                                                                         : NULL;
}

// LIKE and ILIKE, so that an index on parts of names serves them.
static const struct comparison {
    const char *suffix, *operator_, *before, *after;
} comparisons[] = {
    {"contains", "LIKE", "%", "%"},  {"icontains", "ILIKE", "%", "%"},
    {"startswith", "LIKE", "", "%"}, {"istartswith", "ILIKE", "", "%"},
    {"endswith", "LIKE", "%", ""},   {"iendswith", "ILIKE", "%", ""},
    {"iexact", NULL, NULL, NULL}, // lower(…) = lower(…)
};

static const struct comparison *
comparison_of(const char *suffix)
{
    for (size_t i = 0; i < N_ELEMENTS(comparisons); i++) {
        if (strcmp(comparisons[i].suffix, suffix) == 0) {
            return &comparisons[i];
        }
    }
    return NULL;
}

// What has an order of its own, or a condition of its own, is compared for equality only.
static bool
is_comparable(const struct attribute *attribute)
{
    return attribute && (attribute->flags & ATTR_FILTER) && !attribute->filter &&
           (attribute->type == ATTR_TEXT || attribute->type == ATTR_UUID);
}

// ?attribute__comparison=value, as often as given; all must be true. What is none is ignored.
static enum rc
filter_inexact(struct list_query *query, const char *name, const char *value, struct err *err)
{
    const char *split = strstr(name, "__");
    const struct comparison *comparison = split ? comparison_of(split + 2) : NULL;
    if (!comparison || !g_utf8_validate(value, -1, NULL)) {
        return RC_OK;
    }
    g_autofree char *base = g_strndup(name, (gsize)(split - name));
    const struct attribute *attribute = resource_attribute(query->resource, base);
    if (!is_comparable(attribute)) {
        return RC_OK;
    }
    if (query->n_args + 4 > MAX_LIST_ARGS) {
        return fault(err, RC_INVALID, "too many filters");
    }
    g_autofree char *expression = attribute->select
                                      ? g_strdup_printf("(%s)::text", attribute->select)
                                      : g_strdup_printf("r.%s", attribute_column(attribute));
    if (comparison->operator_) {
        int number =
            list_query_add(query, sql_like_pattern(comparison->before, value, comparison->after));
        g_string_append_printf(query->where, " AND %s %s $%d::text", expression,
                               comparison->operator_, number);
    } else {
        g_string_append_printf(query->where, " AND lower(%s) = lower($%d::text)", expression,
                               list_query_add(query, g_strdup(value)));
    }
    return RC_OK;
}

static enum rc
read_comparisons(struct list_query *query, struct err *err)
{
    const char *name, *value;
    enum rc rc = RC_OK;
    for (unsigned i = 0; rc == RC_OK && request_query_at(query->request, i, &name, &value); i++) {
        rc = filter_inexact(query, name, value, err);
    }
    return rc;
}

enum rc
list_query_filter(struct list_query *query, struct err *err)
{
    enum rc rc = RC_OK;
    for (const struct attribute *attribute = query->resource->attributes;
         rc == RC_OK && attribute->name; attribute++) {
        if (attribute->flags & ATTR_FILTER) {
            rc = filter_attribute(query, attribute, err);
        }
    }
    for (size_t i = 0; rc == RC_OK && i < N_RESOURCE_IMPLIED; i++) {
        const struct attribute *attribute = resource_implied(query->resource, i);
        if (attribute && (attribute->flags & ATTR_FILTER)) {
            rc = filter_attribute(query, attribute, err);
        }
    }
    if (query->resource->list_scope) {
        g_string_append_printf(query->where, " AND (%s)", query->resource->list_scope);
    }
    return rc == RC_OK && (query->resource->style & RESOURCE_COMPARISONS)
               ? read_comparisons(query, err)
               : rc;
}
