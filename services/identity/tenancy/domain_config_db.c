// SPDX-License-Identifier: Apache-2.0
#include "services/identity/tenancy/domain_config_db.h"

enum rc
domain_config_db_get(struct db *db, const char *domain_id, json_t **ret_config, struct err *err)
{
    g_autoptr(db_result) locked = NULL;
    g_autoptr(db_result) rows = NULL;
    enum rc rc =
        db_run_one(db, "SELECT id FROM tenancy WHERE id = $1 AND is_domain FOR NO KEY UPDATE",
                   DB_ARGS(db_s(domain_id)), &locked, err);
    if (rc) {
        return rc == RC_NOT_FOUND ? fault(err, rc, "Could not find domain: %.64s.", domain_id) : rc;
    }
    rc = db_run_one(db,
                    "SELECT coalesce((SELECT config FROM domain_config WHERE domain_id = $1), "
                    "'{}') AS config",
                    DB_ARGS(db_s(domain_id)), &rows, err);
    if (rc == RC_OK) {
        *ret_config = db_json(rows, 0, "config");
    }
    return rc;
}

enum rc
domain_config_db_set(struct db *db, const char *domain_id, json_t *config, struct err *err)
{
    if (!json_object_size(config)) {
        return db_run(db, "DELETE FROM domain_config WHERE domain_id = $1",
                      DB_ARGS(db_s(domain_id)), NULL, err);
    }
    char *text = json_dumps(config, JSON_COMPACT);
    enum rc rc = db_run(db,
                        "INSERT INTO domain_config VALUES ($1, $2::jsonb) ON CONFLICT (domain_id) "
                        "DO UPDATE SET config = excluded.config",
                        DB_ARGS(db_s(domain_id), db_s(text)), NULL, err);
    free(text);
    return rc;
}
