// SPDX-License-Identifier: Apache-2.0
// What the files of common/http share. Nobody else includes this.
#pragma once
#include "common/http/http.h"

#include <microhttpd.h>
#include <stdatomic.h>

enum { MAX_PARAMS = 8, MAX_DIRECT = 4 };

struct router;
struct text_cache;
struct worker_pool;
struct direct;
struct outgoing;

struct http_server {
    struct http_config config; // texts borrowed: they outlive the server
    struct MHD_Daemon *daemon;
    struct router *router;
    struct worker_pool *workers;
    struct direct *receivers[MAX_DIRECT], *senders[MAX_DIRECT];
    int n_receivers, n_senders; // 0: no row can use them
    _Atomic unsigned next_receiver, next_sender;
    struct text_cache *replies; // reply_cache.c
    _Atomic int n_running; // requests that were received whole and are not yet answered: a stop
                           // waits for them
    _Atomic bool stopping;
};

// Where a request stands. Only the connection's own HTTP thread moves it, but for BEGINNING →
// BEGUN or REFUSED and RUNNING → READY (a worker, while suspended).
enum stage {
    STAGE_RECEIVING,
    STAGE_BEGINNING, // of a stream
    STAGE_BEGUN,
    STAGE_REFUSED, // the reply is complete
    STAGE_STREAMING,
    STAGE_DISCARDING, // decided already (error): the rest of the body is thrown away
    STAGE_RUNNING,
    STAGE_READY, // reply is complete
    STAGE_SENT,
};

struct request {
    struct http_server *server;
    struct MHD_Connection *connection;
    enum stage stage;
    const struct route *route;
    const char *method;
    char *url;
    char *params[MAX_PARAMS]; // values in the order of the template's parameters; point into
                              // url_parts
    char **url_parts;         // one block
    GPtrArray *query;         // name, value, name, value …
    GByteArray *raw;
    json_t *json;
    void *body;
    uint64_t body_present;
    struct auth_context *auth;
    uint16_t version;
    char id[48];
    char address[64]; // "": not asked for yet
    char *base_url;
    GPtrArray *texts; // request_strdup; NULL: none yet
    struct reply reply;
    char *cache_key, *cache_label; // where the reply is to be kept; NULL: nowhere
    int64_t started_us;
    unsigned n_statements;
    bool counted; // in n_running
    // Streaming. The mutex guards the three flags: a resume may come before, while or after the
    // HTTP thread suspends.
    void *stream_state;
    bool stream_begun;
    GMutex mutex;
    bool suspended, resume_pending;
    // Past MHD (direct.c). `direct` is set, for good, before its thread has the request; the rest
    // is that thread's.
    struct direct *direct; // NULL: not
    bool is_http11;
    int fd;
    unsigned events;
    void (*turn)(struct request *request);
    int64_t last_bytes_ms; // when some came or went
    bool is_refused;       // what still comes is thrown away
    int64_t body_left;     // of the announced length; -1: not announced
    int wait_size;         // bytes that must be there before the thread is woken
    struct outgoing *outgoing;
};

// router.c
struct router *router_new(const struct route *const *tables);
void router_free(struct router *router);
// Fills request->route and params. RC_NOT_FOUND, RC_METHOD (reply gets Allow).
enum rc router_find(const struct router *router, struct request *request, struct err *err) CHECKED;

// dispatch.c: the steps of a request, each filling request->reply on failure.
enum rc dispatch_head(struct request *request,
                      struct err *err) CHECKED; // route, microversion, token, policy
enum rc dispatch_json(struct request *request, struct err *err) CHECKED; // the body as JSON, once
enum rc dispatch_body(struct request *request, struct err *err) CHECKED; // JSON, decode
void
dispatch_handle(struct request *request); // handler or stream end; the reply is complete after it
void dispatch_finish(
    struct request *request); // once per request, when its reply goes out: log line and metrics
void dispatch_error(struct request *request, const struct err *err);

// server.c: true when the connection is to wait for http_stream_resume, false when a resume came
// already.
bool suspend_unless_resumed(struct request *request);

void run_in_worker(struct request *request); // suspended already

// direct.c
// is_background: the thread gives way to those that answer (common/base/background.h).
struct direct *direct_new(const char *name, int idle_timeout_s, bool is_background);
// What has begun is broken off, and more is not taken.
void direct_stop(struct direct *direct);
void direct_free(struct direct *direct);
// Takes the suspended connection's socket: `turn` is called when one of the epoll events is there,
// and about each second when bytes are. False: stopping.
bool direct_begin(struct direct *direct, struct request *request, unsigned events,
                  void (*turn)(struct request *request));
void direct_watch(struct request *request); // for request->events
void direct_unwatch(struct request *request);
void direct_forget(struct request *request); // from here on the thread does not know it
// libmicrohttpd finds the connection closed. The request may be gone after this.
void direct_close(struct request *request);
void direct_reply(struct request *request); // a short one; closes

// receiver.c, sender.c. True: the connection is theirs.
bool receiver_takes(struct request *request); // what MHD has read of the body is taken
bool sender_takes(struct request *request);   // the reply is complete, and not yet sent
void outgoing_free(struct outgoing *outgoing);

// reply.c
// Head and body as they are sent, for a connection that is closed after it.
GString *reply_to_text(struct request *request);
void reply_init(struct reply *reply);
void reply_clear(struct reply *reply);
enum MHD_Result reply_send(struct request *request);

// reply_cache.c
struct text_cache *reply_cache_new(void);
// Fills the reply when the row's is kept and still right (one statement); else notes what
// reply_cache_keep needs once the handler has read at least as much.
enum rc reply_cache_answer(struct request *request, bool *ret_answered, struct err *err) CHECKED;
void reply_cache_keep(struct request *request);

// worker.c
struct worker_pool *worker_pool_new(const struct http_config *config,
                                    void (*run)(struct request *request));
void worker_pool_free(struct worker_pool *pool);                          // finishes the queue
bool worker_pool_push(struct worker_pool *pool, struct request *request); // false: full, stopped
void worker_pool_stop(struct worker_pool *pool); // ends what it was given, and takes no more
// request.c
void request_free(struct request *request);
