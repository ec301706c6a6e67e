// SPDX-License-Identifier: Apache-2.0
#include "services/network/api/quota_db.h"

enum rc
quota_db_projects(struct db *db, db_result **ret_rows, struct err *err)
{
    return db_run(db, "SELECT DISTINCT project_id FROM quota_limit ORDER BY project_id LIMIT 10000",
                  DB_NONE, ret_rows, err);
}

enum rc
quota_db_set(struct db *db, const char *project_id, const char *resource, const int64_t *value,
             struct err *err)
{
    if (!value) {
        return db_run(db, "DELETE FROM quota_limit WHERE project_id = $1 AND resource = $2",
                      DB_ARGS(db_s(project_id), db_s(resource)), NULL, err);
    }
    return db_run(db,
                  "INSERT INTO quota_limit (project_id, resource, value) VALUES ($1, $2, $3) "
                  "ON CONFLICT (project_id, resource) DO UPDATE SET value = excluded.value",
                  DB_ARGS(db_s(project_id), db_s(resource), db_i(*value)), NULL, err);
}
