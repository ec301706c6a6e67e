// SPDX-License-Identifier: Apache-2.0
#include "common/db/migrate.h"

#include "common/log/log.h"

struct step {
    const struct migration *migration;
    const char *schema;
};

static enum rc
prepare_schema(struct db *db, void *argument, struct err *err)
{
    const char *schema = argument;
    enum rc rc = db_lock_text(db, "migrate", schema, err);
    if (rc != RC_OK) {
        return rc;
    }
    g_autofree char *sql =
        g_strdup_printf("CREATE SCHEMA IF NOT EXISTS %s; SET LOCAL search_path = %s, public; "
                        "CREATE TABLE IF NOT EXISTS schema_migration "
                        "(number int PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT "
                        "NULL DEFAULT now())",
                        schema, schema);
    return db_script(db, sql, err);
}

static enum rc
apply_one(struct db *db, void *argument, struct err *err)
{
    const struct step *step = argument;
    enum rc rc = db_lock_text(db, "migrate", step->schema, err);
    if (rc != RC_OK) {
        return rc;
    }
    g_autoptr(db_result) claimed = NULL;
    rc = db_run(
        db, "INSERT INTO schema_migration (number, name) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        DB_ARGS(db_i(step->migration->number), db_s(step->migration->name)), &claimed, err);
    if (rc != RC_OK || db_n_affected(claimed) == 0) {
        return rc;
    }
    log_info("applying a migration", kv("schema", step->schema),
             kv("migration", step->migration->name));
    return db_script(db, step->migration->sql, err);
}

// schema comes from the program's own table, never from outside.
enum rc
db_migrate(struct db_pool *pool, const char *schema, const struct migration *migrations,
           struct err *err)
{
    struct db *db;
    enum rc rc = db_get(pool, &db, err);
    if (rc == RC_OK) {
        rc = db_tx(db, prepare_schema, (void *)schema, err);
    }
    for (const struct migration *migration = migrations; rc == RC_OK && migration->number;
         migration++) {
        struct step step = {migration, schema};
        rc = db_tx(db, apply_one, &step, err);
    }
    return rc;
}
