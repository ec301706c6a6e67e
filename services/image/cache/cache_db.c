// SPDX-License-Identifier: Apache-2.0
#include "services/image/cache/cache_db.h"

#include <glib.h>

enum rc
cache_db_gone(struct db *db, json_t *cached, json_t **ret_gone, struct err *err)
{
    g_autofree char *text = json_dumps(cached, JSON_COMPACT);
    return db_run_json(
        db,
        "SELECT COALESCE(jsonb_agg(c.image_id ORDER BY c.image_id), '[]')::text AS "
        "item FROM jsonb_to_recordset($1::jsonb) AS c (image_id uuid) WHERE NOT "
        "EXISTS (SELECT FROM image i WHERE i.id = c.image_id AND i.blob IS NOT NULL)",
        DB_ARGS(db_s(text)), ret_gone, err);
}
