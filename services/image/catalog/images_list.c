// SPDX-License-Identifier: Apache-2.0
// GET /v2/images: Glance's query language read into struct image_list, and the page's links.
#include "services/image/access.h"
#include "services/image/api.h"
#include "services/image/catalog/attributes.h"
#include "services/image/catalog/locations.h"
#include "services/image/page.h"

#include <string.h>

#define DEFAULT_LIMIT 25
#define MAX_LIMIT 1000

static const char *const visibilities[] = {"community", "public", "private", "shared", "all", NULL};
static const char *const member_statuses[] = {"pending", "accepted", "rejected", "all", NULL};
// What says how to sort, and what Glance takes no notice of.
static const char *const not_filters[] = {"sort", "sort_key", "sort_dir", "deleted", NULL};
static const char *const operators[] = {"eq", "neq", "gt", "gte", "lt", "lte", NULL};

static void
filter_clear(gpointer data)
{
    g_free(((struct image_filter *)data)->value);
}

static enum rc
add_sort(struct image_list *list, const char *key, const char *direction, struct err *err)
{
    bool descending = !strcmp(direction, "desc");
    if (!descending && strcmp(direction, "asc")) {
        return fault(err, RC_INVALID, "Invalid sort direction: %.50s", direction);
    }
    for (unsigned i = 0; image_sort_keys[i]; i++) {
        if (!strcmp(image_sort_keys[i], key)) {
            if (list->n_sorts + 2 < G_N_ELEMENTS(list->sorts)) {
                list->sorts[list->n_sorts++] = (struct image_sort){i, descending};
                return RC_OK;
            }
            return fault(err, RC_INVALID, "too many sort keys");
        }
    }
    g_autofree char *all = g_strjoinv(", ", (char **)image_sort_keys);
    return fault(err, RC_INVALID, "Invalid sort key: %.50s. It must be one of the following: %s.",
                 key, all);
}

static enum rc
read_new_sort(struct image_list *list, const char *sort, struct err *err)
{
    g_auto(GStrv) parts = g_strsplit(sort, ",", -1);
    enum rc rc = *parts ? RC_OK : add_sort(list, "", "desc", err);
    for (char **part = parts; rc == RC_OK && *part; part++) {
        char *colon = strchr(*part, ':');
        if (colon) {
            *colon = 0;
        }
        const char *direction = colon ? g_strstrip(colon + 1) : "";
        rc = add_sort(list, g_strstrip(*part), *direction ? direction : "desc", err);
    }
    list->tie_descending = list->n_sorts != 1 || list->sorts[0].descending;
    return rc;
}

static enum rc
read_old_sort(struct image_list *list, const struct request *request, struct err *err)
{
    const char *keys[G_N_ELEMENTS(list->sorts)], *directions[G_N_ELEMENTS(list->sorts)];
    unsigned n_keys = 0, n_directions = 0;
    const char *name, *value;
    for (unsigned i = 0; request_query_at(request, i, &name, &value); i++) {
        if (!strcmp(name, "sort_key") && n_keys < G_N_ELEMENTS(keys)) {
            keys[n_keys++] = value;
        } else if (!strcmp(name, "sort_dir") && n_directions < G_N_ELEMENTS(directions)) {
            directions[n_directions++] = value;
        }
    }
    if (n_directions > 1 && n_directions != n_keys) {
        return fault(err, RC_INVALID, "Number of sort dirs does not match the number of sort keys");
    }
    if (n_keys == 0) {
        keys[n_keys++] = "created_at";
    }
    enum rc rc = RC_OK;
    for (unsigned i = 0; rc == RC_OK && i < n_keys; i++) {
        const char *given = n_directions == 0 ? "desc" : directions[n_directions > 1 ? i : 0];
        g_autofree char *key = g_strstrip(g_strdup(keys[i]));
        g_autofree char *direction = g_strstrip(g_strdup(given));
        rc = add_sort(list, key, direction, err);
    }
    list->tie_descending = n_directions != 1 || list->sorts[0].descending;
    return rc;
}

static enum rc
read_sort(struct image_list *list, const struct request *request, struct err *err)
{
    const char *sort = request_query(request, "sort");
    if (sort && (request_query(request, "sort_key") || request_query(request, "sort_dir"))) {
        return fault(err, RC_INVALID, "Old and new sorting syntax cannot be combined");
    }
    enum rc rc = sort ? read_new_sort(list, sort, err) : read_old_sort(list, request, err);
    // Ties are broken as Glance does, by time and id: where one direction is given, in that one.
    if (rc == RC_OK) {
        rc = add_sort(list, "created_at", list->tie_descending ? "desc" : "asc", err);
    }
    if (rc == RC_OK) {
        unsigned last = 0;
        while (strcmp(image_sort_keys[last], "id")) {
            last++;
        }
        list->sorts[list->n_sorts++] = (struct image_sort){last, list->tie_descending};
    }
    return rc;
}

