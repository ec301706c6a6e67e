// SPDX-License-Identifier: Apache-2.0
// What a handler may ask of its request.
#include "common/http/internal.h"

#include "common/base/util.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <string.h>

void *
request_context(const struct request *request)
{
    return request->server->config.context;
}

const struct route *
request_route(const struct request *request)
{
    return request->route;
}

const char *
request_id(const struct request *request)
{
    return request->id;
}

const char *
request_method(const struct request *request)
{
    return request->method;
}

static bool
same_template(const char *a, const char *b)
{
    while (*a && *a == *b) {
        bool is_open = *a == '{';
        a += is_open ? strcspn(a, "}") : 1;
        b += is_open ? strcspn(b, "}") : 1;
    }
    return *a == *b;
}

bool
request_serves(const struct request *request, const char *path)
{
    for (const struct route *const *table = request->server->config.routes; *table; table++) {
        for (const struct route *row = *table; row->method; row++) {
            if (same_template(row->path, path)) {
                return true;
            }
        }
    }
    return false;
}

const char *
request_url(const struct request *request)
{
    return request->url;
}

const char *
request_param(const struct request *request, const char *name)
{
    int position = 0;
    size_t len = strlen(name);
    for (const char *at = strchr(request->route->path, '{'); at;
         at = strchr(at + 1, '{'), position++) {
        if (strncmp(at + 1, name, len) == 0 && (at[len + 1] == '}' || at[len + 1] == '.')) {
            return request->params[position];
        }
    }
    g_assert_not_reached();
}

static enum MHD_Result
collect(void *array, enum MHD_ValueKind kind, const char *name, const char *value)
{
    g_ptr_array_add(array, (gpointer)name);
    g_ptr_array_add(array, (gpointer)(value ? value : ""));
    return MHD_YES;
}

static GPtrArray *
query_of(const struct request *request)
{
    if (!request->query) {
        // The pairs are MHD's own memory, which lives as long as the request; collecting them late
        // changes nothing visible.
        struct request *mutable = (struct request *)request;
        mutable->query = g_ptr_array_new();
        MHD_get_connection_values(request->connection, MHD_GET_ARGUMENT_KIND, collect,
                                  mutable->query);
    }
    return request->query;
}

bool
request_query_at(const struct request *request, unsigned i, const char **ret_name,
                 const char **ret_value)
{
    GPtrArray *query = query_of(request);
    if (2 * i >= query->len) {
        return false;
    }
    *ret_name = query->pdata[2 * i];
    *ret_value = query->pdata[2 * i + 1];
    return true;
}

const char *
request_query(const struct request *request, const char *name)
{
    const char *each, *value;
    for (unsigned i = 0; request_query_at(request, i, &each, &value); i++) {
        if (strcmp(each, name) == 0) {
            return value;
        }
    }
    return NULL;
}

char *
request_page_query(const struct request *request, const char *marker)
{
    GString *query = g_string_new(NULL);
    const char *name, *value;
    for (unsigned i = 0; request_query_at(request, i, &name, &value); i++) {
        if (strcmp(name, "marker") && strcmp(name, "page_reverse")) {
            g_string_append_c(query, query->len ? '&' : '?');
            g_string_append_uri_escaped(query, name, NULL, FALSE);
            g_string_append_c(query, '=');
            g_string_append_uri_escaped(query, value, NULL, FALSE);
        }
    }
    if (marker) {
        g_string_append(query, query->len ? "&marker=" : "?marker=");
        g_string_append_uri_escaped(query, marker, NULL, FALSE);
    }
    return g_string_free(query, FALSE);
}

