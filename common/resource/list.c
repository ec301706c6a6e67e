// SPDX-License-Identifier: Apache-2.0
// Lists and single items: one statement each, JSON assembled by PostgreSQL.
#include "common/resource/internal.h"

#include "common/base/util.h"

#include <string.h>

enum { MAX_LIST_ARGS = 48, DEFAULT_MAX_LIMIT = 1000, ALL_LIMIT = 10000, MAX_SORT_KEYS = 8 };

struct list_query {
    struct request *request;
    const struct resource *resource;
    bool admin;
    GPtrArray *fields;
    GString *where;
    struct db_arg args[MAX_LIST_ARGS];
    size_t n_args;
    GPtrArray *owned; // texts behind args
    const char *marker;
    int64_t limit; // 0: not given
    bool reverse;
    struct {
        char *expression;
        bool descending;
    } keys[MAX_SORT_KEYS + 1];
    int n_keys;
};

static void
list_query_done(struct list_query *query)
{
    g_ptr_array_unref(query->fields);
    g_ptr_array_unref(query->owned);
    g_string_free(query->where, TRUE);
    for (int i = 0; i < query->n_keys; i++) {
        g_free(query->keys[i].expression);
    }
}

// Adds a parameter, returns its number; text is owned by the query when `own`.
static int
add_arg(struct list_query *query, char *own)
{
    g_ptr_array_add(query->owned, own);
    query->args[query->n_args++] = db_s(own);
    return (int)query->n_args;
}

// ---- filters

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
    bool flag;
    if (!parse_bool(text, &flag)) {
        return fault_typed(err, RC_INVALID, "HTTPBadRequest",
                           "Invalid input for %s. Reason: '%.80s' cannot be converted to boolean.",
                           attribute->name, text);
    }
    int number = add_arg(query, g_strdup(flag ? "t" : "f"));
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
    int number = add_arg(query, sql_text_array(values));
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
static const struct attribute implied_filters[] = {
    {"id", ATTR_UUID, ATTR_FS},
    {"project_id", ATTR_TEXT, ATTR_FS},
    {"tenant_id", ATTR_TEXT, ATTR_FS, .column = "project_id"},
    {"revision_number", ATTR_INT, ATTR_FS},
    {"created_at", ATTR_TIME, ATTR_SORT},
    {"updated_at", ATTR_TIME, ATTR_SORT},
};

static const struct attribute *
implied_attribute(const struct resource *resource, size_t i)
{
    bool has = i == 0 || (i <= 2 && (resource->style & RESOURCE_TENANT)) ||
               (i >= 3 && (resource->style & RESOURCE_REVISION));
    return has && !resource_attribute(resource, implied_filters[i].name) ? &implied_filters[i]
                                                                         : NULL;
}

// LIKE and ILIKE, so that an index on parts of names serves them.
static const struct {
    const char *suffix, *condition, *before, *after;
} comparisons[] = {
    {"__contains", "r.name LIKE", "%", "%"},     {"__icontains", "r.name ILIKE", "%", "%"},
    {"__startswith", "r.name LIKE", "", "%"},    {"__istartswith", "r.name ILIKE", "", "%"},
    {"__endswith", "r.name LIKE", "%", ""},      {"__iendswith", "r.name ILIKE", "%", ""},
    {"__iexact", "lower(r.name) =", NULL, NULL},
};

static void
filter_names(struct list_query *query)
{
    for (size_t i = 0; i < N_ELEMENTS(comparisons); i++) {
        g_autofree char *name = g_strconcat("name", comparisons[i].suffix, NULL);
        const char *value = request_query(query->request, name);
        if (value && g_utf8_validate(value, -1, NULL) && query->n_args + 4 <= MAX_LIST_ARGS) {
            bool is_pattern = comparisons[i].before;
            int number = add_arg(query, is_pattern ? sql_like_pattern(comparisons[i].before, value,
                                                                      comparisons[i].after)
                                                   : g_strdup(value));
            g_string_append_printf(query->where,
                                   is_pattern ? " AND %s $%d::text" : " AND %s lower($%d::text)",
                                   comparisons[i].condition, number);
        }
    }
}

