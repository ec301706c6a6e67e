// SPDX-License-Identifier: Apache-2.0
// Routes as a tree of path segments; a literal segment wins over a parameter.
#include "common/http/internal.h"

#include <string.h>

struct node {
    GHashTable *literals;   // segment → struct node
    struct node *parameter; // "{name}"
    GPtrArray *rows;        // const struct route *, of the path that ends here
    GPtrArray *rest_rows;   // … of "{rest...}" from here on
};

struct router {
    struct node *root;
};

static void
node_free(gpointer data)
{
    struct node *node = data;
    if (node) {
        g_hash_table_unref(node->literals);
        node_free(node->parameter);
        g_ptr_array_unref(node->rows);
        g_ptr_array_unref(node->rest_rows);
        g_free(node);
    }
}

static struct node *
node_new(void)
{
    struct node *node = g_new0(struct node, 1);
    node->literals = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, node_free);
    node->rows = g_ptr_array_new();
    node->rest_rows = g_ptr_array_new();
    return node;
}

static struct node *
child(struct node *node, const char *segment)
{
    if (segment[0] == '{') {
        if (!node->parameter) {
            node->parameter = node_new();
        }
        return node->parameter;
    }
    struct node *next = g_hash_table_lookup(node->literals, segment);
    if (!next) {
        next = node_new();
        g_hash_table_insert(node->literals, g_strdup(segment), next);
    }
    return next;
}

static void
add(struct node *node, const struct route *route)
{
    g_auto(GStrv) segments = g_strsplit(route->path, "/", -1);
    for (char **segment = segments; *segment; segment++) {
        if (!**segment) {
            continue;
        }
        if (g_str_has_suffix(*segment, "...}")) {
            g_ptr_array_add(node->rest_rows, (gpointer)route);
            return;
        }
        node = child(node, *segment);
    }
    g_ptr_array_add(node->rows, (gpointer)route);
}

struct router *
router_new(const struct route *const *tables)
{
    struct router *router = g_new0(struct router, 1);
    router->root = node_new();
    for (; tables && *tables; tables++) {
        for (const struct route *route = *tables; route->method; route++) {
            add(router->root, route);
        }
    }
    return router;
}

void
router_free(struct router *router)
{
    if (router) {
        node_free(router->root);
        g_free(router);
    }
}

struct match {
    const struct request *request;
    char *params[MAX_PARAMS];
    int n_params;
    const struct route *route;
    GPtrArray *other_methods; // rows of the path whose method or version is another; NULL: none yet
};

static bool
fits(const struct match *match, const struct route *route)
{
    const char *method =
        strcmp(match->request->method, "HEAD") == 0 ? "GET" : match->request->method;
    uint16_t version = match->request->version;
    bool same =
        strcmp(route->method, match->request->method) == 0 || strcmp(route->method, method) == 0;
    return same && (!route->min_version || version >= route->min_version) &&
           (!route->max_version || version <= route->max_version);
}

static bool
pick(struct match *match, const GPtrArray *rows)
{
    for (unsigned i = 0; i < rows->len; i++) {
        const struct route *route = rows->pdata[i];
        if (fits(match, route)) {
            match->route = route;
            return true;
        }
        if (!match->other_methods) {
            match->other_methods = g_ptr_array_new();
        }
        g_ptr_array_add(match->other_methods, (gpointer)route);
    }
    return false;
}

static bool
descend(struct match *match, const struct node *node, char **segments)
{
    while (*segments && !**segments) {
        segments++;
    }
    if (!*segments) {
        return pick(match, node->rows);
    }
    const struct node *next = g_hash_table_lookup(node->literals, *segments);
    if (next && descend(match, next, segments + 1)) {
        return true;
    }
    if (node->parameter && match->n_params < MAX_PARAMS) {
        match->params[match->n_params++] = *segments;
        if (descend(match, node->parameter, segments + 1)) {
            return true;
        }
        match->n_params--;
    }
    if (node->rest_rows->len && match->n_params < MAX_PARAMS && pick(match, node->rest_rows)) {
        match->params[match->n_params++] = *segments;
        return true;
    }
    return false;
}

static enum rc
refuse(struct request *request, const GPtrArray *others, struct err *err)
{
    g_autoptr(GString) allow = g_string_new(NULL);
    bool hidden = false; // there in another microversion: for this one it does not exist
    for (unsigned i = 0; others && i < others->len; i++) {
        const struct route *route = others->pdata[i];
        bool other_version = strcmp(route->method, request->method) == 0;
        hidden |= other_version;
        if (!other_version && !strstr(allow->str, route->method)) {
            g_string_append_printf(allow, "%s%s", allow->len ? ", " : "", route->method);
        }
    }
    if (hidden || allow->len == 0) {
        return fault(err, RC_NOT_FOUND, "The resource could not be found: %s %.200s",
                     request->method, request->url);
    }
    reply_header(&request->reply, "Allow", allow->str);
    return fault(err, RC_METHOD, "The method %s is not allowed for %.200s", request->method,
                 request->url);
}

// The path's segments, some empty, and NULL; one block with their texts behind them.
static char **
split(const char *path)
{
    size_t n = 1, size = strlen(path) + 1;
    for (const char *at = path; *at; at++) {
        n += *at == '/';
    }
    char **segments = g_malloc((n + 1) * sizeof *segments + size);
    char *at = memcpy(segments + n + 1, path, size);
    for (size_t i = 0; i < n; i++) {
        segments[i] = at;
        at += strcspn(at, "/");
        *at++ = '\0';
    }
    segments[n] = NULL;
    return segments;
}

// The format that the last segment may name, when there is only one: "networks.json".
static void
drop_json_suffix(char **segments)
{
    char *last = segments[g_strv_length(segments) - 1];
    if (*last != '.' && g_str_has_suffix(last, ".json")) {
        last[strlen(last) - strlen(".json")] = '\0';
    }
}

enum rc
router_find(const struct router *router, struct request *request, struct err *err)
{
    struct match match = {.request = request};
    request->url_parts = split(request->url);
    if (request->server->config.drop_json_suffix) {
        drop_json_suffix(request->url_parts);
    }
    bool is_found = descend(&match, router->root, request->url_parts);
    g_autoptr(GPtrArray) others = match.other_methods;
    if (!is_found) {
        return refuse(request, others, err);
    }
    memcpy(request->params, match.params, sizeof(match.params));
    request->route = match.route;
    return RC_OK;
}
