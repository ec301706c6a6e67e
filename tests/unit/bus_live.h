// SPDX-License-Identifier: Apache-2.0
// What the tests against a real broker share: connections, and a handler that remembers what it
// saw.
#pragma once
#include "common/base/util.h"
#include "common/bus/bus.h"
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline struct bus_config
broker_of(const char *variable)
{
    static GPtrArray *kept; // the texts live as long as the process
    kept = kept ? kept : g_ptr_array_new();
    char **parts = g_strsplit(getenv(variable), ":", 4);
    g_ptr_array_add(kept, parts);
    ck_assert_int_eq(g_strv_length(parts), 4);
    return (struct bus_config){parts[0], atoi(parts[1]), "/", parts[2], parts[3]};
}

static inline struct bus_config
broker(void)
{
    return broker_of("HANEUL_TEST_BUS");
}

static inline struct bus *
bus_connected_as(struct bus_config config)
{
    struct bus *bus = bus_new(&config);
    for (int i = 0; i < 1000 && !bus_is_connected(bus); i++) {
        g_usleep(10000);
    }
    ck_assert(bus_is_connected(bus));
    return bus;
}

static inline struct bus *
bus_connected(void)
{
    return bus_connected_as(broker());
}

// What a handler saw; the mutex guards all.
struct seen {
    GMutex mutex;
    unsigned n_calls;
    unsigned n_to_fail; // that many calls are answered with `rc`
    enum rc rc;
    GHashTable *ids;
    char last[512]; // "type|user|request|body"
    struct bus *bus;
};

static inline enum rc
seen_handle(const struct message *message, void *context, struct err *err)
{
    struct seen *seen = context;
    g_mutex_lock(&seen->mutex);
    seen->n_calls++;
    if (!seen->ids) {
        seen->ids = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    }
    g_hash_table_add(seen->ids, g_strdup(message->id));
    g_autofree char *body = json_dumps(message->body, JSON_COMPACT | JSON_ENCODE_ANY);
    g_snprintf(seen->last, sizeof(seen->last), "%s|%s|%s|%s|%s", message->routing_key,
               message->type, message->user_id, message->request_id ? message->request_id : "",
               body ? body : "");
    bool failing = seen->n_to_fail > 0;
    seen->n_to_fail -= failing;
    enum rc rc = failing ? seen->rc : RC_OK;
    g_mutex_unlock(&seen->mutex);
    return rc ? fault(err, rc, "as told") : RC_OK;
}

static inline unsigned
seen_ids(struct seen *seen)
{
    g_mutex_lock(&seen->mutex);
    unsigned n = seen->ids ? g_hash_table_size(seen->ids) : 0;
    g_mutex_unlock(&seen->mutex);
    return n;
}

static inline bool
seen_wait(struct seen *seen, unsigned n_ids, unsigned n_calls, int timeout_ms)
{
    for (int64_t until = monotonic_ms() + timeout_ms; monotonic_ms() < until; g_usleep(5000)) {
        g_mutex_lock(&seen->mutex);
        bool enough = seen->n_calls >= n_calls;
        g_mutex_unlock(&seen->mutex);
        if (enough && seen_ids(seen) >= n_ids) {
            return true;
        }
    }
    return false;
}

static inline void
subscribe(struct bus *bus, enum queue_kind kind, const char *queue, const char *pattern,
          bus_handler_fn handle, void *context)
{
    const char *bindings[] = {pattern, NULL};
    struct subscription subscription = {
        .kind = kind, .queue = queue, .bindings = bindings, .handle = handle, .context = context};
    struct err err;
    ck_assert_int_eq(bus_subscribe(bus, &subscription, &err), RC_OK);
}

static inline void
publish(struct bus *bus, const char *key, const char *type, int64_t deadline_us)
{
    json_auto_t *body = json_pack("{s:i}", "n", 1);
    struct message message = {.type = type,
                              .routing_key = key,
                              .request_id = "req-7",
                              .deadline_us = deadline_us,
                              .body = body};
    struct err err;
    ck_assert_msg(bus_publish(bus, &message, &err) == RC_OK, "%s", err.message);
}

// Publishes until the consumer's queue exists: the first messages may find none.
static inline void
publish_until_seen(struct bus *bus, struct seen *seen, const char *key)
{
    for (int i = 0; i < 200 && !seen_wait(seen, 1, 1, 50); i++) {
        publish(bus, key, "warm.up", 0);
    }
    ck_assert(seen_wait(seen, 1, 1, 1000));
    g_usleep(200000);
    g_mutex_lock(&seen->mutex);
    g_clear_pointer(&seen->ids, g_hash_table_unref);
    seen->n_calls = 0;
    g_mutex_unlock(&seen->mutex);
}
