// SPDX-License-Identifier: Apache-2.0
// The HTTP server: libmicrohttpd with epoll and a pool of threads, route rows instead of routing
// code. A handler sees a decoded, authorised request and fills a reply; what it returns other than
// RC_OK becomes the service's documented error body. Slow rows (ROUTE_SLOW) run in a bounded worker
// pool while the connection is suspended.
#pragma once
#include "common/auth/auth.h"
#include "common/base/err.h"
#include "common/db/db.h"
#include "common/json/body.h"
#include <glib.h>
#include <jansson.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

struct MHD_Connection;
struct http_server;
struct request;

// A body that comes from elsewhere while it is sent. read is called by the HTTP thread and never
// waits: bytes, 0 when there are none yet (http_stream_resume is called when there are), or -1 when
// there will be none: the connection is broken off. After close, resume must not be called.
struct reply_source {
    ssize_t (*read)(void *state, char *buffer, size_t size);
    void (*close)(void *state);
};

struct reply {
    int status;       // preset to the row's success status
    json_t *json;     // owned; encoded compactly
    char *text;       // owned; already encoded body (SQL-assembled JSON), used when json is NULL
    size_t text_size; // 0: strlen(text)
    int fd;           // ≥ 0: file body, sent by sendfile and closed; else -1
    int64_t fd_offset, fd_size;
    const struct reply_source *source; // NULL, or gives source_size bytes from `state`
    void *source_state;                // closed once
    int64_t source_size;
    const char *content_type; // NULL: application/json
    GPtrArray *headers;       // names and values in turn; filled by reply_header
};
void reply_header(struct reply *reply, const char *name, const char *value);
void reply_header_format(struct reply *reply, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

typedef enum rc (*handler_fn)(struct request *request, struct reply *reply, struct err *err);

// A body that does not fit in memory. begin checks and returns the handler's state; chunk may take
// fewer bytes than given (the connection is then suspended until http_stream_resume); begin and end
// run in a worker thread; abort when the client went away or an error was returned. Exactly one of
// end and abort is called after a successful begin. room, filled and pause may be NULL. With them,
// long bodies of a known length are received where the handler wants them: room gives the place of
// the next bytes, NULL when there is none for now (http_stream_resume follows), filled says how
// many were put there, pause that no more have come for now. Such a request's connection is closed
// after its reply.
#define ROOM_PARTS 4
struct stream_ops {
    enum rc (*begin)(struct request *request, void **ret_state, struct err *err);
    enum rc (*chunk)(void *state, const void *data, size_t size, size_t *ret_taken,
                     struct err *err);
    enum rc (*end)(void *state, struct request *request, struct reply *reply, struct err *err);
    void (*abort)(void *state);
    enum rc (*room)(void *state, size_t wanted, struct iovec ret_parts[ROOM_PARTS], int *ret_n,
                    struct err *err);
    enum rc (*filled)(void *state, size_t size, struct err *err);
    void (*pause)(void *state);
};
void http_stream_resume(struct request *request); // from any thread

enum route_flag {
    ROUTE_PUBLIC = 1, // no token needed; one that is given is still verified and offered
    ROUTE_SLOW = 2,   // may block (hashing, calls to other services): worker pool; full pool: 503
                      // with Retry-After
    ROUTE_ANY_BODY =
        4, // body is not JSON or is ignored; request_raw_body gives it (at most the server's limit)
    ROUTE_OPTIONAL_BODY = 8, // a missing body is an empty object
    ROUTE_ANY_TOKEN = 16,    // GET is open to tokens whose access rules do not name it
};
struct route {
    const char *method; // HEAD is derived from GET
    const char *path;   // "/v2.1/servers/{server_id}"; the last segment may be "{rest...}"
    handler_fn handle;
    const char *policy; // rule name checked before the handler with no target; NULL: the handler
                        // checks, or public
    unsigned flags;
    // GET: the tables, watched ones (common/db/table_change.h) as an array literal, that with the
    // query and the requester decide the reply: it is kept while they do not change. NULL: not
    // kept.
    const char *reads;
    // Of a ROUTE_SLOW row: whether this request, whose JSON is read already, cannot block; NULL:
    // all may.
    bool (*is_quick)(const struct request *request);
    int status;                      // success status
    const struct body_spec *body;    // NULL: no body expected, or the handler reads request_json
    const struct stream_ops *stream; // instead of handle
    const char *summary;             // OpenAPI
    const char *const *query;        // documented query parameters, NULL-terminated; informational
    // Adds to the OpenAPI operation what `body` and `query` do not say (the resource engine's
    // schemas).
    void (*describe)(const struct route *route, json_t *operation);
    const void *data;                  // the handler's own constant (resource engine)
    uint16_t min_version, max_version; // microversion minor numbers, 0: any
};

// Name of an error's status as OpenStack's bodies have it ("Not Found"); "Error" for others.
const char *http_status_title(int status);

// How the service words errors: fills reply (status, json/text, headers).
typedef void (*error_body_fn)(const struct request *request, const struct err *err,
                              struct reply *reply);

struct http_config {
    const char *listen; // "127.0.0.1"
    int port;
    int n_threads;            // 0: number of cores
    int n_workers;            // slow pool; 0: 8
    int max_queue;            // waiting slow requests; 0: 64
    size_t max_body;          // bytes of a buffered body; 0: 1 MiB; larger: 413
    int idle_timeout_s;       // 0: 60
    int max_connections;      // 0: 4,096
    int list_limit;           // items of a list that nobody limited; 0: no such limit
    bool trust_proxy;         // believe X-Forwarded-Proto, -Host and -For
    const char *identity_url; // for WWW-Authenticate on 401; NULL: none
    const struct route *const
        *routes;           // NULL-terminated array of tables, each ended by a row with method NULL
    bool drop_json_suffix; // "/networks.json" is "/networks" (Neutron)
    error_body_fn error_body;
    // Microversions: header service type ("compute"); "" when the API has none.
    const char *version_service;
    uint16_t version_min, version_max; // of 2.x
    const char *const *service_types; // its types in the catalog, NULL-terminated; NULL: none. What
                                      // tokens with access rules may be used for.
    // NULL, or one more check of an authenticated request, before the row's policy.
    enum rc (*admit)(struct request *request, struct err *err);
    struct authenticator *auth; // NULL only for a service with public rows alone
    struct policy *policy;
    struct db_pool *db;
    void *context; // the service's own, request_context()
    void (*on_reply)(struct request *request,
                     struct reply *reply); // NULL, or last touch (extra headers)
    // NULL, or after a handler has succeeded, in its thread.
    void (*on_handled)(struct request *request);
};
enum rc http_server_start(const struct http_config *config, struct http_server **ret_server,
                          struct err *err) CHECKED;
void http_server_stop(struct http_server *server); // no new requests, finishes the accepted ones

// What a handler may ask. All texts belong to the request.
void *request_context(const struct request *request);
const struct route *request_route(const struct request *request);
const char *request_id(const struct request *request); // "req-UUID"
// True when a row has this template, whatever its parameters are called.
bool request_serves(const struct request *request, const char *path);
const char *request_method(const struct request *request);
const char *request_url(const struct request *request); // path without query
const char *request_param(const struct request *request,
                          const char *name); // path parameter, must exist (assert)
const char *request_query(const struct request *request, const char *name); // first value or NULL
// i-th query pair in order; false past the end. Repeated keys appear repeatedly.
bool request_query_at(const struct request *request, unsigned i, const char **ret_name,
                      const char **ret_value);
// The query again for another page, "?name=value&…": without marker and page_reverse, then with
// this marker unless NULL; "" when nothing is left. The caller frees.
char *request_page_query(const struct request *request, const char *marker);
const char *request_header(const struct request *request, const char *name); // NULL when absent
const void *request_body(const struct request *request); // the row's decoded struct
uint64_t request_body_present(const struct request *request);
json_t *request_json(const struct request *request); // whole body, borrowed; NULL when none
const char *request_raw_body(const struct request *request, size_t *ret_size);
// Each header in the order they came; a name that came twice comes twice.
void request_each_header(const struct request *request,
                         void (*each)(void *context, const char *name, const char *value),
                         void *context);
// Who the connection is from, numeric, whatever headers say.
void request_peer_address(const struct request *request, char ret_address[64]);
// Numeric; behind a trusted proxy the last of X-Forwarded-For.
const char *request_client_address(const struct request *request);
uint16_t request_version(const struct request *request); // negotiated microversion minor
const struct auth_context *
request_auth(const struct request *request);                // NULL on a public row without token
const char *request_project(const struct request *request); // token's project id, "" when unscoped
int request_list_limit(const struct request *request);      // http_config's
// "http://host:port" as the client addressed us (Host, X-Forwarded-Proto when behind a trusted
// proxy).
const char *request_base_url(const struct request *request);
// This thread's connection.
enum rc request_db(const struct request *request, struct db **ret_db, struct err *err) CHECKED;
// Policy with a target: RC_FORBIDDEN names the rule. target: {"project_id": …}, borrowed, may be
// NULL.
enum rc request_allow(const struct request *request, const char *rule, json_t *target,
                      struct err *err) CHECKED;
bool request_is_allowed(const struct request *request, const char *rule, json_t *target);
// strdup into the request's memory.
char *request_strdup(struct request *request, const char *text);
char *request_printf(struct request *request, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// OpenAPI 3.1 document of the tables; new reference.
json_t *http_openapi(const char *title, const char *version, const struct route *const *routes);
