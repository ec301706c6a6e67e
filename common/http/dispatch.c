// SPDX-License-Identifier: Apache-2.0
// The steps of a request: route, microversion, token, policy, body, handler, error body, log line.
#include "common/http/internal.h"

#include "common/base/util.h"
#include "common/json/read.h"
#include "common/log/log.h"
#include "common/service/metrics.h"

#include <string.h>
#include <unistd.h>

static _Atomic int64_t n_by_class[6], us_total, statements_total;
static const struct metric http_metrics[] = {
    {"haneul_http_requests_total", "counter", "Requests answered", "code=\"2xx\"", &n_by_class[2]},
    {"haneul_http_requests_total", "counter", "Requests answered", "code=\"3xx\"", &n_by_class[3]},
    {"haneul_http_requests_total", "counter", "Requests answered", "code=\"4xx\"", &n_by_class[4]},
    {"haneul_http_requests_total", "counter", "Requests answered", "code=\"5xx\"", &n_by_class[5]},
    {"haneul_http_microseconds_total", "counter", "Time from head to reply, summed", NULL,
     &us_total},
    {"haneul_http_statements_total", "counter", "SQL statements sent by requests", NULL,
     &statements_total},
};

__attribute__((constructor)) static void
register_metrics(void)
{
    metrics_register(http_metrics, N_ELEMENTS(http_metrics));
}

// "compute 2.37", "2.37", "latest" → minor. The header of another service is not ours to judge.
static enum rc
parse_version(const struct http_config *config, const char *text, uint16_t *ret_version,
              struct err *err)
{
    if (g_ascii_strcasecmp(text, "latest") == 0) {
        *ret_version = config->version_max;
        return RC_OK;
    }
    g_auto(GStrv) parts = g_strsplit(text, ".", 3);
    int64_t major, minor;
    if (g_strv_length(parts) != 2 || !parse_int64(parts[0], 1, 999, &major) ||
        !parse_int64(parts[1], 0, 9999, &minor)) {
        return fault(
            err, RC_INVALID,
            "API Version String '%.50s' is of invalid format. Must be of format MajorNum.MinorNum.",
            text);
    }
    if (major != 2 || minor < config->version_min || minor > config->version_max) {
        return fault(
            err, RC_NOT_ACCEPTABLE,
            "Version %.50s is not supported by the API. Minimum is 2.%u and maximum is 2.%u.", text,
            config->version_min, config->version_max);
    }
    *ret_version = (uint16_t)minor;
    return RC_OK;
}

static enum rc
negotiate_version(struct request *request, struct err *err)
{
    const struct http_config *config = &request->server->config;
    request->version = config->version_min;
    if (!config->version_service || !*config->version_service) {
        return RC_OK;
    }
    const char *modern = request_header(request, "OpenStack-API-Version");
    const char *legacy = request_header(request, "X-OpenStack-Nova-API-Version");
    size_t len = strlen(config->version_service);
    if (modern && strncmp(modern, config->version_service, len) == 0 && modern[len] == ' ') {
        return parse_version(config, modern + len + 1, &request->version, err);
    }
    return legacy ? parse_version(config, legacy, &request->version, err) : RC_OK;
}

// Keystone's header, else OAuth 2.0's (RFC 6750).
static const char *
token_of(const struct request *request)
{
    const char *token = request_header(request, "X-Auth-Token");
    const char *bearer = token ? NULL : request_header(request, "Authorization");
    return bearer && !g_ascii_strncasecmp(bearer, "Bearer ", 7) ? bearer + 7 : token;
}

static enum rc
authenticate(struct request *request, struct err *err)
{
    const struct http_config *config = &request->server->config;
    bool public = request->route->flags & ROUTE_PUBLIC;
    const char *token = token_of(request);
    enum rc rc = RC_OK;
    if (token && config->auth) {
        rc = authenticator_verify(config->auth, token, &request->auth, err);
        if (rc == RC_UNAUTHORIZED && public) {
            rc = RC_OK;
        }
    } else if (!public) {
        rc = fault(err, RC_UNAUTHORIZED, "The request you have made requires authentication.");
    }
    return rc;
}

// A token of an application credential with access rules opens what one of them names, and may
// always be validated. On a public row the rest is asked by nobody.
static enum rc
check_access_rules(struct request *request, struct err *err)
{
    const struct auth_context *auth = request->auth;
    if (!auth || !auth->n_access_rules ||
        (request->route->flags & ROUTE_ANY_TOKEN && strcmp(request->method, "GET") == 0) ||
        access_rules_allow(auth->access_rules, auth->n_access_rules,
                           request->server->config.service_types, request->method, request->url)) {
        return RC_OK;
    }
    if (request->route->flags & ROUTE_PUBLIC) {
        auth_context_unref(request->auth);
        request->auth = NULL;
        return RC_OK;
    }
    // 401 as OpenStack's services have it: for this request the token is none.
    return fault(err, RC_UNAUTHORIZED,
                 "The request you have made requires authentication: no access rule of the "
                 "application credential allows it.");
}

static enum rc
admit(struct request *request, struct err *err)
{
    enum rc rc = check_access_rules(request, err);
    return rc || !request->auth || !request->server->config.admit
               ? rc
               : request->server->config.admit(request, err);
}

