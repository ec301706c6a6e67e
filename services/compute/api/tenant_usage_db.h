// SPDX-License-Identifier: Apache-2.0
// What projects' servers used in a window, from the usage intervals that billing is told of too.
#pragma once
#include "common/db/db.h"

struct usage_window {
    int64_t from_us, to_us; // half-open
    const char *project_id; // NULL: every project
    bool has_servers;       // with each server's own part
    int64_t limit;          // servers, in the order of project and id
    const char *marker;     // the server behind which to begin; NULL: from the start
};
// One row: items (JSON text: array of projects' usages), first (the
// first of them, or {}), n servers, the last one's id, is_marked (false: there is no such marker).
enum rc tenant_usage_db_read(struct db *db, const struct usage_window *window, db_result **ret_rows,
                             struct err *err) CHECKED;
