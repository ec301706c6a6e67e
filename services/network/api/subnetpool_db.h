// SPDX-License-Identifier: Apache-2.0
// Subnets out of subnet pools: the pool's row is locked while a free prefix is picked.
#pragma once
#include "common/db/db.h"
#include "services/network/api/address.h"

struct subnetpool_wish {
    const char *pool_id;    // NULL: the default pool of ip_version
    const char *project_id; // who must see the pool; NULL: an administrator
    int ip_version;         // 0: the pool's
    const char *cidr;       // NULL: any free one
    int prefix_length;      // -1: the pool's default
};
struct subnetpool_choice {
    char pool_id[40];
    int ip_version;
    char cidr[PREFIX_SIZE];
};
// RC_NOT_FOUND SubnetPoolNotFound, RC_INVALID, RC_CONFLICT SubnetAllocationError when nothing is
// free.
enum rc subnetpool_db_allocate(struct db *db, const struct subnetpool_wish *wish,
                               struct subnetpool_choice *ret_choice, struct err *err) CHECKED;
enum rc subnetpool_db_is_used(struct db *db, const char *id, bool *ret_used,
                              struct err *err) CHECKED;