static enum rc
read_filters(struct list_query *query, struct err *err)
{
    enum rc rc = RC_OK;
    for (const struct attribute *attribute = query->resource->attributes;
         rc == RC_OK && attribute->name; attribute++) {
        if (attribute->flags & ATTR_FILTER) {
            rc = filter_attribute(query, attribute, err);
        }
    }
    for (size_t i = 0; rc == RC_OK && i < N_ELEMENTS(implied_filters); i++) {
        const struct attribute *attribute = implied_attribute(query->resource, i);
        if (attribute && (attribute->flags & ATTR_FILTER)) {
            rc = filter_attribute(query, attribute, err);
        }
    }
    if (query->resource->list_scope) {
        g_string_append_printf(query->where, " AND (%s)", query->resource->list_scope);
    }
    if (rc == RC_OK && (query->resource->style & RESOURCE_NAME_FILTERS)) {
        filter_names(query);
    }
    return rc;
}

// ---- order and pages

static enum rc
add_sort_key(struct list_query *query, const char *name, struct err *err)
{
    const struct attribute *attribute = resource_attribute(query->resource, name);
    for (size_t i = 0; !attribute && i < N_ELEMENTS(implied_filters); i++) {
        const struct attribute *candidate = implied_attribute(query->resource, i);
        attribute = candidate && strcmp(candidate->name, name) == 0 ? candidate : NULL;
    }
    if (!attribute || !(attribute->flags & ATTR_SORT) || query->n_keys == MAX_SORT_KEYS) {
        return fault_typed(err, RC_INVALID, "HTTPBadRequest", "'%.80s' is not a valid sort key",
                           name);
    }
    static const char *const blanks[] = {
        [ATTR_TEXT] = "::text, ''",  [ATTR_UUID] = "::text, ''",  [ATTR_INT] = ", 0",
        [ATTR_BOOL] = ", false",     [ATTR_TIME] = ", 'epoch'",   [ATTR_JSON] = "::text, ''",
        [ATTR_ARRAY] = "::text, ''", [ATTR_OBJECT] = "::text, ''"};
    bool is_id = strcmp(name, "id") == 0,
         is_never_null = (attribute->flags & ATTR_REQUIRED) && !(attribute->flags & ATTR_NULLABLE);
    query->keys[query->n_keys++].expression =
        is_id                                 ? g_strdup("r.id")
        : is_never_null && !attribute->select ? g_strdup_printf("r.%s", attribute_column(attribute))
        : attribute->select
            ? g_strdup_printf("coalesce((%s)%s)", attribute->select, blanks[attribute->type])
            : g_strdup_printf("coalesce(r.%s%s)", attribute_column(attribute),
                              blanks[attribute->type]);
    return RC_OK;
}

static enum rc
read_sort_keys(struct list_query *query, struct err *err)
{
    const char *name, *value;
    for (unsigned i = 0; request_query_at(query->request, i, &name, &value); i++) {
        if (strcmp(name, "sort_key") == 0) {
            enum rc rc = add_sort_key(query, value, err);
            if (rc != RC_OK) {
                return rc;
            }
        }
    }
    return RC_OK;
}

static enum rc
read_directions(struct list_query *query, struct err *err)
{
    const char *name, *value;
    int n_dirs = 0;
    for (unsigned i = 0; request_query_at(query->request, i, &name, &value); i++) {
        if (strcmp(name, "sort_dir") != 0 || n_dirs >= query->n_keys) {
            continue;
        }
        if (strcmp(value, "asc") != 0 && strcmp(value, "desc") != 0) {
            return fault_typed(err, RC_INVALID, "HTTPBadRequest",
                               "sort_dir must be asc or desc, not '%.80s'", value);
        }
        query->keys[n_dirs++].descending = strcmp(value, "desc") == 0;
    }
    return RC_OK;
}

static enum rc
read_order(struct list_query *query, struct err *err)
{
    enum rc rc = read_sort_keys(query, err);
    rc = rc == RC_OK ? read_directions(query, err) : rc;
    if (rc != RC_OK) {
        return rc;
    }
    bool has_id = false;
    for (int i = 0; i < query->n_keys; i++) {
        has_id |= strcmp(query->keys[i].expression, "r.id") == 0;
    }
    if (!has_id) {
        query->keys[query->n_keys++].expression = g_strdup("r.id");
    }
    for (int i = 0; i < query->n_keys; i++) {
        query->keys[i].descending ^= query->reverse;
    }
    return RC_OK;
}

