// SPDX-License-Identifier: Apache-2.0
#include "services/compute/api/quota_db.h"

enum rc
quota_db_store(struct db *db, const char *limits_json, struct err *err)
{
    return db_run(db,
                  "WITH l AS (SELECT * FROM jsonb_to_recordset($1::jsonb) AS l(project_id text, "
                  "resource text, value bigint)),"
                  " gone AS (DELETE FROM quota_limit q USING l WHERE q.project_id = l.project_id "
                  "AND q.resource = l.resource"
                  " AND l.value IS NULL) INSERT INTO quota_limit (project_id, resource, value) "
                  "SELECT project_id, resource,"
                  " value FROM l WHERE value IS NOT NULL ON CONFLICT (project_id, resource) DO "
                  "UPDATE SET value = excluded.value",
                  DB_ARGS(db_s(limits_json)), NULL, err);
}
