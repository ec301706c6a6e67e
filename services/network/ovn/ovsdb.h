// SPDX-License-Identifier: Apache-2.0
// A connection to an OVSDB server (RFC 7047): a thread of its own keeps it up, keeps a replica of
// the schema's tables by `monitor_cond`, and sends the transactions of any number of callers. What
// a peer sends can end the connection, nothing else.
#pragma once
#include "services/network/ovn/replica.h"

struct ovsdb_options {
    const char *remotes; // "unix:PATH", "tcp:HOST:PORT", "tcp:[IPV6]:PORT"; several separated by
                         // commas are tried in turn
    const struct ovsdb_schema *schema;
    void *context;
    // Both are called by the connection's thread with the lock held: they must not block nor call
    // ovsdb_*.
    replica_fn on_change; // a row, once the replica is complete; NULL: nobody asks
    void (*on_update)(
        void *context,
        const struct replica *replica); // after all rows of one update; NULL: nobody asks
    void (*on_state)(void *context, bool is_ready,
                     const struct replica *replica); // complete, or lost
};

struct ovsdb;
enum rc ovsdb_new(const struct ovsdb_options *options, struct ovsdb **ret_ovsdb,
                  struct err *err) CHECKED;
void ovsdb_free(struct ovsdb *ovsdb);

// The replica may be looked at between these. It is empty while there is no connection.
struct replica *ovsdb_lock(struct ovsdb *ovsdb);
struct replica *
ovsdb_lock_ready(struct ovsdb *ovsdb); // the same, but NULL and not locked without a connection
void ovsdb_unlock(struct ovsdb *ovsdb);
bool ovsdb_is_ready(struct ovsdb *ovsdb);
bool ovsdb_wait_ready(struct ovsdb *ovsdb, int64_t deadline_ms); // monotonic_ms()
void ovsdb_wait_change(struct ovsdb *ovsdb, uint64_t serial,
                       int64_t deadline_ms); // until the replica is newer than that
// Sends `transact` with these parameters (borrowed) and waits for the answer. The replica is at
// least as new as the answer. RC_UNAVAILABLE: no connection, lost, or no answer in time; it may or
// may not have been committed.
enum rc ovsdb_transact(struct ovsdb *ovsdb, const json_t *params, int64_t deadline_ms,
                       json_t **ret_results, struct err *err) CHECKED;
