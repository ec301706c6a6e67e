// SPDX-License-Identifier: Apache-2.0
#include "common/db/outbox.h"

#include "common/bus/bus.h"
#include "common/db/usage_feed.h"
#include "common/log/log.h"
#include <string.h>

enum {
    BATCH = 256,
    FACTS = 200,           // usage facts in a message
    BODY_MAX = 900 * 1024, // leaves room for the envelope below the bus' limit
    IDLE_MS = 2000,        // how often rows are looked for when no notification came
    RETRY_MIN_MS = 100,
    RETRY_MAX_MS = 5000,
};

enum rc
outbox_add(struct db *db, const char *routing_key, const char *type, json_t *body, struct err *err)
{
    g_assert(db_is_in_tx(db));
    g_autofree char *text =
        body ? json_dumps(body, JSON_COMPACT | JSON_ENCODE_ANY) : g_strdup("{}");
    if (!text || strlen(text) > BODY_MAX) {
        return fault(err, RC_TOO_LARGE, "message '%s' is too large to be sent", type);
    }
    const char *request_id = log_request_id();
    return db_run(db,
                  "INSERT INTO outbox (routing_key, type, request_id, body)"
                  " VALUES ($1, $2, nullif($3, '-'), $4::jsonb)",
                  DB_ARGS(db_s(routing_key), db_s(type), db_s(request_id), db_s(text)), NULL, err);
}

struct outbox_relay {
    struct db_pool *pool;
    struct bus *bus;
    char *service;
    GThread *thread;
    // The mutex guards `stopping`.
    GMutex mutex;
    GCond wake;
    bool stopping;
    // The thread's own.
    struct db *db; // holds the lead and does all the relay's work: losing it loses the lead
    char *schema;
    bool leading;
};

static gpointer relay_run(gpointer data);

struct outbox_relay *
outbox_relay_start(struct db_pool *pool, struct bus *bus, const char *service)
{
    struct outbox_relay *relay = g_new0(struct outbox_relay, 1);
    relay->pool = pool;
    relay->bus = bus;
    relay->service = g_strdup(service);
    g_mutex_init(&relay->mutex);
    g_cond_init(&relay->wake);
    relay->thread = g_thread_new("outbox-relay", relay_run, relay);
    return relay;
}

void
outbox_relay_stop(struct outbox_relay *relay)
{
    if (!relay) {
        return;
    }
    g_mutex_lock(&relay->mutex);
    relay->stopping = true;
    g_cond_broadcast(&relay->wake);
    g_mutex_unlock(&relay->mutex);
    g_thread_join(relay->thread);
    g_mutex_clear(&relay->mutex);
    g_cond_clear(&relay->wake);
    g_free(relay->service);
    g_free(relay);
}

static bool
relay_wait_stop(struct outbox_relay *relay, int64_t timeout_ms)
{
    gint64 until = g_get_monotonic_time() + timeout_ms * 1000;
    g_mutex_lock(&relay->mutex);
    while (!relay->stopping && timeout_ms > 0 &&
           g_cond_wait_until(&relay->wake, &relay->mutex, until)) {
    }
    bool stopping = relay->stopping;
    g_mutex_unlock(&relay->mutex);
    return stopping;
}

// The schema's name is the channel's, the leader's lock's and, for usage, the service's: the same
// for every program that works on this schema.
static enum rc
relay_connect(struct outbox_relay *relay, struct err *err)
{
    if (relay->db) {
        return RC_OK;
    }
    g_autoptr(db_result) row = NULL;
    enum rc rc = db_open(relay->pool, &relay->db, err);
    if (rc) {
        relay->db = NULL;
        return rc;
    }
    rc = db_run_one(relay->db, "SELECT current_schema() AS name", DB_NONE, &row, err);
    if (rc) {
        return rc;
    }
    g_free(relay->schema);
    relay->schema = g_strdup(db_text(row, 0, "name") ? db_text(row, 0, "name") : "");
    g_autofree char *channel = g_strconcat("outbox_", relay->schema, NULL);
    return db_listen(relay->db, channel, err);
}

static void
relay_disconnect(struct outbox_relay *relay)
{
    db_close(relay->db);
    relay->db = NULL;
    relay->leading = false;
}

static enum rc
relay_lead(struct outbox_relay *relay, struct err *err)
{
    g_autofree char *lock = g_strconcat("outbox ", relay->schema, NULL);
    return relay->leading ? RC_OK : db_try_lead(relay->db, lock, &relay->leading, err);
}

