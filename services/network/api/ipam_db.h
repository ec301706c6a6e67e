// SPDX-License-Identifier: Apache-2.0
// Addresses of ports: allocated in the transaction, from the pools of the network's subnets, or as
// asked for.
#pragma once
#include "common/db/db.h"
#include "services/network/api/address.h"

struct ipam_port { // borrowed texts
    const char *id, *network_id, *mac, *device_owner;
};
// Gives the port (whose row exists) its addresses. fixed_ips: [{"subnet_id"?, "ip_address"?}…], or
// NULL: one IPv4 and one IPv6 address, and one in every subnet with automatic addressing.
// RC_INVALID: not of this network or subnet; RC_CONFLICT IpAddressAlreadyAllocated,
// IpAddressGenerationFailure.
enum rc ipam_allocate(struct db *db, const struct ipam_port *port, json_t *fixed_ips,
                      struct err *err) CHECKED;
// Makes the port's addresses what is asked for, keeping those that fit.
enum rc ipam_change(struct db *db, const struct ipam_port *port, json_t *fixed_ips,
                    struct err *err) CHECKED;
