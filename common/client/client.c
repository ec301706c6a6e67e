// SPDX-License-Identifier: Apache-2.0
// libcurl calls with the service's own token. One curl handle per thread keeps connections alive;
// the token is shared by all threads, fetched when missing, renewed a minute before it expires, and
// dropped when a peer refuses it.
#include "common/client/client.h"

#include <curl/curl.h>
#include <pthread.h>
#include <string.h>

#include "common/base/util.h"
#include "common/log/log.h"

#define REPLY_MAX_SIZE (16 * 1024 * 1024)
#define CONNECT_TIMEOUT_MS 3000
#define DEFAULT_TIMEOUT_MS 10000
#define RENEW_BEFORE_US (60 * INT64_C(1000000))

struct client {
    char *identity_url, *user, *password;
    pthread_mutex_t lock; // guards token and expires_us
    char *token;
    int64_t expires_us;
};

struct exchange { // what one curl_easy_perform gave back
    GString *body;
    char token[8192];
    size_t max_size;
    long status;
    bool too_large;
};

static GPrivate thread_curl = G_PRIVATE_INIT((GDestroyNotify)curl_easy_cleanup);

static void
init_curl(void)
{
    static gsize once;
    if (g_once_init_enter(&once)) {
        curl_global_init(CURL_GLOBAL_ALL);
        g_once_init_leave(&once, 1);
    }
}

struct client *
client_new(const struct conf *conf)
{
    init_curl();
    struct client *client = g_new0(struct client, 1);
    client->identity_url = g_strdup(conf_text(conf, "identity", "url"));
    client->user = g_strdup(conf_text(conf, "identity", "user"));
    client->password = g_strdup(conf_text(conf, "identity", "password"));
    pthread_mutex_init(&client->lock, NULL);
    return client;
}

void
client_free(struct client *client)
{
    if (!client) {
        return;
    }
    pthread_mutex_destroy(&client->lock);
    g_free(client->identity_url);
    g_free(client->user);
    g_free(client->password);
    g_free(client->token);
    g_free(client);
}

static size_t
on_body(char *data, size_t size, size_t n, void *context)
{
    struct exchange *exchange = context;
    if (exchange->body->len + size * n > exchange->max_size) {
        exchange->too_large = true;
        return 0;
    }
    g_string_append_len(exchange->body, data, (gssize)(size * n));
    return size * n;
}

static size_t
on_header(char *data, size_t size, size_t n, void *context)
{
    static const char name[] = "x-subject-token:";
    struct exchange *exchange = context;
    size_t length = size * n;
    if (length > sizeof(name) && g_ascii_strncasecmp(data, name, sizeof(name) - 1) == 0) {
        g_autofree char *value = g_strndup(data + sizeof(name) - 1, length - (sizeof(name) - 1));
        g_strstrip(value);
        if (strlen(value) < sizeof(exchange->token)) {
            g_strlcpy(exchange->token, value, sizeof(exchange->token));
        }
    }
    return length;
}

static CURL *
this_thread_curl(void)
{
    CURL *curl = g_private_get(&thread_curl);
    if (!curl) {
        init_curl();
        curl = curl_easy_init();
        g_private_set(&thread_curl, curl);
    } else {
        curl_easy_reset(curl); // keeps connections
    }
    return curl;
}

static struct curl_slist *
add_header(struct curl_slist *list, const char *name, const char *value)
{
    g_autofree char *line = g_strdup_printf("%s: %s", name, value);
    return curl_slist_append(list, line);
}

static struct curl_slist *
call_headers(const struct call *call, const char *token)
{
    struct curl_slist *list = add_header(NULL, "Accept", "application/json");
    list = add_header(list, "Expect", "");
    if (call->body) {
        list = add_header(list, "Content-Type",
                          call->content_type ? call->content_type : "application/json");
    }
    if (call->api_version) {
        list = add_header(list, "OpenStack-API-Version", call->api_version);
    }
    if (call->if_match) {
        list = add_header(list, "If-Match", call->if_match);
    }
    if (token) {
        list = add_header(list, "X-Auth-Token", token);
    }
    const char *request_id = call->request_id ? call->request_id : log_request_id();
    if (request_id && strcmp(request_id, "-") != 0) {
        list = add_header(list, "X-Openstack-Request-Id", request_id);
    }
    return list;
}

