// SPDX-License-Identifier: Apache-2.0
// Subnets in the database: pools, overlap, use, and the network's metadata port.
#pragma once
#include "common/db/db.h"
#include "services/network/api/subnet_plan.h"

// RC_INVALID InvalidInput when another subnet of the network (whose row is locked) overlaps.
enum rc subnet_db_check_overlap(struct db *db, const char *network_id, const char *cidr,
                                struct err *err) CHECKED;
// Replaces the pools.
enum rc subnet_db_write_pools(struct db *db, const char *id, const struct subnet_plan *plan,
                              struct err *err) CHECKED;
// The pools as they are, into plan (whose cidr is set).
enum rc subnet_db_read_pools(struct db *db, const char *id, struct subnet_plan *plan,
                             struct err *err) CHECKED;
enum rc subnet_db_lock(struct db *db, const char *id, struct err *err) CHECKED;
// Is this address held by a port in the subnet? ret_port_id is "" when not.
enum rc subnet_db_find_ip(struct db *db, const char *id, const char *ip, char ret_port_id[40],
                          struct err *err) CHECKED;
// Takes automatic addresses and those of the service's own ports away. RC_CONFLICT SubnetInUse when
// others remain.
enum rc subnet_db_empty(struct db *db, const char *id, struct err *err) CHECKED;
// The network's metadata port exists and has an address in every IPv4 subnet with DHCP, and in no
// other; it goes with the last one. Subnets whose metadata address changed get work.
enum rc subnet_db_sync_metadata(struct db *db, const char *network_id, struct err *err) CHECKED;
