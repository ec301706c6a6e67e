// SPDX-License-Identifier: Apache-2.0
// From the replica to the network service's callbacks, by a thread of its own: the connection must
// never wait for them. Events of a port that has not been told yet are replaced, so the queue is
// bounded by the number of ports.
#include "services/network/ovn/ovn_internal.h"
#include <pthread.h>
#include <signal.h>
#include <string.h>

#define PORT_PREFIX "port/"

struct ovn_events {
    struct ovn_options options;
    GThread *thread;
    GMutex lock; // guards all below
    GCond due;
    bool stopping;
    char *resync;        // the reason, NULL: none due
    GHashTable *pending; // port id → up (GINT_TO_POINTER)
    GHashTable *known;   // port id → up as last queued
};

static void
tell(struct ovn_events *events, GHashTable *ports, const char *resync)
{
    const struct ovn_options *options = &events->options;
    if (resync && options->on_resync_due) {
        options->on_resync_due(options->context, resync);
    }
    GHashTableIter iter;
    gpointer id, up;
    g_hash_table_iter_init(&iter, ports);
    while (options->on_port_status && g_hash_table_iter_next(&iter, &id, &up)) {
        options->on_port_status(options->context, id, GPOINTER_TO_INT(up));
    }
}

static GHashTable *
new_ports(void)
{
    return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
}

static gpointer
run(gpointer data)
{
    struct ovn_events *events = data;
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    g_mutex_lock(&events->lock);
    while (!events->stopping) {
        if (!events->resync && !g_hash_table_size(events->pending)) {
            g_cond_wait(&events->due, &events->lock);
            continue;
        }
        g_autofree char *resync = g_steal_pointer(&events->resync);
        g_autoptr(GHashTable) ports = g_steal_pointer(&events->pending);
        events->pending = new_ports();
        g_mutex_unlock(&events->lock);
        tell(events, ports, resync);
        g_mutex_lock(&events->lock);
    }
    g_mutex_unlock(&events->lock);
    return NULL;
}

struct ovn_events *
ovn_events_new(const struct ovn_options *options)
{
    struct ovn_events *events = g_new0(struct ovn_events, 1);
    events->options = *options;
    events->pending = new_ports();
    events->known = new_ports();
    g_mutex_init(&events->lock);
    g_cond_init(&events->due);
    return events;
}

void
ovn_events_start(struct ovn_events *events)
{
    events->thread = g_thread_new("ovn-events", run, events);
}

void
ovn_events_stop(struct ovn_events *events)
{
    g_mutex_lock(&events->lock);
    events->stopping = true;
    g_cond_signal(&events->due);
    g_mutex_unlock(&events->lock);
    if (events->thread) {
        g_thread_join(g_steal_pointer(&events->thread));
    }
}

void
ovn_events_free(struct ovn_events *events)
{
    if (!events) {
        return;
    }
    g_free(events->resync);
    g_hash_table_unref(events->pending);
    g_hash_table_unref(events->known);
    g_mutex_clear(&events->lock);
    g_cond_clear(&events->due);
    g_free(events);
}

// With the lock held. A port that is new and down is no news, unless it is the first we hear of the
// database.
static void
note_port(struct ovn_events *events, const char *id, bool up, bool tell_new)
{
    gpointer old = NULL;
    bool is_known = g_hash_table_lookup_extended(events->known, id, NULL, &old);
    if (is_known && GPOINTER_TO_INT(old) == up) {
        return;
    }
    g_hash_table_replace(events->known, g_strdup(id), GINT_TO_POINTER(up));
    if (is_known || up || tell_new) {
        g_hash_table_replace(events->pending, g_strdup(id), GINT_TO_POINTER(up));
        g_cond_signal(&events->due);
    }
}

static const char *
port_of(const struct replica_row *row, bool *ret_up)
{
    if (row->table != NB_LOGICAL_SWITCH_PORT || !row->owner ||
        !g_str_has_prefix(row->owner, PORT_PREFIX)) {
        return NULL;
    }
    const struct ovsdb_value *up =
        &row->values[ovsdb_column_index(&nb_schema.tables[row->table], "up")];
    *ret_up = up->text && !strcmp(up->text, "true");
    return row->owner + strlen(PORT_PREFIX);
}

void
ovn_events_nb_state(struct ovn_events *events, bool is_ready, const struct replica *replica)
{
    if (!is_ready) {
        return;
    }
    GHashTableIter iter;
    gpointer row;
    g_mutex_lock(&events->lock);
    g_hash_table_iter_init(&iter, replica_rows(replica));
    while (g_hash_table_iter_next(&iter, NULL, &row)) {
        bool up;
        const char *id = port_of(row, &up);
        if (id) {
            note_port(events, id, up, true);
        }
    }
    g_mutex_unlock(&events->lock);
    ovn_events_resync(events, "northbound database connected");
}

void
ovn_events_nb_change(struct ovn_events *events, const struct replica_row *row,
                     enum replica_change change)
{
    bool up;
    const char *id = port_of(row, &up);
    if (!id) {
        return;
    }
    g_mutex_lock(&events->lock);
    if (change == REPLICA_DELETED) {
        note_port(events, id, false, false); // somebody else may have deleted it
        g_hash_table_remove(events->known, id);
    } else {
        note_port(events, id, up, false);
    }
    g_mutex_unlock(&events->lock);
}

void
ovn_events_resync(struct ovn_events *events, const char *reason)
{
    g_mutex_lock(&events->lock);
    g_free(events->resync);
    events->resync = g_strdup(reason);
    g_cond_signal(&events->due);
    g_mutex_unlock(&events->lock);
}