static enum rc
perform(const struct call *call, const char *token, struct exchange *exchange, struct err *err)
{
    CURL *curl = this_thread_curl();
    exchange->max_size = call->max_reply ? call->max_reply : REPLY_MAX_SIZE;
    struct curl_slist *headers = call_headers(call, token);
    char *body = call->body ? json_dumps(call->body, JSON_COMPACT) : NULL;
    curl_easy_setopt(curl, CURLOPT_URL, call->url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, call->method);
    curl_easy_setopt(curl, CURLOPT_NOBODY, strcmp(call->method, "HEAD") == 0 ? 1L : 0L);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS,
                     (long)(call->timeout_ms ? call->timeout_ms : DEFAULT_TIMEOUT_MS));
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, exchange);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, exchange);
    if (call->ca_file) {
        curl_easy_setopt(curl, CURLOPT_CAINFO, call->ca_file);
    }
    if (body) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    }
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &exchange->status);
    curl_slist_free_all(headers);
    free(body);
    if (code == CURLE_OK) {
        return RC_OK;
    }
    if (exchange->too_large) {
        return fault(err, RC_BAD_GATEWAY, "%s %s: the reply is too large", call->method, call->url);
    }
    enum rc rc = code == CURLE_OPERATION_TIMEDOUT ? RC_DEADLINE : RC_UNAVAILABLE;
    return fault(err, rc, "%s %s: %s", call->method, call->url, curl_easy_strerror(code));
}

static enum rc
rc_from_status(long status)
{
    for (int rc = RC_OK + 1; rc < N_RC; rc++) {
        if (rc_http_status(rc) == status) {
            return rc;
        }
    }
    return status >= 500 ? RC_BAD_GATEWAY : RC_INVALID;
}

// The message and type of any of our services' error bodies: {"message"} at the top or one level
// down.
static void
peer_message(json_t *root, const char **ret_message, const char **ret_type)
{
    const char *key;
    json_t *value;
    *ret_message = json_string_value(json_object_get(root, "message"));
    *ret_type = json_string_value(json_object_get(root, "type"));
    if (*ret_message) {
        return;
    }
    json_object_foreach(root, key, value)
    {
        const char *message = json_string_value(json_object_get(value, "message"));
        if (message) {
            *ret_message = message;
            *ret_type = json_string_value(json_object_get(value, "type"));
            return;
        }
    }
}

static enum rc
refuse(const struct call *call, const struct exchange *exchange, struct err *err)
{
    json_auto_t *root = json_loadb(exchange->body->str, exchange->body->len, 0, NULL);
    const char *message = NULL, *type = NULL;
    peer_message(root, &message, &type);
    enum rc rc = rc_from_status(exchange->status);
    if (!message) {
        return fault(err, rc, "%s %s: status %ld", call->method, call->url, exchange->status);
    }
    return fault_typed(err, rc, type ? type : "", "%s", message);
}

static enum rc
accept_reply(const struct call *call, const struct exchange *exchange, json_t **ret_json,
             struct err *err)
{
    json_t *root = NULL;
    if (ret_json && exchange->body->len) {
        json_error_t problem;
        root =
            json_loadb(exchange->body->str, exchange->body->len, JSON_REJECT_DUPLICATES, &problem);
        if (!root) {
            return fault(err, RC_BAD_GATEWAY, "%s %s: the reply is not JSON: %s", call->method,
                         call->url, problem.text);
        }
    }
    if (ret_json) {
        *ret_json = root;
    }
    return RC_OK;
}

