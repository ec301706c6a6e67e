// SPDX-License-Identifier: Apache-2.0
// What the files of this folder that speak to libpq share.
#pragma once
#include "common/db/db.h"
#include <libpq-fe.h>

struct db_pool {
    char *dsn;
    char *schema;
};

struct db {
    PGconn *connection;
    const struct db_pool *pool;
    GHashTable *prepared; // SQL text → statement name
    bool in_tx;
};

struct db_result {
    PGresult *rows;
};

// What libpq answered to sql becomes an outcome; rows becomes ret_result's (which may be NULL).
enum rc db_take_result(struct db *db, PGresult *rows, const char *sql, db_result **ret_result,
                       struct err *err) CHECKED;
// BEGIN, COMMIT and the like: not counted as statements.
enum rc db_control(struct db *db, const char *sql, struct err *err) CHECKED;
