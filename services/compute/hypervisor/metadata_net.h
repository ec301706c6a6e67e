// SPDX-License-Identifier: Apache-2.0
// For every network with guests here, a namespace ovnmeta-<network id> with a leg in the
// integration bridge, and a proxy in it. A network without metadata does not keep guests from
// booting: what failed is tried again by metadata_net_tick.
#pragma once
#include "services/compute/hypervisor/order.h"

struct metadata_net_config {
    const char *ovsdb;        // "unix:/run/openvswitch/db.sock"
    const char *bridge;       // "br-int"
    const char *netns;        // the host's network namespace; "": our own
    const char *agent_socket; // what the proxies ask
};
struct metadata_net;
struct metadata_net *metadata_net_new(const struct metadata_net_config *config);
void metadata_net_free(struct metadata_net *net); // the proxies end, the namespaces stay
bool metadata_net_has(struct metadata_net *net, const char *network_id);
// Makes the network's namespace; failures are logged and tried again later.
void metadata_net_add(struct metadata_net *net, const struct order_port *port);
// Takes away every namespace whose network is not used any more, also those of an earlier agent.
typedef bool (*metadata_used_fn)(const char *network_id, void *context);
void metadata_net_sweep(struct metadata_net *net, metadata_used_fn is_used, void *context);
void metadata_net_tick(struct metadata_net *net); // dead proxies and what failed
// Takes a guest's port off the bridge, in case that the hypervisor could not.
enum rc metadata_net_tap_remove(struct metadata_net *net, const char *port_id,
                                struct err *err) CHECKED;
