// SPDX-License-Identifier: Apache-2.0
#include "services/network/ovn/ovsdb.h"
#include "common/log/log.h"
#include "services/network/ovn/framer.h"
#include "services/network/ovn/ovsdb_connect.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define MONITOR_ID "haneul-monitor"
#define PROBE_ID "haneul-probe"
#define MAX_MESSAGE (256u << 20)
#define MAX_QUEUED (64u << 20)
#define CONNECT_TIMEOUT_MS 3000
#define PROBE_AFTER_MS 5000
#define DEAD_AFTER_MS 15000
#define BACKOFF_MIN_MS 50
#define BACKOFF_MAX_MS 1000

struct call {
    GCond done;
    bool is_done;
    json_t *reply; // NULL: the connection was lost
};

struct ovsdb {
    struct ovsdb_options options;
    char **remotes;
    int wake_fd;
    GThread *thread;
    GMutex lock; // guards all below
    GCond changed;
    bool stopping, is_ready;
    struct replica *replica;
    GHashTable *calls; // id → struct call, borrowed from the caller's stack
    int64_t last_id;
    GString *out; // bytes to send
};

struct session { // of the thread alone
    struct ovsdb *ovsdb;
    int fd;
    struct framer framer;
    int64_t started_ms, heard_ms, probed_ms;
};

static void
wake(struct ovsdb *ovsdb)
{
    ssize_t n = write(ovsdb->wake_fd, &(uint64_t){1}, sizeof(uint64_t));
    (void)n; // full means that it is awake
}

// --- the thread ---

static void
queue_message(struct ovsdb *ovsdb, json_t *message)
{
    g_autofree char *text = json_dumps(message, JSON_COMPACT);
    g_string_append(ovsdb->out, text);
    json_decref(message);
}

static void
on_change(void *context, const struct replica_row *row, enum replica_change change)
{
    struct ovsdb *ovsdb = context;
    if (ovsdb->is_ready && ovsdb->options.on_change) {
        ovsdb->options.on_change(ovsdb->options.context, row, change);
    }
}

static void
set_ready(struct ovsdb *ovsdb, bool is_ready)
{
    if (ovsdb->is_ready == is_ready) {
        return;
    }
    ovsdb->is_ready = is_ready;
    if (ovsdb->options.on_state) {
        ovsdb->options.on_state(ovsdb->options.context, is_ready, ovsdb->replica);
    }
}

static void
answer_call(struct ovsdb *ovsdb, json_int_t id, json_t *message)
{
    int64_t key = id;
    struct call *call = g_hash_table_lookup(ovsdb->calls, &key);
    if (call) {
        call->reply = json_incref(message);
        call->is_done = true;
        g_cond_signal(&call->done);
        g_hash_table_remove(ovsdb->calls, &key);
    }
}

static enum rc
take_monitor_reply(struct ovsdb *ovsdb, const json_t *message, struct err *err)
{
    const json_t *result = json_object_get(message, "result");
    if (!json_is_object(result)) {
        g_autofree char *error =
            json_dumps(json_object_get(message, "error"), JSON_COMPACT | JSON_ENCODE_ANY);
        return fault(err, RC_BAD_GATEWAY, "OVSDB refused to monitor '%s': %.256s",
                     ovsdb->options.schema->database, error ? error : "-");
    }
    enum rc rc = ovsdb->is_ready ? RC_OK : replica_update(ovsdb->replica, result, err);
    if (rc == RC_OK) {
        set_ready(ovsdb, true);
    }
    return rc;
}

static enum rc
take_update(struct ovsdb *ovsdb, const json_t *updates, struct err *err)
{
    if (!ovsdb->is_ready) {
        return fault(err, RC_BAD_GATEWAY, "update before the monitor's reply");
    }
    enum rc rc = replica_update(ovsdb->replica, updates, err);
    if (rc == RC_OK && ovsdb->options.on_update) {
        ovsdb->options.on_update(ovsdb->options.context, ovsdb->replica);
    }
    return rc;
}

