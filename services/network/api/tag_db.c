// SPDX-License-Identifier: Apache-2.0
#include "services/network/api/tag_db.h"

#include "common/resource/resource.h"

enum rc
tag_db_read(struct db *db, const struct resource *resource, const char *id, const char *project_id,
            json_t **ret_tags, struct err *err)
{
    g_autoptr(db_result) row = NULL;
    g_autofree char *sql = g_strdup_printf(
        "SELECT project_id, tags FROM %s WHERE id = $1 FOR UPDATE", resource->table);
    enum rc rc = db_run_one(db, sql, DB_ARGS(db_s(id)), &row, err);
    if (rc == RC_OK && project_id && !g_str_equal(db_text(row, 0, "project_id"), project_id)) {
        return fault(err, RC_FORBIDDEN, "rule:update_%s is disallowed by policy",
                     resource->singular);
    }
    if (rc == RC_OK) {
        *ret_tags = db_json(row, 0, "tags");
    }
    return rc;
}

enum rc
tag_db_write(struct db *db, const struct resource *resource, const char *id, json_t *tags,
             struct err *err)
{
    g_autofree char *text = json_dumps(tags, JSON_COMPACT);
    g_autofree char *sql =
        g_strdup_printf("UPDATE %s SET tags = $2, revision_number = revision_number + 1, "
                        "updated_at = now() WHERE id = $1",
                        resource->table);
    return db_run(db, sql, DB_ARGS(db_s(id), db_s(text)), NULL, err);
}