static enum rc
read_page(struct list_query *query, struct err *err)
{
    const char *limit = request_query(query->request, "limit"),
               *reverse = request_query(query->request, "page_reverse");
    int max = query->resource->max_limit ? query->resource->max_limit : DEFAULT_MAX_LIMIT;
    if (limit && !parse_int64(limit, 0, INT32_MAX, &query->limit)) {
        return fault_typed(err, RC_INVALID, "HTTPBadRequest",
                           "Invalid input for limit. Reason: '%.40s' is not a positive integer.",
                           limit);
    }
    query->limit = MIN(query->limit, max);
    query->reverse = reverse && g_ascii_strcasecmp(reverse, "true") == 0;
    query->marker = request_query(query->request, "marker");
    if (query->marker && !resource_id_is_valid(query->resource, query->marker)) {
        return fault_typed(err, RC_INVALID, "HTTPBadRequest",
                           "Invalid input for marker. Reason: '%.80s' is not an id.",
                           query->marker);
    }
    const char *name, *value;
    for (unsigned i = 0; request_query_at(query->request, i, &name, &value); i++) {
        if (strcmp(name, "fields") == 0) {
            g_ptr_array_add(query->fields, (gpointer)value);
        }
    }
    return RC_OK;
}

static void
append_key_against_marker(struct list_query *query, int key, const char *operator_, int parameter)
{
    g_autoptr(GString) marked = g_string_new(query->keys[key].expression);
    g_string_replace(marked, "r.", "m.", 0);
    g_string_append_printf(query->where, "%s %s (SELECT %s FROM %s m WHERE m.id = $%d::%s)",
                           query->keys[key].expression, operator_, marked->str,
                           query->resource->table, parameter, resource_id_type(query->resource));
}

// Rows behind the marker in the chosen order: (k1 > m1) OR (k1 = m1 AND k2 > m2) …, m by a
// subselect on the marker's row.
static void
append_marker(struct list_query *query)
{
    if (!query->marker || !*query->marker) {
        return;
    }
    int number = add_arg(query, g_strdup(query->marker));
    // Implied by what follows; an index in this order is entered there instead of at its beginning.
    g_string_append_printf(query->where, " AND ");
    append_key_against_marker(query, 0, query->keys[0].descending ? "<=" : ">=", number);
    g_string_append(query->where, " AND (");
    for (int i = 0; i < query->n_keys; i++) {
        g_string_append(query->where, i ? " OR (" : "(");
        for (int j = 0; j <= i; j++) {
            g_string_append(query->where, j ? " AND " : "");
            append_key_against_marker(query, j,
                                      j < i                       ? "="
                                      : query->keys[j].descending ? "<"
                                                                  : ">",
                                      number);
        }
        g_string_append(query->where, ")");
    }
    g_string_append(query->where, ")");
}

static GString *
list_sql(struct list_query *query)
{
    const struct resource *resource = query->resource;
    g_autoptr(GString) order = g_string_new(NULL);
    for (int i = 0; i < query->n_keys; i++) {
        g_string_append_printf(order, "%s%s%s", i ? ", " : "", query->keys[i].expression,
                               query->keys[i].descending ? " DESC" : "");
    }
    int link =
        resource->style & RESOURCE_LINKS
            ? add_arg(query, g_strconcat(request_base_url(query->request), resource->path, NULL))
            : 0;
    GString *sql = g_string_new("SELECT ");
    g_string_append_printf(sql,
                           "string_agg(%s, ',' ORDER BY r.position_%s) AS items, count(*) AS n, ",
                           sql_item(resource), query->reverse ? " DESC" : "");
    g_string_append(sql, resource->style & RESOURCE_PAGE_LINKS
                             ? "(array_agg(r.id::text ORDER BY r.position_))[1] AS first, "
                               "(array_agg(r.id::text ORDER BY r.position_ DESC))[1] AS last "
                             : "NULL AS first, NULL AS last ");
    g_string_append_printf(
        sql, "FROM (SELECT r.*, row_number() OVER (ORDER BY %s) AS position_ FROM %s r", order->str,
        resource->table);
    sql_append_visible(sql, resource, query->admin);
    g_string_append_printf(sql, "%s ORDER BY %s LIMIT %d) r, LATERAL ", query->where->str,
                           order->str, query->limit ? (int)query->limit : ALL_LIMIT);
    sql_append_columns(sql, resource, query->admin, query->fields, link);
    return sql;
}

