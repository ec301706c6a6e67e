// SPDX-License-Identifier: Apache-2.0
// Floating IPs in the database: what an association needs, and removal with their port and usage.
#pragma once
#include "common/db/db.h"

// Deletes the floating IP, its port, and closes its usage.
enum rc floatingip_db_remove(struct db *db, const char *id, struct err *err) CHECKED;
// After the floating IP's row is gone: its port, usage and work.
enum rc floatingip_db_finish(struct db *db, const char *id, const char *floating_port_id,
                             struct err *err) CHECKED;

struct association {
    char fixed_ip[64];
    char router_id[40];
};
// Where a floating IP of this external network lands on the port: the address asked for (NULL: the
// only IPv4 one), through a router with a gateway there. RC_INVALID BadRequest; RC_NOT_FOUND
// ExternalGatewayForFloatingIPNotFound; RC_CONFLICT FloatingIPPortAlreadyAssociated. fip_id: the
// one being changed.
struct association_wish {
    const char *fip_id, *floating_network_id, *port_id, *fixed_ip;
};
enum rc floatingip_db_associate(struct db *db, const struct association_wish *wish,
                                struct association *ret, struct err *err) CHECKED;
// The first IPv4 subnet of an external network, when none is asked for; address NULL is any.
enum rc floatingip_db_port_address(struct db *db, const char *port_id, char ret_address[64],
                                   struct err *err) CHECKED;
// The port got its address and so did the row.
enum rc floatingip_db_has_ipv4_subnet(struct db *db, const char *network_id, bool *ret_has,
                                      struct err *err) CHECKED;
