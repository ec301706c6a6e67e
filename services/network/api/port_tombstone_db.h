// SPDX-License-Identifier: Apache-2.0
// Ids of ports that a service has deleted. Each call is one statement; the first two hold the id's
// lock to the end of the caller's transaction, so that a deletion and a creation of the same id are
// decided one after the other.
#pragma once
#include "common/db/db.h"

// From now on the id is refused. An id that is no UUID is nobody's: RC_OK.
enum rc port_tombstone_db_add(struct db *db, const char *id, struct err *err) CHECKED;
// RC_CONFLICT PortDeleted: the id was deleted by a service not long ago.
enum rc port_tombstone_db_check(struct db *db, const char *id, struct err *err) CHECKED;
// Takes at most 1,000 tombstones of more than 25 hours away; ret_n: how many. No token lives longer
// than a day (TOKEN_LIFE_MAX_S), so no request of that time is accepted any more.
enum rc port_tombstone_db_sweep(struct db *db, int64_t *ret_n, struct err *err) CHECKED;
