// SPDX-License-Identifier: Apache-2.0
// The tables with sealed columns.
#pragma once
#include "common/db/db.h"

struct sealed_table {
    const char *name;
    // $1 key id, $2 row id → id, plain, sealed of the next 200 rows after that id that are not
    // sealed by that key; locked
    const char *take;
    const char *store; // $1 JSON array of {id, sealed}
};
extern const struct sealed_table sealed_tables[]; // ended by name NULL

// Rows with id and n: keys in use and by how many rows.
enum rc reseal_db_keys(struct db *db, db_result **ret_rows, struct err *err) CHECKED;
enum rc reseal_db_take(struct db *db, const struct sealed_table *table, const char *key_id,
                       const char *after, db_result **ret_rows, struct err *err) CHECKED;
enum rc reseal_db_store(struct db *db, const struct sealed_table *table, json_t *rows,
                        struct err *err) CHECKED;
