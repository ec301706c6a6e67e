// SPDX-License-Identifier: Apache-2.0
// Lists and single items: one statement each, JSON assembled by PostgreSQL.
#include "common/resource/internal.h"

#include "common/base/util.h"

#include <string.h>

enum { DEFAULT_MAX_LIMIT = 1000, ALL_LIMIT = 10000 };

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

// ---- order and pages

static enum rc
add_sort_key(struct list_query *query, const char *name, struct err *err)
{
    const struct attribute *attribute = resource_attribute(query->resource, name);
    for (size_t i = 0; !attribute && i < N_RESOURCE_IMPLIED; i++) {
        const struct attribute *candidate = resource_implied(query->resource, i);
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
    query->limit = query->limit ? query->limit : request_list_limit(query->request);
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
    int number = query->marker_param = list_query_add(query, g_strdup(query->marker));
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

static int64_t
page_size(const struct list_query *query)
{
    return query->limit ? query->limit : ALL_LIMIT;
}

// A marker that is not there would look like the end of the list.
static void
append_marker_check(GString *sql, const struct list_query *query)
{
    if ((query->resource->style & RESOURCE_LINKS) && query->marker_param) {
        g_string_append_printf(sql, "EXISTS (SELECT 1 FROM %s m WHERE m.id = $%d::%s)",
                               query->resource->table, query->marker_param,
                               resource_id_type(query->resource));
    } else {
        g_string_append(sql, "true");
    }
    g_string_append(sql, " AS has_marker, ");
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
    int link = resource->style & RESOURCE_LINKS
                   ? list_query_add(
                         query, g_strconcat(request_base_url(query->request), resource->path, NULL))
                   : 0;
    // Keystone says whether there is more: one row beyond the page is read, and not shown.
    int64_t page = page_size(query), more = resource->style & RESOURCE_LINKS ? 1 : 0;
    GString *sql = g_string_new("SELECT ");
    g_string_append_printf(
        sql,
        "string_agg(%s, ',' ORDER BY r.position_%s) FILTER (WHERE r.position_ <= %d) AS items, "
        "count(*) AS n, ",
        sql_item(resource), query->reverse ? " DESC" : "", (int)page);
    append_marker_check(sql, query);
    g_string_append(sql, resource->style & RESOURCE_PAGE_LINKS
                             ? "(array_agg(r.id::text ORDER BY r.position_))[1] AS first, "
                               "(array_agg(r.id::text ORDER BY r.position_ DESC))[1] AS last "
                             : "NULL AS first, ");
    if (!(resource->style & RESOURCE_PAGE_LINKS)) {
        g_string_append_printf(sql, "max(r.id::text) FILTER (WHERE r.position_ = %d) AS last ",
                               (int)page);
    }
    g_string_append_printf(
        sql, "FROM (SELECT r.*, row_number() OVER (ORDER BY %s) AS position_ FROM %s r", order->str,
        resource->table);
    sql_append_visible(sql, resource, query->admin);
    g_string_append_printf(sql, "%s ORDER BY %s LIMIT %d) r, LATERAL ", query->where->str,
                           order->str, (int)(page + more));
    sql_append_columns(sql, resource, query->admin, query->fields, link);
    return sql;
}

// ---- replies

static char *
page_url(const struct list_query *query, const char *marker, bool reverse)
{
    g_autofree char *text = request_page_query(query->request, marker);
    return g_strconcat(request_base_url(query->request), query->path, text,
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

// The page behind this one; it names its size, as Keystone's does.
static char *
next_url(const struct list_query *query, const char *last)
{
    g_autofree char *url = page_url(query, last, false);
    return request_query(query->request, "limit")
               ? g_steal_pointer(&url)
               : g_strdup_printf("%s&limit=%d", url, (int)page_size(query));
}

static void
append_keystone_links(GString *text, const struct list_query *query, const db_result *rows)
{
    g_autoptr(GString) url = g_string_new(request_base_url(query->request));
    g_string_append(url, query->path);
    const char *name, *value;
    for (unsigned i = 0; request_query_at(query->request, i, &name, &value); i++) {
        g_autofree char *safe_name = g_uri_escape_string(name, NULL, FALSE),
                        *safe_value = g_uri_escape_string(value, NULL, FALSE);
        g_string_append_printf(url, "%c%s=%s", i ? '&' : '?', safe_name, safe_value);
    }
    bool more = db_int(rows, 0, "n") > page_size(query);
    g_autofree char *next = more ? next_url(query, db_text(rows, 0, "last")) : NULL;
    json_auto_t *links = json_pack("{s:s, s:n, s:s?}", "self", url->str, "previous", "next", next);
    g_autofree char *encoded = json_dumps(links, JSON_COMPACT);
    g_string_append_printf(text, ",\"links\":%s%s", encoded, more ? ",\"truncated\":true" : "");
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
        append_keystone_links(text, query, rows);
    }
    g_string_append_c(text, '}');
    return g_string_free(text, FALSE);
}

static void
list_query_init(struct list_query *query, struct request *request, const struct resource *resource)
{
    const struct auth_context *auth = request_auth(request);
    *query = (struct list_query){
        .request = request,
        .resource = resource,
        .path = resource->path,
        .admin = requester_reads_all(request, resource),
        .fields = g_ptr_array_new(),
        .where = g_string_new(NULL),
        .owned = g_ptr_array_new_with_free_func(g_free),
    };
    list_query_add(query, g_strdup(request_project(request)));
    list_query_add(query, g_strdup(auth ? auth->user_id : ""));
    list_query_add(query, g_strdup(auth ? auth->domain_id : ""));
}

static enum rc
run_list(struct list_query *query, struct reply *reply, struct err *err)
{
    enum rc rc = read_page(query, err);
    rc = rc == RC_OK ? read_order(query, err) : rc;
    rc = rc == RC_OK ? list_query_filter(query, err) : rc;
    if (rc != RC_OK) {
        return rc;
    }
    append_marker(query);
    g_autoptr(GString) sql = list_sql(query);
    struct db *db;
    g_autoptr(db_result) rows = NULL;
    rc = request_db(query->request, &db, err);
    rc = rc == RC_OK ? db_run(db, sql->str, query->args, query->n_args, &rows, err) : rc;
    if (rc == RC_OK && !db_bool(rows, 0, "has_marker")) {
        return fault(err, RC_NOT_FOUND, "Marker %.80s could not be found.", query->marker);
    }
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
    list_query_init(&query, request, resource);
    rc = run_list(&query, reply, err);
    list_query_done(&query);
    return rc;
}

enum rc
resource_list_within(struct request *request, const struct resource *resource,
                     const struct resource_whole *whole, struct reply *reply, struct err *err)
{
    enum rc rc = resource->before_list ? resource->before_list(request, err) : RC_OK;
    if (rc != RC_OK) {
        return rc;
    }
    struct list_query query;
    list_query_init(&query, request, resource);
    query.path = request_url(request);
    g_autofree char *parameter =
        g_strdup_printf("$%d::text", list_query_add(&query, g_strdup(whole->id)));
    g_auto(GStrv) parts = g_strsplit(whole->condition, "%s", -1);
    g_autofree char *condition = g_strjoinv(parameter, parts);
    g_string_append_printf(query.where, " AND (%s)", condition);
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
    bool admin = requester_reads_all(request, resource), links = resource->style & RESOURCE_LINKS;
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
    bool tells = rc == RC_NOT_FOUND && (resource->style & RESOURCE_MISSING_FIRST);
    if (resource->policy_get && (rc == RC_OK || rc == RC_NOT_FOUND) && !tells) {
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