static struct message
message_from_row(const db_result *rows, int row, json_t *body)
{
    return (struct message){
        .id = db_text(rows, row, "message_id"),
        .type = db_text(rows, row, "type"),
        .routing_key = db_text(rows, row, "routing_key"),
        .request_id = db_text(rows, row, "request_id"),
        .body = body,
    };
}

// Publishes the rows' messages in order; the confirmed prefix is counted even when the rest failed.
static enum rc
publish_rows(struct outbox_relay *relay, const db_result *rows, size_t *ret_n_confirmed,
             struct err *err)
{
    size_t n = db_n_rows(rows);
    struct message messages[BATCH];
    g_autoptr(GPtrArray) bodies = g_ptr_array_new_with_free_func((GDestroyNotify)json_decref);
    g_assert(n <= BATCH);
    for (size_t i = 0; i < n; i++) {
        json_t *body = db_json(rows, (int)i, "body");
        g_ptr_array_add(bodies, body ? body : json_object());
        messages[i] = message_from_row(rows, (int)i, g_ptr_array_index(bodies, i));
    }
    return bus_publish_batch(relay->bus, messages, n, ret_n_confirmed, err);
}

static enum rc
relay_messages(struct outbox_relay *relay, bool *ret_more, struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc = db_run(relay->db,
                        "SELECT id, message_id, routing_key, type, request_id, body FROM outbox"
                        " ORDER BY id LIMIT $1",
                        DB_ARGS(db_i(BATCH)), &rows, err);
    if (rc || !db_n_rows(rows)) {
        return rc;
    }
    size_t n_confirmed;
    rc = publish_rows(relay, rows, &n_confirmed, err);
    if (n_confirmed) {
        g_autoptr(GString) ids = g_string_new("{");
        for (size_t i = 0; i < n_confirmed; i++) {
            g_string_append_printf(ids, "%s%s", i ? "," : "", db_text(rows, (int)i, "id"));
        }
        g_string_append_c(ids, '}');
        enum rc deleted = db_run(relay->db, "DELETE FROM outbox WHERE id = ANY ($1::bigint[])",
                                 DB_ARGS(db_s(ids->str)), NULL, rc ? NULL : err);
        rc = rc ? rc : deleted;
    }
    *ret_more = *ret_more || n_confirmed == BATCH;
    return rc;
}

// Facts that are there together travel together: several meters of one resource are one message.
static enum rc
relay_usage(struct outbox_relay *relay, bool *ret_more, struct err *err)
{
    enum rc rc = usage_feed_number(relay->db, err);
    g_autoptr(db_result) rows = NULL;
    rc = rc ? rc : usage_feed_unpublished(relay->db, FACTS, &rows, err);
    if (rc || !db_n_rows(rows)) {
        return rc;
    }
    size_t n_confirmed;
    rc = publish_rows(relay, rows, &n_confirmed, err);
    rc = rc ? rc : usage_feed_published(relay->db, db_int(rows, 0, "sequence"), err);
    *ret_more = *ret_more || db_int(rows, 0, "n") == FACTS;
    return rc;
}

// One round: everything that is there now, then a wait for more.
static enum rc
relay_round(struct outbox_relay *relay, struct err *err)
{
    bool more = false, notified;
    enum rc rc = relay_connect(relay, err);
    rc = rc ? rc : relay_lead(relay, err);
    if (!rc && relay->leading) {
        rc = relay_messages(relay, &more, err);
        enum rc usage = rc ? RC_OK : relay_usage(relay, &more, err);
        rc = rc ? rc : usage;
    }
    if (rc || more) {
        return rc;
    }
    // In slices, so that a stop is seen soon.
    for (int waited = 0; !rc && waited < IDLE_MS && !relay_wait_stop(relay, 0); waited += 200) {
        rc = db_wait_notify(relay->db, 200, &notified, err);
        if (!rc && notified) { // also without the lead: it may be free now
            break;
        }
    }
    return rc;
}

static gpointer
relay_run(gpointer data)
{
    struct outbox_relay *relay = data;
    int64_t delay_ms = RETRY_MIN_MS;
    struct log_limit complaints = {0};
    while (!relay_wait_stop(relay, 0)) {
        struct err err = {0};
        if (!relay_round(relay, &err)) {
            delay_ms = RETRY_MIN_MS;
            continue;
        }
        if (log_limit_allows(&complaints, 3)) {
            log_warn("outbox relay waits", kv("service", relay->service), kv("error", err.message));
        }
        relay_disconnect(relay);
        relay_wait_stop(relay, delay_ms + g_random_int_range(0, (gint32)delay_ms));
        delay_ms = MIN(delay_ms * 2, RETRY_MAX_MS);
    }
    relay_disconnect(relay);
    g_free(relay->schema);
    return NULL;
}