// ---- replies

static char *
page_url(const struct list_query *query, const char *marker, bool reverse)
{
    g_autofree char *text = request_page_query(query->request, marker);
    return g_strconcat(request_base_url(query->request), query->resource->path, text,
                       reverse ? "&page_reverse=True" : "", NULL);
}

static void
append_page_links(GString *text, const struct list_query *query, const db_result *rows)
{
    json_auto_t *links = json_array();
    int64_t n = db_int(rows, 0, "n");
    const char *first = db_text(rows, 0, query->reverse ? "last" : "first"),
               *last = db_text(rows, 0, query->reverse ? "first" : "last");
    if (n > 0 && (n == query->limit || query->reverse)) {
        g_autofree char *url = page_url(query, last, false);
        json_array_append_new(links, json_pack("{s:s, s:s}", "rel", "next", "href", url));
    }
    if (n > 0 && query->marker && (!query->reverse || n == query->limit)) {
        g_autofree char *url = page_url(query, first, true);
        json_array_append_new(links, json_pack("{s:s, s:s}", "rel", "previous", "href", url));
    }
    if (json_array_size(links)) {
        g_autofree char *encoded = json_dumps(links, JSON_COMPACT);
        g_string_append_printf(text, ",\"%s_links\":%s", query->resource->plural, encoded);
    }
}

static void
append_keystone_links(GString *text, const struct list_query *query)
{
    g_autoptr(GString) url = g_string_new(request_base_url(query->request));
    g_string_append(url, query->resource->path);
    const char *name, *value;
    for (unsigned i = 0; request_query_at(query->request, i, &name, &value); i++) {
        g_autofree char *safe_name = g_uri_escape_string(name, NULL, FALSE),
                        *safe_value = g_uri_escape_string(value, NULL, FALSE);
        g_string_append_printf(url, "%c%s=%s", i ? '&' : '?', safe_name, safe_value);
    }
    json_auto_t *links = json_pack("{s:s, s:n, s:n}", "self", url->str, "previous", "next");
    g_autofree char *encoded = json_dumps(links, JSON_COMPACT);
    g_string_append_printf(text, ",\"links\":%s", encoded);
}

static char *
list_text(const struct list_query *query, const db_result *rows)
{
    const char *items = db_text(rows, 0, "items");
    GString *text = g_string_sized_new((items ? strlen(items) : 0) + 256);
    g_string_append_printf(text, "{\"%s\":[", query->resource->plural);
    g_string_append(text, items ? items : "");
    g_string_append_c(text, ']');
    if ((query->resource->style & RESOURCE_PAGE_LINKS) && query->limit) {
        append_page_links(text, query, rows);
    }
    if (query->resource->style & RESOURCE_LINKS) {
        append_keystone_links(text, query);
    }
    g_string_append_c(text, '}');
    return g_string_free(text, FALSE);
}

static void
list_query_init(struct list_query *query, struct request *request)
{
    const struct auth_context *auth = request_auth(request);
    *query = (struct list_query){
        .request = request,
        .resource = resource_of(request),
        .admin = requester_sees_all(request),
        .fields = g_ptr_array_new(),
        .where = g_string_new(NULL),
        .owned = g_ptr_array_new_with_free_func(g_free),
    };
    add_arg(query, g_strdup(request_project(request)));
    add_arg(query, g_strdup(auth ? auth->user_id : ""));
    add_arg(query, g_strdup(auth ? auth->domain_id : ""));
}

