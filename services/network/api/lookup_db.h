// SPDX-License-Identifier: Apache-2.0
// One row by an id that a client gave, for code that needs more than the engine reads.
#pragma once
#include "common/db/db.h"
#include "common/resource/resource.h"

struct lookup {
    const struct resource *resource; // whose words are used when it is missing
    const char *sql;                 // $1: the id, a UUID; $2: the project, NULL for administrators
    const char *id, *project_id;
};
// RC_NOT_FOUND: no UUID, or no row.
enum rc lookup_db_get(struct db *db, const struct lookup *lookup, db_result **ret_row,
                      struct err *err) CHECKED;
