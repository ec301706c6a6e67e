// SPDX-License-Identifier: Apache-2.0
// What the ovn_*.c files share; not for others.
#pragma once
#include "services/network/ovn/nb_diff.h"
#include "services/network/ovn/ovn.h"
#include "services/network/ovn/ovsdb.h"

// The chassis as last seen. Kept when the southbound database goes away or is empty: routers must
// not lose their gateways for that.
struct chassis_list {
    char **gateways; // sorted
    char **hosts;    // names and host names, sorted
};
void chassis_list_free(struct chassis_list *list);
struct chassis_list *chassis_list_read(const struct replica *replica);
// A copy, for one plan.
char **chassis_list_gateways(const struct chassis_list *list, char **configured);

struct ovn_events; // port status and resync hints on their way to the callbacks
struct ovn_events *ovn_events_new(const struct ovn_options *options);
void ovn_events_start(struct ovn_events *events);
void ovn_events_stop(struct ovn_events *events); // waits for a callback that runs
void ovn_events_free(struct ovn_events *events);
void ovn_events_nb_state(struct ovn_events *events, bool is_ready, const struct replica *replica);
void ovn_events_nb_change(struct ovn_events *events, const struct replica_row *row,
                          enum replica_change change);
void ovn_events_resync(struct ovn_events *events, const char *reason);

struct ovn {
    struct ovn_options options;
    char **configured_gateways; // NULL: take the southbound's
    struct nb_object *drop_group;
    struct ovn_events *events;
    struct ovsdb *nb;
    struct ovsdb *sb; // NULL: none
    GMutex lock;      // guards the chassis
    GCond chassis_changed;
    struct chassis_list *chassis; // NULL: not seen yet
    GMutex reconciling;           // one at a time
};

int64_t ovn_deadline(const struct ovn *ovn);
// RC_UNAVAILABLE when the chassis are still unknown at the deadline.
enum rc ovn_wait_chassis(struct ovn *ovn, int64_t deadline_ms, struct err *err) CHECKED;
enum rc ovn_make_router(struct ovn *ovn, const struct nb_router *router,
                        struct nb_object **ret_object, struct err *err) CHECKED;
// The host is left out when no chassis is called so: a port that asks for it would never come up.
enum rc ovn_make_port(struct ovn *ovn, const struct nb_port *port, struct nb_object **ret_object,
                      struct err *err) CHECKED;

// Fills a difference from the replica; called again with a fresh one when another writer was
// faster.
typedef enum rc (*ovn_fill_fn)(void *context, struct nb_diff *diff, struct err *err);
enum rc ovn_commit(struct ovn *ovn, ovn_fill_fn fill, void *context, int64_t deadline_ms,
                   struct err *err) CHECKED;
