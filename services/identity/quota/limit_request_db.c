// SPDX-License-Identifier: Apache-2.0
#include "services/identity/quota/limit_request_db.h"

#include <string.h>

enum rc
limit_request_db_add(struct db *db, const struct limit_request_row *row, struct err *err)
{
    enum rc rc = db_run(
        db,
        "INSERT INTO limit_request (id, project_id, user_id, service, resource, value, reason) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7)",
        DB_ARGS(db_s(row->id), db_s(row->project_id), db_s(row->user_id), db_s(row->service),
                db_s(row->resource), db_i(row->value), db_s(row->reason)),
        NULL, err);
    return rc == RC_CONFLICT
               ? fault(err, rc, "this project has asked for '%.64s' already", row->resource)
               : rc;
}

enum rc
limit_request_db_find(struct db *db, const char *id, const char *project_id, db_result **ret_row,
                      struct err *err)
{
    enum rc rc = db_run_one(
        db,
        "SELECT q.project_id, q.user_id, q.service, q.resource, q.value, q.status, a.email, "
        "a.locale FROM limit_request q LEFT JOIN account a ON a.user_id = q.user_id AND a.state IN "
        "('active', 'blocked') WHERE q.id = $1 AND q.project_id = coalesce($2, q.project_id) FOR "
        "UPDATE OF q",
        DB_ARGS(db_s(id), db_s(project_id)), ret_row, err);
    return rc == RC_NOT_FOUND ? fault(err, rc, "Could not find limit request: %.64s.", id) : rc;
}

enum rc
limit_request_db_decide(struct db *db, const char *id, const struct limit_decision *decision,
                        struct err *err)
{
    bool is_approved = !strcmp(decision->status, "approved");
    return db_run(
        db,
        "UPDATE limit_request SET status = $2, granted = $3::bigint, note = $4, decided_by = $5, "
        "decided_at = now() WHERE id = $1",
        DB_ARGS(db_s(id), db_s(decision->status),
                is_approved ? db_i(decision->granted) : db_s(NULL), db_s(decision->note),
                db_s(decision->actor_id)),
        NULL, err);
}