static enum rc
fetch_token(struct client *client, struct err *err)
{
    json_auto_t *body =
        json_pack("{s:{s:{s:[s],s:{s:{s:s,s:s,s:{s:s}}}},s:{s:{s:s,s:{s:s}}}}}", "auth", "identity",
                  "methods", "password", "password", "user", "name", client->user, "password",
                  client->password, "domain", "id", "default", "scope", "project", "name",
                  "service", "domain", "id", "default");
    g_autofree char *url = g_strdup_printf("%s/v3/auth/tokens", client->identity_url);
    struct call call = {.method = "POST", .url = url, .body = body, .no_auth = true};
    struct exchange *exchange = g_new0(struct exchange, 1);
    exchange->body = g_string_new(NULL);
    enum rc rc = perform(&call, NULL, exchange, err);
    if (rc == RC_OK && exchange->status / 100 != 2) {
        rc = refuse(&call, exchange, err);
        if (!rc_is_retryable(
                rc)) { // our own account is refused: the operator's problem, not the caller's
            rc = fault(err, RC_UNAVAILABLE, "identity refuses service user '%s': status %ld",
                       client->user, exchange->status);
        }
    } else if (rc == RC_OK) {
        json_auto_t *root = json_loadb(exchange->body->str, exchange->body->len, 0, NULL);
        const char *expires =
            json_string_value(json_object_get(json_object_get(root, "token"), "expires_at"));
        int64_t expires_us = 0;
        if (!*exchange->token || !expires || !iso8601_parse(expires, &expires_us)) {
            rc = fault(err, RC_BAD_GATEWAY, "identity's reply to %s has no token", url);
        } else {
            g_free(client->token);
            client->token = g_strdup(exchange->token);
            client->expires_us = expires_us;
        }
    }
    g_string_free(exchange->body, TRUE);
    g_free(exchange);
    return rc;
}

enum rc
client_token(struct client *client, char **ret_token, struct err *err)
{
    enum rc rc = RC_OK;
    pthread_mutex_lock(&client->lock);
    if (!client->token || client->expires_us - RENEW_BEFORE_US < now_us()) {
        rc = fetch_token(client, err);
    }
    if (rc == RC_OK) {
        *ret_token = g_strdup(client->token);
    }
    pthread_mutex_unlock(&client->lock);
    return rc;
}

static void
drop_token(struct client *client, const char *refused)
{
    pthread_mutex_lock(&client->lock);
    if (g_strcmp0(client->token, refused) == 0) {
        g_clear_pointer(&client->token, g_free);
    }
    pthread_mutex_unlock(&client->lock);
}

static enum rc
call_once(struct client *client, const struct call *call, bool *ret_retry, json_t **ret_json,
          struct err *err)
{
    g_autofree char *own = NULL;
    bool is_own = !call->no_auth && !call->token;
    *ret_retry = false;
    if (is_own) {
        enum rc rc = client_token(client, &own, err);
        if (rc != RC_OK) {
            return rc;
        }
    }
    g_autofree struct exchange *exchange = g_new0(struct exchange, 1);
    exchange->body = g_string_new(NULL);
    enum rc rc = perform(call,
                         call->no_auth ? NULL
                         : call->token ? call->token
                                       : own,
                         exchange, err);
    if (rc == RC_OK && exchange->status / 100 != 2) {
        if (exchange->status == 401 && is_own) {
            drop_token(client, own);
            *ret_retry = true;
        }
        rc = refuse(call, exchange, err);
    } else if (rc == RC_OK) {
        rc = accept_reply(call, exchange, ret_json, err);
    }
    g_string_free(exchange->body, TRUE);
    return rc;
}

enum rc
client_call(struct client *client, const struct call *call, json_t **ret_json, struct err *err)
{
    bool retry = false;
    enum rc rc = call_once(client, call, &retry, ret_json, err);
    if (retry) { // our token was revoked or its key retired: one new one, once
        rc = call_once(client, call, &retry, ret_json, err);
    }
    return rc;
}
