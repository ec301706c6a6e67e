// SPDX-License-Identifier: Apache-2.0
// Whether tables have changed since they were read. A statement on a watched table notes it in its
// own transaction (9043_table_change.sql), and a look asks by snapshot: all that was committed
// before the look began is seen, by whichever process and in whatever order transactions ended.
#pragma once
#include "common/db/db.h"

// How long a look can go back.
#define TABLE_CHANGE_KEPT_S 180

struct table_look {
    char *now;       // what this look saw: PostgreSQL's pg_snapshot as text; the caller frees
    bool is_changed; // one of the tables, since `since`
};
// tables: watched ones as an array literal, "{tenancy,assignment}". since: an earlier look's `now`,
// at most TABLE_CHANGE_KEPT_S ago; NULL: is_changed is true. What is read after the look is at
// least as new as `now`. One statement.
enum rc table_change_look(struct db *db, const char *tables, const char *since,
                          struct table_look *ret_look, struct err *err) CHECKED;
// Forgets what no look asks for any more.
enum rc table_change_prune(struct db *db, struct err *err) CHECKED;