static enum rc
run_list(struct list_query *query, struct reply *reply, struct err *err)
{
    enum rc rc = read_page(query, err);
    rc = rc == RC_OK ? read_order(query, err) : rc;
    rc = rc == RC_OK ? read_filters(query, err) : rc;
    if (rc != RC_OK) {
        return rc;
    }
    append_marker(query);
    g_autoptr(GString) sql = list_sql(query);
    struct db *db;
    g_autoptr(db_result) rows = NULL;
    rc = request_db(query->request, &db, err);
    rc = rc == RC_OK ? db_run(db, sql->str, query->args, query->n_args, &rows, err) : rc;
    if (rc == RC_OK) {
        reply->text = list_text(query, rows);
    }
    return rc;
}

enum rc
resource_list(struct request *request, struct reply *reply, struct err *err)
{
    const struct resource *resource = resource_of(request);
    if (resource->policy_list) {
        enum rc rc = resource_allow_list(request, resource->policy_list, err);
        if (rc != RC_OK) {
            return rc;
        }
    }
    enum rc rc = resource->before_list ? resource->before_list(request, err) : RC_OK;
    if (rc != RC_OK) {
        return rc;
    }
    struct list_query query;
    list_query_init(&query, request);
    rc = run_list(&query, reply, err);
    list_query_done(&query);
    return rc;
}

enum rc
resource_item(struct request *request, struct db *db, const struct resource *resource,
              const char *id, char **ret_text, struct err *err)
{
    if (!resource_id_is_valid(resource, id)) {
        return resource_not_found(resource, id, err);
    }
    const struct auth_context *auth = request_auth(request);
    bool admin = requester_sees_all(request), links = resource->style & RESOURCE_LINKS;
    g_autofree char *base = g_strconcat(request_base_url(request), resource->path, NULL);
    g_autoptr(GPtrArray) fields = g_ptr_array_new();
    const char *name, *value;
    for (unsigned i = 0;
         strcmp(request_method(request), "GET") == 0 && request_query_at(request, i, &name, &value);
         i++) {
        if (strcmp(name, "fields") == 0) {
            g_ptr_array_add(fields, (gpointer)value);
        }
    }
    g_autoptr(GString) sql = g_string_new("SELECT ");
    g_string_append_printf(sql, "%s AS item FROM %s r, LATERAL ", sql_item(resource),
                           resource->table);
    sql_append_columns(sql, resource, admin, fields, links ? PARAM_FREE + 1 : 0);
    sql_append_visible(sql, resource, admin);
    g_string_append_printf(sql, " AND r.id = $%d::%s", PARAM_FREE, resource_id_type(resource));
    const struct db_arg args[] = {db_s(request_project(request)), db_s(auth ? auth->user_id : ""),
                                  db_s(auth ? auth->domain_id : ""), db_s(id), db_s(base)};
    g_autoptr(db_result) rows = NULL;
    enum rc rc = db_run(db, sql->str, args, links ? 5 : 4, &rows, err);
    if (rc != RC_OK) {
        return rc;
    }
    if (db_n_rows(rows) == 0) {
        return resource_not_found(resource, id, err);
    }
    *ret_text = g_strdup(db_text(rows, 0, "item"));
    return RC_OK;
}

// A policy on the item itself: its attributes are the target, also under target.<singular>.
static enum rc
allow_item(struct request *request, const struct resource *resource, const char *item,
           struct err *err)
{
    json_auto_t *target = item ? json_loads(item, 0, NULL) : json_object();
    json_object_set_new(target, "target",
                        json_pack("{s:o}", resource->singular, json_copy(target)));
    return request_allow(request, resource->policy_get, target, err);
}

enum rc
resource_show(struct request *request, struct reply *reply, struct err *err)
{
    const struct resource *resource = resource_of(request);
    struct db *db;
    g_autofree char *item = NULL;
    enum rc rc = request_db(request, &db, err);
    rc = rc == RC_OK
             ? resource_item(request, db, resource, request_param(request, "id"), &item, err)
             : rc;
    if (resource->policy_get && (rc == RC_OK || rc == RC_NOT_FOUND)) {
        struct err denied;
        enum rc allowed = allow_item(request, resource, item, &denied);
        if (allowed != RC_OK) {
            *err = denied;
            return allowed;
        }
    }
    if (rc == RC_OK) {
        reply->text = g_strdup_printf("{\"%s\":%s}", resource->singular, item);
    }
    return rc;
}