static enum rc
take_request(struct ovsdb *ovsdb, const char *method, json_t *message, struct err *err)
{
    json_t *params = json_object_get(message, "params");
    if (!strcmp(method, "echo")) {
        if (ovsdb->out->len > MAX_QUEUED) {
            return fault(err, RC_BAD_GATEWAY, "peer asks without reading the answers");
        }
        json_t *id = json_object_get(message, "id");
        queue_message(ovsdb, json_pack("{s:O?,s:n,s:O?}", "result", params, "error", "id", id));
        return RC_OK;
    }
    return strcmp(method, "update2") ? RC_OK : take_update(ovsdb, json_array_get(params, 1), err);
}

static enum rc
take_message(struct ovsdb *ovsdb, json_t *message, struct err *err)
{
    const char *method = json_string_value(json_object_get(message, "method"));
    json_t *id = json_object_get(message, "id");
    if (method) {
        return take_request(ovsdb, method, message, err);
    }
    if (json_is_string(id) && !strcmp(json_string_value(id), MONITOR_ID)) {
        return take_monitor_reply(ovsdb, message, err);
    }
    if (json_is_integer(id)) {
        answer_call(ovsdb, json_integer_value(id), message);
    }
    return RC_OK;
}

static enum rc
take_messages(struct session *session, struct err *err)
{
    struct ovsdb *ovsdb = session->ovsdb;
    for (;;) {
        json_auto_t *message = NULL;
        enum rc rc = framer_next(&session->framer, &message, err);
        if (rc != RC_OK || !message) {
            return rc;
        }
        g_mutex_lock(&ovsdb->lock);
        rc = take_message(ovsdb, message, err);
        g_cond_broadcast(&ovsdb->changed);
        g_mutex_unlock(&ovsdb->lock);
        if (rc != RC_OK) {
            return rc;
        }
    }
}

static enum rc
receive(struct session *session, struct err *err)
{
    char buffer[65536];
    ssize_t n = recv(session->fd, buffer, sizeof buffer, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return RC_OK;
    }
    if (n <= 0) {
        return fault(err, RC_UNAVAILABLE, "OVSDB connection lost: %s",
                     n ? g_strerror(errno) : "closed by the peer");
    }
    session->heard_ms = monotonic_ms();
    session->probed_ms = 0;
    framer_push(&session->framer, buffer, (size_t)n);
    return take_messages(session, err);
}

static enum rc
send_queued(struct session *session, struct err *err)
{
    struct ovsdb *ovsdb = session->ovsdb;
    enum rc rc = RC_OK;
    g_mutex_lock(&ovsdb->lock);
    if (ovsdb->out->len) {
        ssize_t n = send(session->fd, ovsdb->out->str, ovsdb->out->len, MSG_NOSIGNAL);
        if (n > 0) {
            g_string_erase(ovsdb->out, 0, n);
        } else if (errno != EAGAIN && errno != EINTR) {
            rc = fault(err, RC_UNAVAILABLE, "OVSDB connection lost: %s", g_strerror(errno));
        }
    }
    g_mutex_unlock(&ovsdb->lock);
    return rc;
}

// A silent peer is asked, and given up when it stays silent.
static enum rc
probe(struct session *session, struct err *err)
{
    struct ovsdb *ovsdb = session->ovsdb;
    int64_t now = monotonic_ms();
    if (now - session->heard_ms > DEAD_AFTER_MS) {
        return fault(err, RC_UNAVAILABLE, "OVSDB server is silent");
    }
    g_mutex_lock(&ovsdb->lock);
    bool never_ready = !ovsdb->is_ready && now - session->started_ms > 2 * DEAD_AFTER_MS;
    if (now - session->heard_ms > PROBE_AFTER_MS && !session->probed_ms) {
        session->probed_ms = now;
        queue_message(ovsdb,
                      json_pack("{s:s,s:[],s:s}", "method", "echo", "params", "id", PROBE_ID));
    }
    g_mutex_unlock(&ovsdb->lock);
    return never_ready ? fault(err, RC_UNAVAILABLE, "OVSDB server sends no data") : RC_OK;
}

