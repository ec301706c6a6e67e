// SPDX-License-Identifier: Apache-2.0
#include "services/network/api/quota_db.h"

enum rc
quota_db_projects(struct db *db, json_t *names, const char *project_id, db_result **ret_rows,
                  struct err *err)
{
    g_autofree char *text = json_dumps(names, JSON_COMPACT);
    return db_run(db,
                  "SELECT project_id, jsonb_object_agg(resource, value) AS limits FROM quota_limit "
                  "WHERE resource IN (SELECT jsonb_array_elements_text($1::jsonb)) AND value IS "
                  "NOT NULL AND project_id <> '' AND project_id = coalesce($2, project_id) GROUP "
                  "BY project_id ORDER BY project_id LIMIT 10000",
                  DB_ARGS(db_s(text), db_s(project_id)), ret_rows, err);
}
