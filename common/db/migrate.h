// SPDX-License-Identifier: Apache-2.0
// Numbered, forward-only migrations, each one transaction, applied by `PROGRAM --migrate`. The SQL
// files are linked into the program (mk/embed-migrations.sh). Common ones (outbox, usage, leases,
// quota) are numbered
// from 9000 and come first.
#pragma once
#include "common/db/db.h"

struct migration {
    int number;
    const char *name;
    const char *sql;
};
extern const struct migration service_migrations[]; // ended by number 0

// Creates the schema when missing and applies what is not yet in schema_migration. Safe when
// several run at once.
enum rc db_migrate(struct db_pool *pool, const char *schema, const struct migration *migrations,
                   struct err *err) CHECKED;