const char *
request_header(const struct request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

const void *
request_body(const struct request *request)
{
    return request->body;
}

uint64_t
request_body_present(const struct request *request)
{
    return request->body_present;
}

struct visit {
    void (*each)(void *context, const char *name, const char *value);
    void *context;
};

static enum MHD_Result
visit_header(void *data, enum MHD_ValueKind kind, const char *name, const char *value)
{
    const struct visit *visit = data;
    visit->each(visit->context, name, value ? value : "");
    return MHD_YES;
}

void
request_each_header(const struct request *request,
                    void (*each)(void *context, const char *name, const char *value), void *context)
{
    struct visit visit = {each, context};
    MHD_get_connection_values(request->connection, MHD_HEADER_KIND, visit_header, &visit);
}

json_t *
request_json(const struct request *request)
{
    return request->json;
}

const char *
request_raw_body(const struct request *request, size_t *ret_size)
{
    *ret_size = request->raw ? request->raw->len : 0;
    return request->raw ? (const char *)request->raw->data : "";
}

// What the proxy in front of us saw: it adds its client's address at the end.
static bool
copy_forwarded_address(struct request *request)
{
    const char *header =
        request->server->config.trust_proxy ? request_header(request, "X-Forwarded-For") : NULL;
    if (!header) {
        return false;
    }
    const char *comma = strrchr(header, ',');
    g_autofree char *last = g_strstrip(g_strdup(comma ? comma + 1 : header));
    struct in6_addr ignored;
    bool is_address =
        inet_pton(AF_INET, last, &ignored) == 1 || inet_pton(AF_INET6, last, &ignored) == 1;
    return is_address && g_strlcpy(request->address, last, sizeof request->address) > 0;
}

void
request_peer_address(const struct request *request, char ret_address[64])
{
    ret_address[0] = '\0';
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    if (!info || !info->client_addr) {
        return;
    }
    const struct sockaddr *address = info->client_addr;
    const void *bytes = address->sa_family == AF_INET6
                            ? (const void *)&((const struct sockaddr_in6 *)address)->sin6_addr
                            : (const void *)&((const struct sockaddr_in *)address)->sin_addr;
    inet_ntop(address->sa_family, bytes, ret_address, 64);
}

static void
copy_address(struct request *request)
{
    if (!copy_forwarded_address(request)) {
        request_peer_address(request, request->address);
    }
}

const char *
request_client_address(const struct request *request)
{
    if (!request->address[0]) {
        copy_address((struct request *)request); // noted late, as the query is
    }
    return request->address;
}

uint16_t
request_version(const struct request *request)
{
    return request->version;
}

const struct auth_context *
request_auth(const struct request *request)
{
    return request->auth;
}

const char *
request_project(const struct request *request)
{
    return request->auth ? request->auth->project_id : "";
}

int
request_list_limit(const struct request *request)
{
    return request->server->config.list_limit;
}

static bool
is_host(const char *text)
{
    return *text && strlen(text) < 256 &&
           strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]") ==
               strlen(text);
}

const char *
request_base_url(const struct request *request)
{
    if (!request->base_url) {
        const struct http_config *config = &request->server->config;
        const char *host = request_header(request, "Host"), *scheme = "http";
        const char *forwarded =
            config->trust_proxy ? request_header(request, "X-Forwarded-Host") : NULL;
        const char *protocol =
            config->trust_proxy ? request_header(request, "X-Forwarded-Proto") : NULL;
        host = forwarded && is_host(forwarded) ? forwarded : host;
        scheme = protocol && strcmp(protocol, "https") == 0 ? "https" : scheme;
        struct request *mutable = (struct request *)request;
        mutable->base_url = host && is_host(host) ? g_strconcat(scheme, "://", host, NULL)
                                                  : g_strdup_printf("%s://%s:%d", scheme,
                                                                    config->listen, config->port);
    }
    return request->base_url;
}

enum rc
request_db(const struct request *request, struct db **ret_db, struct err *err)
{
    return db_get(request->server->config.db, ret_db, err);
}

bool
request_is_allowed(const struct request *request, const char *rule, json_t *target)
{
    return policy_allows(request->server->config.policy, rule, request->auth, target);
}

enum rc
request_allow(const struct request *request, const char *rule, json_t *target, struct err *err)
{
    if (request_is_allowed(request, rule, target)) {
        return RC_OK;
    }
    return fault(err, RC_FORBIDDEN, "You are not authorized to perform the requested action: %s.",
                 rule);
}

// Takes the text.
static char *
keep(struct request *request, char *text)
{
    if (!request->texts) {
        request->texts = g_ptr_array_new_with_free_func(g_free);
    }
    g_ptr_array_add(request->texts, text);
    return text;
}

char *
request_strdup(struct request *request, const char *text)
{
    return keep(request, g_strdup(text));
}

char *
request_printf(struct request *request, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    return keep(request, text);
}

void
request_free(struct request *request)
{
    g_free(request->url_parts);
    g_free(request->url);
    g_free(request->base_url);
    g_free(request->cache_key);
    g_free(request->cache_label);
    g_free(request->body);
    g_clear_pointer(&request->query, g_ptr_array_unref);
    g_clear_pointer(&request->raw, g_byte_array_unref);
    g_clear_pointer(&request->texts, g_ptr_array_unref);
    json_decref(request->json);
    if (request->auth) {
        auth_context_unref(request->auth);
    }
    reply_clear(&request->reply);
    outgoing_free(request->outgoing);
    g_mutex_clear(&request->mutex);
    g_free(request);
}