static enum rc
bad_list(const char *list, const char *why, struct err *err)
{
    return fault(err, RC_INVALID, "Invalid filter value %.100s. %s", list, why);
}

// Reads "…" at *c, up to the quote that ends it; a backslash takes the next character as it is.
static enum rc
read_quoted(const char *list, const char **c, GString *item, struct err *err)
{
    for (++*c; **c && **c != '"'; ++*c) {
        *c += **c == '\\' && (*c)[1];
        g_string_append_c(item, **c);
    }
    if (!**c) {
        return bad_list(list, "The quote is not closed.", err);
    }
    ++*c;
    return !**c || **c == ','
               ? RC_OK
               : bad_list(list, "There is no comma after closing quotation mark.", err);
}

static enum rc
read_item(const char *list, const char **c, GString *item, struct err *err)
{
    if (**c == '"') {
        return read_quoted(list, c, item, err);
    }
    for (; **c && **c != ','; ++*c) {
        if (**c == '"') {
            return bad_list(list, "There is no comma before opening quotation mark.", err);
        }
        g_string_append_c(item, **c);
    }
    return RC_OK;
}

// a,"b,c",d → {"a","b,c","d"}: a text[] literal.
static enum rc
array_from_list(const char *list, char **ret_literal, struct err *err)
{
    g_autoptr(GString) literal = g_string_new("{");
    g_autoptr(GString) item = g_string_new(NULL);
    for (const char *c = list;; c++) {
        g_string_truncate(item, 0);
        enum rc rc = read_item(list, &c, item, err);
        if (rc != RC_OK) {
            return rc;
        }
        g_string_append_c(literal, '"');
        for (const char *each = item->str; *each; each++) {
            if (*each == '"' || *each == '\\') {
                g_string_append_c(literal, '\\');
            }
            g_string_append_c(literal, *each);
        }
        g_string_append(literal, *c ? "\"," : "\"}");
        if (!*c) {
            break;
        }
    }
    *ret_literal = g_string_free(g_steal_pointer(&literal), FALSE);
    return RC_OK;
}

static bool
is_one_of(const char *text, const char *const *values)
{
    return g_strv_contains(values, text);
}

// The filters that take "in:" or "eq:", by whether such a row exists.
static enum rc
add_text_filter(struct image_list *list, const char *name, const char *value, struct err *err)
{
    struct image_filter filter = {0};
    bool has_list = image_filter_kind(name, true) > 0;
    bool is_list = has_list && g_str_has_prefix(value, "in:");
    const char *colon = strchr(value, ':');
    if (has_list && colon && !is_list && !g_str_has_prefix(value, "eq:")) {
        g_autofree char *operator= g_strndup(value, (gsize)(colon - value));
        // A name may have a colon in it, nothing else of these has.
        if (is_one_of(operator, operators) || strcmp(name, "name")) {
            return fault(err, RC_INVALID, "Unable to filter by unknown operator '%s'.", operator);
        }
    }
    filter.kind = (unsigned)image_filter_kind(name, is_list);
    if (is_list) {
        enum rc rc = array_from_list(value + 3, &filter.value, err);
        if (rc != RC_OK) {
            return rc;
        }
    } else {
        filter.value = g_strdup(has_list && g_str_has_prefix(value, "eq:") ? value + 3 : value);
    }
    g_array_append_val(list->filters, filter);
    return RC_OK;
}

// created_at=gte:2026-01-01T00:00:00Z
static enum rc
add_time_filter(struct image_list *list, const char *name, const char *value, struct err *err)
{
    g_autofree char *operator= g_strdup("eq");
    const char *colon = strchr(value, ':');
    g_autofree char *prefix = g_strndup(value, colon ? (gsize)(colon - value) : 0);
    if (is_one_of(prefix, operators)) {
        g_free(operator);
        operator= g_strdup(prefix);
        value = colon + 1;
    }
    int64_t time_us;
    if (!iso8601_parse(value, &time_us)) {
        return fault(err, RC_INVALID,
                     "Bad \"%s\" query filter format. Use ISO 8601 DateTime notation.", name);
    }
    g_autofree char *parameter = g_strdup_printf("%s:%s", name, operator);
    char text[32];
    iso8601_format(time_us, true, text);
    struct image_filter filter = {.kind = (unsigned)image_filter_kind(parameter, false),
                                  .value = g_strdup(text)};
    g_array_append_val(list->filters, filter);
    return RC_OK;
}