enum rc
dispatch_head(struct request *request, struct err *err)
{
    enum rc rc = negotiate_version(request, err);
    if (rc == RC_OK) {
        rc = router_find(request->server->router, request, err);
    }
    if (rc == RC_OK) {
        rc = authenticate(request, err);
    }
    rc = rc ? rc : admit(request, err);
    if (rc == RC_OK && request->route->policy) {
        rc = request_allow(request, request->route->policy, NULL, err);
    }
    return rc;
}

static bool
may_have_json(const struct request *request)
{
    return !(request->route->flags & ROUTE_ANY_BODY) && strcmp(request->method, "GET") != 0 &&
           strcmp(request->method, "HEAD") != 0;
}

enum rc
dispatch_json(struct request *request, struct err *err)
{
    if (request->json || !request->raw || !request->raw->len || !may_have_json(request)) {
        return RC_OK;
    }
    json_error_t error;
    request->json = json_read((const char *)request->raw->data, request->raw->len, &error);
    return request->json ? RC_OK
                         : fault(err, RC_INVALID,
                                 "The request body is malformed JSON: %s (line %d, column %d)",
                                 error.text, error.line, error.column);
}

enum rc
dispatch_body(struct request *request, struct err *err)
{
    const struct route *route = request->route;
    if (!may_have_json(request)) {
        return RC_OK;
    }
    enum rc rc = dispatch_json(request, err);
    if (rc) {
        return rc;
    }
    if (!request->json && route->body) {
        request->json = route->flags & ROUTE_OPTIONAL_BODY ? json_object() : NULL;
        if (!request->json) {
            return fault(err, RC_INVALID, "The request body is missing");
        }
        if (route->body->envelope) {
            json_object_set_new(request->json, route->body->envelope, json_object());
        }
    }
    if (!route->body) {
        return RC_OK;
    }
    request->body = g_malloc0(route->body->struct_size);
    return body_decode(route->body, request->json, request->body, &request->body_present, err);
}

static void
reset_reply(struct reply *reply)
{
    json_decref(reply->json);
    g_clear_pointer(&reply->text, g_free);
    reply->json = NULL;
    reply->text_size = 0;
    reply->content_type = NULL;
    if (reply->fd >= 0) {
        close(reply->fd);
        reply->fd = -1;
    }
}

void
dispatch_error(struct request *request, const struct err *err)
{
    struct reply *reply = &request->reply;
    const struct http_config *config = &request->server->config;
    reset_reply(reply);
    reply->status = rc_http_status(err->rc);
    // A failure's cause is the operator's: the client gets its kind, and a reason only where the
    // service chose one.
    struct err shown = *err;
    if (err->rc == RC_INTERNAL) {
        log_error("a request failed", kv("method", request->method), kv("path", request->url),
                  kv("message", err->message));
        g_strlcpy(
            shown.message,
            "The server has either erred or is incapable of performing the requested operation.",
            sizeof(shown.message));
    } else if (err->rc > RC_INTERNAL) {
        log_warn("a request could not be served", kv("method", request->method),
                 kv("path", request->url), kv("message", err->message));
    }
    if (err->rc == RC_UNAVAILABLE && !err->retry_after_s) {
        g_strlcpy(shown.message, "The service is temporarily unavailable, try again.",
                  sizeof(shown.message));
    }
    config->error_body(request, &shown, reply);
    if (err->retry_after_s || err->rc == RC_UNAVAILABLE) {
        reply_header_format(reply, "Retry-After", "%u",
                            err->retry_after_s ? err->retry_after_s : 1);
    }
    if (err->rc == RC_UNAUTHORIZED && config->identity_url) {
        reply_header_format(reply, "WWW-Authenticate", "Keystone uri=\"%s\"", config->identity_url);
    }
}

static enum rc
answer(struct request *request, struct err *err)
{
    bool is_answered = false;
    enum rc rc = dispatch_body(request, err);
    rc = rc ? rc : reply_cache_answer(request, &is_answered, err);
    if (rc || is_answered) {
        return rc;
    }
    rc = request->route->handle(request, &request->reply, err);
    if (rc == RC_OK) {
        reply_cache_keep(request);
    }
    return rc;
}

void
dispatch_handle(struct request *request)
{
    struct err err = {0};
    log_request_id_set(request->id);
    db_statements_reset();
    enum rc rc = RC_OK;
    request->reply.status = request->route->status ? request->route->status : 200;
    if (request->stream_begun) {
        request->stream_begun = false;
        rc = request->route->stream->end(request->stream_state, request, &request->reply, &err);
    } else {
        rc = answer(request, &err);
    }
    request->n_statements = db_statements();
    if (rc == RC_OK && request->server->config.on_handled) {
        request->server->config.on_handled(request);
    }
    if (rc != RC_OK) {
        err.rc = rc;
        dispatch_error(request, &err);
    }
    log_request_id_set(NULL);
}

void
dispatch_finish(struct request *request)
{
    log_request_id_set(request->id);
    int64_t duration = now_us() - request->started_us;
    int class = request->reply.status / 100;
    if (class >= 2 && class <= 5) {
        n_by_class[class]++;
    }
    us_total += duration;
    statements_total += request->n_statements;
    bool reading = strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0;
    LOG_AT(reading ? LOG_DEBUG : LOG_INFO, "request", kv("method", request->method),
           kv("path", request->url), kv_int("status", request->reply.status),
           kv_int("us", duration), kv_int("statements", request->n_statements),
           kv("user", request->auth ? request->auth->user_id : "-"),
           kv("project", request->auth ? request->auth->project_id : "-"));
    log_request_id_set(NULL);
}
