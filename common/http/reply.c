// SPDX-License-Identifier: Apache-2.0
#include "common/base/util.h"
#include "common/http/internal.h"

#include <stdarg.h>
#include <string.h>
#include <unistd.h>

static const struct {
    int status;
    const char *title;
} titles[] = {
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {409, "Conflict"},
    {410, "Gone"},
    {412, "Precondition Failed"},
    {413, "Request Entity Too Large"},
    {415, "Unsupported Media Type"},
    {416, "Requested Range Not Satisfiable"},
    {429, "Too Many Requests"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
};

const char *
http_status_title(int status)
{
    for (size_t i = 0; i < N_ELEMENTS(titles); i++) {
        if (titles[i].status == status) {
            return titles[i].title;
        }
    }
    return "Error";
}

void
reply_init(struct reply *reply)
{
    *reply =
        (struct reply){.status = 200, .fd = -1, .headers = g_ptr_array_new_with_free_func(g_free)};
}

void
reply_clear(struct reply *reply)
{
    json_decref(reply->json);
    g_free(reply->text);
    g_ptr_array_unref(reply->headers);
    if (reply->fd >= 0) {
        close(reply->fd);
    }
    if (reply->source) {
        reply->source->close(reply->source_state);
    }
}

void
reply_header(struct reply *reply, const char *name, const char *value)
{
    g_ptr_array_add(reply->headers, g_strdup(name));
    g_ptr_array_add(reply->headers, g_strdup(value));
}

void
reply_header_format(struct reply *reply, const char *name, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_ptr_array_add(reply->headers, g_strdup(name));
    g_ptr_array_add(reply->headers, g_strdup_vprintf(format, arguments));
    va_end(arguments);
}

static ssize_t
read_source(void *context, uint64_t position, char *buffer, size_t size)
{
    struct request *request = context;
    const struct reply *reply = &request->reply;
    for (;;) {
        ssize_t n = reply->source->read(reply->source_state, buffer, size);
        if (n < 0) {
            return MHD_CONTENT_READER_END_WITH_ERROR;
        }
        if (n > 0 || suspend_unless_resumed(request)) {
            return n;
        }
    }
}

static void
encode_json(struct reply *reply)
{
    if (reply->json) {
        g_free(reply->text);
        reply->text = json_dumps(reply->json, JSON_COMPACT | JSON_ENCODE_ANY);
        reply->text_size = 0;
        json_decref(g_steal_pointer(&reply->json));
    }
}

static size_t
text_size(const struct reply *reply)
{
    return !reply->text ? 0 : reply->text_size ? reply->text_size : strlen(reply->text);
}

static struct MHD_Response *
make_body(struct request *request)
{
    enum { BLOCK = 64 * 1024 };
    struct reply *reply = &request->reply;
    if (reply->source) {
        return MHD_create_response_from_callback((uint64_t)reply->source_size, BLOCK, read_source,
                                                 request, NULL);
    }
    if (reply->fd >= 0) {
        struct MHD_Response *response = MHD_create_response_from_fd_at_offset64(
            (uint64_t)reply->fd_size, reply->fd, (uint64_t)reply->fd_offset);
        reply->fd = response ? -1 : reply->fd; // MHD closes it
        return response;
    }
    size_t size = text_size(reply);
    return MHD_create_response_from_buffer(size, g_steal_pointer(&reply->text),
                                           MHD_RESPMEM_MUST_FREE);
}

static void
add_version_headers(const struct request *request, struct MHD_Response *response)
{
    const char *service = request->server->config.version_service;
    if (!service || !*service) {
        return;
    }
    char version[64], name[96];
    g_snprintf(version, sizeof(version), "%s 2.%u", service, request->version);
    MHD_add_response_header(response, "OpenStack-API-Version", version);
    MHD_add_response_header(response, "Vary", "OpenStack-API-Version");
    if (strcmp(service, "compute") == 0) {
        g_snprintf(name, sizeof(name), "X-OpenStack-Nova-API-Version");
        MHD_add_response_header(response, name, version + strlen(service) + 1);
        MHD_add_response_header(response, "Vary", name);
    }
}

static void
add_headers(const struct request *request, bool has_body, struct MHD_Response *response)
{
    const struct reply *reply = &request->reply;
    if (has_body) {
        MHD_add_response_header(response, "Content-Type",
                                reply->content_type ? reply->content_type : "application/json");
    }
    MHD_add_response_header(response, "X-Openstack-Request-Id", request->id);
    add_version_headers(request, response);
    for (unsigned i = 0; i + 1 < reply->headers->len; i += 2) {
        MHD_add_response_header(response, reply->headers->pdata[i], reply->headers->pdata[i + 1]);
    }
}

enum MHD_Result
reply_send(struct request *request)
{
    struct reply *reply = &request->reply;
    if (request->server->config.on_reply) {
        request->server->config.on_reply(request, reply);
    }
    encode_json(reply);
    bool has_body = reply->text || reply->fd >= 0 || reply->source;
    struct MHD_Response *response = make_body(request);
    if (!response) {
        return MHD_NO;
    }
    add_headers(request, has_body, response);
    enum MHD_Result result =
        MHD_queue_response(request->connection, (unsigned)reply->status, response);
    MHD_destroy_response(response);
    request->stage = STAGE_SENT;
    dispatch_finish(request);
    return result;
}

static enum MHD_Result
append_header(void *text, enum MHD_ValueKind kind, const char *name, const char *value)
{
    g_string_append_printf(text, "%s: %s\r\n", name, value);
    return MHD_YES;
}

GString *
reply_to_text(struct request *request)
{
    struct reply *reply = &request->reply;
    if (request->server->config.on_reply) {
        request->server->config.on_reply(request, reply);
    }
    encode_json(reply);
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    g_autofree char *date = g_date_time_format(now, "%a, %d %b %Y %H:%M:%S GMT");
    GString *text = g_string_new(NULL);
    g_string_printf(text, "HTTP/1.1 %d %s\r\nDate: %s\r\nConnection: close\r\n", reply->status,
                    MHD_get_reason_phrase_for((unsigned)reply->status), date);
    int64_t size = reply->fd >= 0 ? reply->fd_size : (int64_t)text_size(reply);
    if (reply->status != 204) {
        g_string_append_printf(text, "Content-Length: %lld\r\n", (long long)size);
    }
    struct MHD_Response *headers = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    add_headers(request, reply->text || reply->fd >= 0, headers);
    MHD_get_response_headers(headers, append_header, text);
    MHD_destroy_response(headers);
    g_string_append(text, "\r\n");
    if (reply->text) {
        g_string_append_len(text, reply->text, (gssize)text_size(reply));
    }
    return text;
}