static enum rc
check_filter_value(const char *name, const char *value, struct err *err)
{
    static const char *const numbers[] = {"size",
                                          "size_min",
                                          "size_max",
                                          "virtual_size",
                                          "virtual_size_min",
                                          "virtual_size_max",
                                          "min_disk",
                                          "min_disk_min",
                                          "min_disk_max",
                                          "min_ram",
                                          "min_ram_min",
                                          "min_ram_max",
                                          NULL};
    int64_t number;
    if (is_one_of(name, numbers) && !parse_int64(value, INT64_MIN, INT64_MAX, &number)) {
        return fault(err, RC_INVALID, "Unable to filter '%s' on a range with a non-numeric value.",
                     name);
    }
    if (!strcmp(name, "protected") && strcmp(value, "true") && strcmp(value, "false")) {
        return fault(
            err, RC_INVALID,
            "Invalid value '%.50s' for 'protected' filter. Valid values are 'true' or 'false'.",
            value);
    }
    if (!strcmp(name, "changes-since")) {
        return fault(err, RC_INVALID, "The \"changes-since\" filter is no longer available on v2.");
    }
    return RC_OK;
}

static enum rc
add_filter(struct image_list *list, const char *name, const char *value, struct err *err)
{
    enum rc rc = check_filter_value(name, value, err);
    if (rc != RC_OK) {
        return rc;
    }
    if (!strcmp(name, "created_at") || !strcmp(name, "updated_at")) {
        return add_time_filter(list, name, value, err);
    }
    if (image_filter_kind(name, false) > 0) {
        return add_text_filter(list, name, value, err);
    }
    struct image_filter filter = {.kind = FILTER_PROPERTY, .name = name, .value = g_strdup(value)};
    g_array_append_val(list->filters, filter);
    return RC_OK;
}

static enum rc
read_option(struct image_list *list, const char *name, const char *value, struct err *err)
{
    int64_t limit;
    if (!strcmp(name, "limit")) {
        if (!parse_int64(value, 0, INT64_MAX, &limit)) {
            return fault(err, RC_INVALID, "limit param must be an integer that is not negative");
        }
        list->limit = (int)MIN(limit, MAX_LIMIT);
    } else if (!strcmp(name, "marker")) {
        list->marker = value;
    } else if (!strcmp(name, "visibility")) {
        list->visibility = value;
        return is_one_of(value, visibilities)
                   ? RC_OK
                   : fault(err, RC_INVALID, "Invalid visibility value: %.50s", value);
    } else if (!strcmp(name, "member_status")) {
        list->member_status = value;
        return is_one_of(value, member_statuses)
                   ? RC_OK
                   : fault(err, RC_INVALID, "Invalid status: %.50s", value);
    } else if (!strcmp(name, "os_hidden")) {
        list->hidden = !g_ascii_strcasecmp(value, "true");
        return list->hidden || !g_ascii_strcasecmp(value, "false")
                   ? RC_OK
                   : fault(err, RC_INVALID,
                           "Invalid value '%.50s' for 'os_hidden' filter. Valid values are "
                           "'true' or 'false'.",
                           value);
    } else if (!is_one_of(name, not_filters)) {
        return add_filter(list, name, value, err);
    }
    return RC_OK;
}

enum rc
images_nameless(struct request *request, struct reply *reply, struct err *err)
{
    return g_str_has_suffix(request_url(request), "/")
               ? fault(err, RC_NOT_FOUND, "No image found with ID ''")
               : fault(err, RC_METHOD, "The method %s is not allowed for %s",
                       request_method(request), request_url(request));
}

enum rc
images_list(struct request *request, struct reply *reply, struct err *err)
{
    g_autoptr(GArray) filters = g_array_new(FALSE, FALSE, sizeof(struct image_filter));
    g_array_set_clear_func(filters, filter_clear);
    struct image_list list = {.viewer = viewer_of(request),
                              .member_status = "accepted",
                              .filters = filters,
                              .limit = DEFAULT_LIMIT};
    g_autofree char *items = NULL, *last = NULL;
    struct db *db;
    if (g_str_has_suffix(request_url(request), "/")) {
        return images_nameless(request, reply, err);
    }
    if (request_auth(request)->is_system) {
        return fault(err, RC_FORBIDDEN, "You are not authorized to complete get_images action.");
    }
    enum rc rc = image_allow_new(request, "get_images", request_project(request), "", err);
    const char *name, *value;
    for (unsigned i = 0; rc == RC_OK && request_query_at(request, i, &name, &value); i++) {
        rc = read_option(&list, name, value, err);
    }
    if (rc == RC_OK) {
        rc = read_sort(&list, request, err);
    }
    if (rc == RC_OK) {
        rc = request_db(request, &db, err);
    }
    if (rc == RC_OK) {
        rc = image_db_list(db, &list, &items, &last, err);
    }
    if (rc == RC_OK) {
        rc = locations_in_items(request, db, &items, err);
    }
    if (rc == RC_OK) {
        g_autofree char *links = page_links(request, "/v2/images", last);
        reply->text = g_strdup_printf("{\"images\": [%s], %s, \"schema\": \"/v2/schemas/images\"}",
                                      items, links);
    }
    return rc;
}
