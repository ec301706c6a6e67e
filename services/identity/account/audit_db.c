// SPDX-License-Identifier: Apache-2.0
#include "services/identity/account/audit.h"

#include "common/log/log.h"

enum rc
audit_write(struct db *db, const struct audit_entry *entry, struct err *err)
{
    g_autofree char *detail = entry->detail ? json_dumps(entry->detail, JSON_COMPACT) : NULL;
    return db_run(db,
                  "INSERT INTO audit (user_id, project_id, actor_id, action, outcome, detail, "
                  "request_id) VALUES ($1, $2, $3, $4, coalesce($5, 'done'), coalesce($6::jsonb, "
                  "'{}'), $7)",
                  DB_ARGS(db_s(entry->user_id), db_s(entry->project_id), db_s(entry->actor_id),
                          db_s(entry->action), db_s(entry->outcome), db_s(detail),
                          db_s(log_request_id())),
                  NULL, err);
}
