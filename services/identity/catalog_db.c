// SPDX-License-Identifier: Apache-2.0
#include "services/identity/catalog_db.h"

enum rc
catalog_db_make_region(struct db *db, const char *id, struct err *err)
{
    return db_run(db, "INSERT INTO region (id) VALUES ($1) ON CONFLICT DO NOTHING",
                  DB_ARGS(db_s(id)), NULL, err);
}
