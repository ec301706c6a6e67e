// SPDX-License-Identifier: Apache-2.0
// Networks in the database: what their hooks ask, and what goes with a network.
#pragma once
#include "common/db/db.h"

struct network_row {
    char project_id[65];
    bool shared, external, port_security;
};
// Locks the row against deletion (or, for_update, against everything) until the transaction ends.
// RC_NOT_FOUND NetworkNotFound: missing, or invisible to project_id (NULL: an administrator).
enum rc network_db_lock(struct db *db, const char *id, bool for_update, const char *project_id,
                        struct network_row *ret_row, struct err *err) CHECKED;
enum rc network_db_next_segment(struct db *db, int64_t *ret_segment, struct err *err) CHECKED;
// Is anyone but the owner using it (ports or subnets of other projects)?
enum rc network_db_is_used_by_others(struct db *db, const char *id, bool *ret_used,
                                     struct err *err) CHECKED;
// Router gateways or floating IPs on it.
enum rc network_db_is_used_externally(struct db *db, const char *id, bool *ret_used,
                                      struct err *err) CHECKED;
// Removes floating IPs that are not associated, the service's own ports, and the subnets.
// RC_CONFLICT NetworkInUse when other ports remain.
enum rc network_db_empty(struct db *db, const char *id, struct err *err) CHECKED;