static bool
is_stopping(struct ovsdb *ovsdb)
{
    g_mutex_lock(&ovsdb->lock);
    bool stopping = ovsdb->stopping;
    g_mutex_unlock(&ovsdb->lock);
    return stopping;
}

static short
wanted_events(struct ovsdb *ovsdb)
{
    g_mutex_lock(&ovsdb->lock);
    short events = (short)(POLLIN | (ovsdb->out->len ? POLLOUT : 0));
    g_mutex_unlock(&ovsdb->lock);
    return events;
}

static void
drain_wake(struct ovsdb *ovsdb)
{
    uint64_t count;
    ssize_t n = read(ovsdb->wake_fd, &count, sizeof count);
    (void)n; // nothing to read is fine
}

static enum rc
serve(struct session *session, struct err *err)
{
    struct ovsdb *ovsdb = session->ovsdb;
    enum rc rc = RC_OK;
    while (rc == RC_OK && !is_stopping(ovsdb)) {
        struct pollfd fds[] = {{session->fd, wanted_events(ovsdb), 0}, {ovsdb->wake_fd, POLLIN, 0}};
        if (poll(fds, N_ELEMENTS(fds), 1000) < 0 && errno != EINTR) {
            return fault(err, RC_INTERNAL, "cannot poll: %s", g_strerror(errno));
        }
        if (fds[1].revents) {
            drain_wake(ovsdb);
        }
        rc = send_queued(session, err);
        if (rc == RC_OK && fds[0].revents & (POLLIN | POLLHUP | POLLERR)) {
            rc = receive(session, err);
        }
        rc = rc == RC_OK ? probe(session, err) : rc;
    }
    return rc;
}

static void
begin(struct ovsdb *ovsdb)
{
    const struct ovsdb_schema *schema = ovsdb->options.schema;
    g_mutex_lock(&ovsdb->lock);
    g_string_truncate(ovsdb->out, 0);
    queue_message(ovsdb, json_pack("{s:s,s:[s,s,o],s:s}", "method", "monitor_cond", "params",
                                   schema->database, MONITOR_ID, replica_monitor_requests(schema),
                                   "id", MONITOR_ID));
    g_mutex_unlock(&ovsdb->lock);
}

// Nothing is known any more, and nobody waits any longer.
static void
end(struct ovsdb *ovsdb)
{
    g_mutex_lock(&ovsdb->lock);
    set_ready(ovsdb, false);
    replica_clear(ovsdb->replica);
    g_string_truncate(ovsdb->out, 0);
    GHashTableIter iter;
    gpointer call;
    g_hash_table_iter_init(&iter, ovsdb->calls);
    while (g_hash_table_iter_next(&iter, NULL, &call)) {
        ((struct call *)call)->is_done = true;
        g_cond_signal(&((struct call *)call)->done);
    }
    g_hash_table_remove_all(ovsdb->calls);
    g_cond_broadcast(&ovsdb->changed);
    g_mutex_unlock(&ovsdb->lock);
}

static bool
run_session(struct ovsdb *ovsdb, const char *remote)
{
    struct err err = {0};
    struct session session = {.ovsdb = ovsdb, .fd = -1};
    enum rc rc = ovsdb_connect(remote, ovsdb->wake_fd, CONNECT_TIMEOUT_MS, &session.fd, &err);
    if (rc != RC_OK) {
        log_debug("OVSDB is not reachable", kv("remote", remote), kv("error", err.message));
        return false;
    }
    session.started_ms = session.heard_ms = monotonic_ms();
    framer_init(&session.framer, MAX_MESSAGE);
    begin(ovsdb);
    rc = serve(&session, &err);
    bool was_ready = ovsdb_is_ready(ovsdb);
    end(ovsdb);
    framer_done(&session.framer);
    close(session.fd);
    if (rc != RC_OK) {
        log_warn("OVSDB connection ended", kv("remote", remote), kv("error", err.message));
    }
    return was_ready;
}

