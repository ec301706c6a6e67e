// SPDX-License-Identifier: Apache-2.0
// OVN as the network service sees it: make the northbound database say what PostgreSQL says.
// Call these after the transaction that changed the object has committed (never inside it). Each
// call is one OVSDB transaction, sends only what differs, may be repeated, and may come from any
// thread.
//
// Order: an object's dependencies first (network → subnet, security group → port → router →
// floating IP). When one is not there yet the call answers RC_UNAVAILABLE and changes nothing.
// RC_UNAVAILABLE also means: not connected within timeout_ms, or the connection broke before the
// answer. Whatever failed is repaired by the next ovn_reconcile(). An apply with an older revision
// than the one already there does nothing and succeeds.
#pragma once
#include "common/base/err.h"
#include "services/network/ovn/northbound.h"

struct ovn;

struct ovn_options {
    const char *nb_remote; // "unix:/path/nb.sock", "tcp:127.0.0.1:6641"; several separated by
                           // commas are tried in turn
    const char *sb_remote; // the same for the southbound database, read only for its chassis; NULL
                           // or "": none
    // Comma-separated chassis names that may carry routers' gateways. NULL or "": the chassis that
    // announce ovn-cms-options=enable-chassis-as-gw, or all when none does.
    const char *gateway_chassis;
    int timeout_ms; // how long one call may take, waiting for the connection included; 0: 5000
    void *context;
    // A switch port went up or down (also once for every port after the first connection). Called
    // from a thread of its own, one call at a time; may call ovn_* functions.
    void (*on_port_status)(void *context, const char *port_id, bool up);
    // A reconciliation is due: the northbound database was (re)connected, or the set of gateway
    // chassis changed. Same thread as on_port_status.
    void (*on_resync_due)(void *context, const char *reason);
};

// Starts the threads and returns without waiting for the databases. RC_INVALID when a remote is
// malformed.
enum rc ovn_new(const struct ovn_options *options, struct ovn **ret_ovn, struct err *err) CHECKED;
void ovn_free(struct ovn *ovn);
bool ovn_is_ready(struct ovn *ovn);                   // connected, and the replica complete
bool ovn_wait_ready(struct ovn *ovn, int timeout_ms); // and the chassis are known

enum rc ovn_apply_network(struct ovn *ovn, const struct nb_network *network,
                          struct err *err) CHECKED;
enum rc ovn_apply_subnet(struct ovn *ovn, const struct nb_subnet *subnet, struct err *err) CHECKED;
enum rc ovn_apply_security_group(struct ovn *ovn, const struct nb_security_group *group,
                                 struct err *err) CHECKED;
enum rc ovn_apply_port(struct ovn *ovn, const struct nb_port *port, struct err *err) CHECKED;
// All in one transaction, or none.
enum rc ovn_apply_ports(struct ovn *ovn, const struct nb_port *ports, size_t n_ports,
                        struct err *err) CHECKED;
enum rc ovn_apply_router(struct ovn *ovn, const struct nb_router *router, struct err *err) CHECKED;
enum rc ovn_apply_floatingip(struct ovn *ovn, const struct nb_floatingip *floatingip,
                             struct err *err) CHECKED;

// Removes every row of the object; RC_OK when there is none. Rows of other objects that only live
// inside it (ports of a network, NAT of a router) go with it.
enum rc ovn_delete(struct ovn *ovn, enum nb_kind kind, const char *id, struct err *err) CHECKED;
static inline enum rc CHECKED
ovn_delete_network(struct ovn *ovn, const char *id, struct err *err)
{
    return ovn_delete(ovn, NB_NETWORK, id, err);
}
static inline enum rc CHECKED
ovn_delete_subnet(struct ovn *ovn, const char *id, struct err *err)
{
    return ovn_delete(ovn, NB_SUBNET, id, err);
}
static inline enum rc CHECKED
ovn_delete_port(struct ovn *ovn, const char *id, struct err *err)
{
    return ovn_delete(ovn, NB_PORT, id, err);
}
static inline enum rc CHECKED
ovn_delete_router(struct ovn *ovn, const char *id, struct err *err)
{
    return ovn_delete(ovn, NB_ROUTER, id, err);
}
static inline enum rc CHECKED
ovn_delete_floatingip(struct ovn *ovn, const char *id, struct err *err)
{
    return ovn_delete(ovn, NB_FLOATINGIP, id, err);
}
static inline enum rc CHECKED
ovn_delete_security_group(struct ovn *ovn, const char *id, struct err *err)
{
    return ovn_delete(ovn, NB_SECURITY_GROUP, id, err);
}

// What OVN says of a port now; false when it has no such port.
bool ovn_find_port_status(struct ovn *ovn, const char *port_id, bool *ret_up);

// Reconciliation: `each` yields every desired object by ovn_desired_*(), in any order, from one
// snapshot taken after it was called; whatever it returns but RC_OK stops everything before any
// change. Objects that change while it runs are left alone.
struct ovn_desired;
typedef enum rc (*ovn_each_fn)(void *context, struct ovn_desired *desired, struct err *err);
enum rc ovn_desired_network(struct ovn_desired *desired, const struct nb_network *network,
                            struct err *err) CHECKED;
enum rc ovn_desired_subnet(struct ovn_desired *desired, const struct nb_subnet *subnet,
                           struct err *err) CHECKED;
enum rc ovn_desired_security_group(struct ovn_desired *desired,
                                   const struct nb_security_group *group, struct err *err) CHECKED;
enum rc ovn_desired_port(struct ovn_desired *desired, const struct nb_port *port,
                         struct err *err) CHECKED;
enum rc ovn_desired_router(struct ovn_desired *desired, const struct nb_router *router,
                           struct err *err) CHECKED;
enum rc ovn_desired_floatingip(struct ovn_desired *desired, const struct nb_floatingip *floatingip,
                               struct err *err) CHECKED;

struct ovn_reconcile_counts {
    size_t n_desired;  // objects seen
    size_t n_repaired; // objects whose rows were missing or different
    size_t n_removed;  // objects in OVN that nobody desires
    size_t n_skipped;  // objects that changed meanwhile, or whose dependency is missing
};
enum rc ovn_reconcile(struct ovn *ovn, ovn_each_fn each, void *context,
                      struct ovn_reconcile_counts *ret_counts, struct err *err) CHECKED;
