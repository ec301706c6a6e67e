// SPDX-License-Identifier: Apache-2.0
#include "common/bus/bus.h"
#include "common/bus/internal.h"

enum { KEEPER_INTERVAL_MS = 1000, THREADS_MAX = 64 };

static gpointer keeper_run(gpointer data);

struct bus *
bus_new(const struct bus_config *config)
{
    bus_counts_register();
    struct bus *bus = g_new0(struct bus, 1);
    bus->config = (struct bus_config){
        .host = g_strdup(config->host),
        .port = config->port,
        .vhost = g_strdup(config->vhost),
        .user = g_strdup(config->user),
        .password = g_strdup(config->password),
    };
    g_mutex_init(&bus->mutex);
    g_cond_init(&bus->wake);
    g_mutex_init(&bus->publisher.mutex);
    bus->consumers = g_ptr_array_new();
    bus->keeper = g_thread_new("bus-keeper", keeper_run, bus);
    return bus;
}

static gpointer
keeper_run(gpointer data)
{
    struct bus *bus = data;
    do {
        publisher_keep(bus);
    } while (!bus_wait_stop(bus, KEEPER_INTERVAL_MS));
    return NULL;
}

void
bus_stop(struct bus *bus)
{
    if (!bus || bus_is_stopping(bus)) {
        return;
    }
    g_mutex_lock(&bus->mutex);
    bus->stopping = true;
    g_cond_broadcast(&bus->wake);
    g_mutex_unlock(&bus->mutex);
    g_thread_join(bus->keeper);
    for (guint i = 0; i < bus->consumers->len; i++) {
        consumer_join(g_ptr_array_index(bus->consumers, i));
    }
    g_ptr_array_free(bus->consumers, true);
}

void
bus_free(struct bus *bus)
{
    if (!bus) {
        return;
    }
    bus_stop(bus);
    publisher_done(bus);
    g_mutex_clear(&bus->publisher.mutex);
    g_mutex_clear(&bus->mutex);
    g_cond_clear(&bus->wake);
    g_free((char *)bus->config.host);
    g_free((char *)bus->config.vhost);
    g_free((char *)bus->config.user);
    g_free((char *)bus->config.password);
    g_free(bus);
}

bool
bus_is_stopping(struct bus *bus)
{
    return bus_wait_stop(bus, 0);
}

bool
bus_wait_stop(struct bus *bus, int64_t timeout_ms)
{
    gint64 until = g_get_monotonic_time() + timeout_ms * 1000;
    g_mutex_lock(&bus->mutex);
    while (!bus->stopping && timeout_ms > 0 && g_cond_wait_until(&bus->wake, &bus->mutex, until)) {
    }
    bool stopping = bus->stopping;
    g_mutex_unlock(&bus->mutex);
    return stopping;
}

bool
bus_is_connected(const struct bus *bus)
{
    return atomic_load(&bus->publisher.connected);
}

enum rc
bus_publish(struct bus *bus, const struct message *message, struct err *err)
{
    size_t n_confirmed;
    return bus_publish_batch(bus, message, 1, &n_confirmed, err);
}

enum rc
bus_publish_batch(struct bus *bus, const struct message *messages, size_t n,
                  size_t *ret_n_confirmed, struct err *err)
{
    g_autofree struct outgoing *outgoings = g_new0(struct outgoing, n);
    size_t n_ready = 0;
    enum rc encoded = RC_OK;
    while (n_ready < n && !encoded) {
        encoded = outgoing_init(&outgoings[n_ready], &messages[n_ready], err);
        n_ready += !encoded;
    }
    enum rc rc = publisher_send(bus, outgoings, n_ready, ret_n_confirmed, err);
    for (size_t i = 0; i < n_ready; i++) {
        outgoing_done(&outgoings[i]);
    }
    return rc ? rc : encoded;
}

enum rc
bus_subscribe(struct bus *bus, const struct subscription *subscription, struct err *err)
{
    int n_threads = subscription->n_threads ? subscription->n_threads : 1;
    if (n_threads < 1 || n_threads > THREADS_MAX || !subscription->handle ||
        (subscription->kind == QUEUE_HINT && n_threads > 1)) {
        return fault(err, RC_INVALID, "cannot subscribe '%s' with %d threads",
                     subscription->queue ? subscription->queue : "", n_threads);
    }
    g_mutex_lock(&bus->mutex);
    for (int i = 0; i < n_threads; i++) {
        g_ptr_array_add(bus->consumers, consumer_start(bus, subscription, i));
    }
    g_mutex_unlock(&bus->mutex);
    return RC_OK;
}