static void
wait_backoff(struct ovsdb *ovsdb, int backoff_ms)
{
    int64_t until = monotonic_ms() + backoff_ms / 2 + g_random_int_range(0, backoff_ms / 2 + 1);
    while (!is_stopping(ovsdb) && monotonic_ms() < until) {
        struct pollfd fds = {ovsdb->wake_fd, POLLIN, 0};
        if (poll(&fds, 1, (int)(until - monotonic_ms()) + 1) > 0) {
            drain_wake(ovsdb);
        }
    }
}

static gpointer
run(gpointer data)
{
    struct ovsdb *ovsdb = data;
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    int backoff_ms = BACKOFF_MIN_MS;
    for (unsigned i = 0; !is_stopping(ovsdb); i++) {
        const char *remote = ovsdb->remotes[i % g_strv_length(ovsdb->remotes)];
        backoff_ms =
            run_session(ovsdb, remote) ? BACKOFF_MIN_MS : MIN(backoff_ms * 2, BACKOFF_MAX_MS);
        wait_backoff(ovsdb, backoff_ms);
    }
    return NULL;
}

// --- callers ---

enum rc
ovsdb_new(const struct ovsdb_options *options, struct ovsdb **ret_ovsdb, struct err *err)
{
    g_auto(GStrv) remotes = g_strsplit(options->remotes, ",", 16);
    if (!remotes[0]) {
        return fault(err, RC_INVALID, "no remote for '%s'", options->schema->database);
    }
    for (char **remote = remotes; *remote; remote++) {
        enum rc rc = ovsdb_remote_check(g_strstrip(*remote), err);
        if (rc != RC_OK) {
            return rc;
        }
    }
    int wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (wake_fd < 0) {
        return fault(err, RC_INTERNAL, "cannot make an event descriptor: %s", g_strerror(errno));
    }
    struct ovsdb *ovsdb = g_new0(struct ovsdb, 1);
    ovsdb->options = *options;
    ovsdb->remotes = g_steal_pointer(&remotes);
    ovsdb->wake_fd = wake_fd;
    g_mutex_init(&ovsdb->lock);
    g_cond_init(&ovsdb->changed);
    ovsdb->replica = replica_new(options->schema, on_change, ovsdb);
    ovsdb->calls = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    ovsdb->out = g_string_new(NULL);
    ovsdb->thread = g_thread_new("ovsdb", run, ovsdb);
    *ret_ovsdb = ovsdb;
    return RC_OK;
}

void
ovsdb_free(struct ovsdb *ovsdb)
{
    if (!ovsdb) {
        return;
    }
    g_mutex_lock(&ovsdb->lock);
    ovsdb->stopping = true;
    g_mutex_unlock(&ovsdb->lock);
    wake(ovsdb);
    g_thread_join(ovsdb->thread);
    replica_free(ovsdb->replica);
    g_hash_table_unref(ovsdb->calls);
    g_string_free(ovsdb->out, TRUE);
    g_strfreev(ovsdb->remotes);
    g_mutex_clear(&ovsdb->lock);
    g_cond_clear(&ovsdb->changed);
    close(ovsdb->wake_fd);
    g_free(ovsdb);
}

struct replica *
ovsdb_lock(struct ovsdb *ovsdb)
{
    g_mutex_lock(&ovsdb->lock);
    return ovsdb->replica;
}

struct replica *
ovsdb_lock_ready(struct ovsdb *ovsdb)
{
    g_mutex_lock(&ovsdb->lock);
    if (!ovsdb->is_ready) {
        g_mutex_unlock(&ovsdb->lock);
        return NULL;
    }
    return ovsdb->replica;
}

