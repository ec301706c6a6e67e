// SPDX-License-Identifier: Apache-2.0
#include "common/db/idempotency.h"

#include <string.h>

enum rc
idempotency_claim(struct db *db, const char *project_id, const char *key, const char *request_hash,
                  const char *resource_id, char **ret_existing, struct err *err)
{
    if (!key || !*key) {
        *ret_existing = NULL;
        return RC_OK;
    }
    if (strlen(key) > 255) {
        return fault(err, RC_INVALID, "header Idempotency-Key is longer than 255 bytes");
    }
    // The upsert waits for a rival's transaction, so its answer is final. A key of more than a day
    // ago counts as new, and each claim takes some such keys away.
    g_autoptr(db_result) result = NULL;
    enum rc rc = db_run(db,
                        "WITH old AS (DELETE FROM idempotency_key o USING (SELECT project_id, key "
                        "FROM idempotency_key WHERE created_at < now() - interval '1 day' AND "
                        "(project_id, key) <> ($1, $2) ORDER BY created_at LIMIT 10 FOR UPDATE "
                        "SKIP LOCKED) l WHERE o.project_id = l.project_id AND o.key = l.key) "
                        "INSERT INTO idempotency_key AS k (project_id, key, request_hash, "
                        "resource_id) VALUES ($1, $2, $3, $4) "
                        "ON CONFLICT (project_id, key) DO UPDATE SET "
                        "request_hash = CASE WHEN k.created_at < now() - interval '1 day' THEN "
                        "excluded.request_hash ELSE k.request_hash END, "
                        "resource_id = CASE WHEN k.created_at < now() - interval '1 day' THEN "
                        "excluded.resource_id ELSE k.resource_id END, "
                        "created_at = CASE WHEN k.created_at < now() - interval '1 day' THEN now() "
                        "ELSE k.created_at END "
                        "RETURNING request_hash, resource_id",
                        DB_ARGS(db_s(project_id), db_s(key), db_s(request_hash), db_s(resource_id)),
                        &result, err);
    if (rc != RC_OK) {
        return rc;
    }
    const char *owner = db_text(result, 0, "resource_id");
    if (strcmp(db_text(result, 0, "request_hash"), request_hash) != 0) {
        return fault(err, RC_CONFLICT, "Idempotency-Key '%s' was used for a different request",
                     key);
    }
    *ret_existing = strcmp(owner, resource_id) == 0 ? NULL : g_strdup(owner);
    return RC_OK;
}