void
ovsdb_unlock(struct ovsdb *ovsdb)
{
    g_mutex_unlock(&ovsdb->lock);
}

bool
ovsdb_is_ready(struct ovsdb *ovsdb)
{
    g_mutex_lock(&ovsdb->lock);
    bool is_ready = ovsdb->is_ready;
    g_mutex_unlock(&ovsdb->lock);
    return is_ready;
}

// GLib's clock for g_cond_wait_until is the same monotonic one, in µs.
bool
ovsdb_wait_ready(struct ovsdb *ovsdb, int64_t deadline_ms)
{
    g_mutex_lock(&ovsdb->lock);
    while (!ovsdb->is_ready && !ovsdb->stopping &&
           g_cond_wait_until(&ovsdb->changed, &ovsdb->lock, deadline_ms * 1000)) {
    }
    bool is_ready = ovsdb->is_ready;
    g_mutex_unlock(&ovsdb->lock);
    return is_ready;
}

void
ovsdb_wait_change(struct ovsdb *ovsdb, uint64_t serial, int64_t deadline_ms)
{
    g_mutex_lock(&ovsdb->lock);
    while (replica_serial(ovsdb->replica) <= serial &&
           g_cond_wait_until(&ovsdb->changed, &ovsdb->lock, deadline_ms * 1000)) {
    }
    g_mutex_unlock(&ovsdb->lock);
}

static enum rc
take_results(json_t *reply, json_t **ret_results, struct err *err)
{
    json_t *results = json_object_get(reply, "result");
    if (!json_is_array(results)) {
        g_autofree char *error =
            json_dumps(json_object_get(reply, "error"), JSON_COMPACT | JSON_ENCODE_ANY);
        return fault(err, RC_INTERNAL, "OVSDB refused the transaction: %.256s",
                     error ? error : "-");
    }
    *ret_results = json_incref(results);
    return RC_OK;
}

// With the lock held. Waits for the answer to the message.
static json_t *
exchange(struct ovsdb *ovsdb, int64_t id, const char *params, int64_t deadline_ms)
{
    struct call call = {0};
    g_cond_init(&call.done);
    g_string_append_printf(ovsdb->out,
                           "{\"method\":\"transact\",\"id\":%" G_GINT64_FORMAT ",\"params\":", id);
    g_string_append(ovsdb->out, params);
    g_string_append_c(ovsdb->out, '}');
    g_hash_table_insert(ovsdb->calls, g_memdup2(&id, sizeof id), &call);
    wake(ovsdb);
    while (!call.is_done && g_cond_wait_until(&call.done, &ovsdb->lock, deadline_ms * 1000)) {
    }
    g_hash_table_remove(ovsdb->calls, &id);
    g_cond_clear(&call.done);
    return call.reply;
}

enum rc
ovsdb_transact(struct ovsdb *ovsdb, const json_t *params, int64_t deadline_ms, json_t **ret_results,
               struct err *err)
{
    g_autofree char *text = json_dumps(params, JSON_COMPACT);
    enum rc rc = RC_OK;
    g_mutex_lock(&ovsdb->lock);
    if (!ovsdb->is_ready || ovsdb->out->len + strlen(text) > MAX_QUEUED) {
        rc = fault(err, RC_UNAVAILABLE, "'%s' is %s", ovsdb->options.schema->database,
                   ovsdb->is_ready ? "overloaded" : "not connected");
    }
    json_auto_t *reply = rc == RC_OK ? exchange(ovsdb, ++ovsdb->last_id, text, deadline_ms) : NULL;
    g_mutex_unlock(&ovsdb->lock);
    if (rc == RC_OK && !reply) {
        rc = fault(err, RC_UNAVAILABLE, "'%s' did not answer", ovsdb->options.schema->database);
    }
    return rc == RC_OK ? take_results(reply, ret_results, err) : rc;
}
