// SPDX-License-Identifier: Apache-2.0
#include "services/compute/core/server_db.h"

#include "common/db/outbox.h"

enum rc
server_db_move(struct db *db, const char *server_id, enum life_state from, enum life_state to,
               int due_s, struct err *err)
{
    g_autoptr(db_result) result = NULL;
    enum rc rc =
        db_run(db,
               "UPDATE server SET vm_state = $4, task_state = $5, updated_at = now(),"
               " due_at = CASE WHEN $5::text IS NULL THEN NULL ELSE now() + $6::int * interval '1 "
               "second' END"
               " WHERE id = $1 AND vm_state = $2 AND task_state IS NOT DISTINCT FROM $3::text"
               " AND deleted_at IS NULL",
               DB_ARGS(db_s(server_id), db_s(life_vm_state(from)), db_s(life_task_state(from)),
                       db_s(life_vm_state(to)), db_s(life_task_state(to)), db_i(due_s)),
               &result, err);
    if (rc == RC_OK && db_n_affected(result) != 1) {
        rc = fault(err, RC_CONFLICT, "server '%s' is not in state %s any more", server_id,
                   life_fsm.states[from]);
    }
    return rc;
}

enum rc
server_db_announce(struct db *db, const char *server_id, struct err *err)
{
    json_auto_t *body = json_pack("{s:s}", "server_id", server_id);
    return outbox_add(db, "compute.schedule", "server.schedule", body, err);
}

enum rc
action_db_start(struct db *db, const struct action_start *start, struct err *err)
{
    return db_run(db,
                  "WITH a AS (INSERT INTO instance_action (server_id, action, request_id, user_id,"
                  " project_id) VALUES ($1, $2, $3, $4, $5) RETURNING id)"
                  " INSERT INTO instance_action_event (action_id, event)"
                  " SELECT id, $6 FROM a WHERE $6::text IS NOT NULL",
                  DB_ARGS(db_s(start->server_id), db_s(start->action), db_s(start->request_id),
                          db_s(start->user_id), db_s(start->project_id), db_s(start->event)),
                  NULL, err);
}

enum rc
action_db_finish(struct db *db, const char *server_id, const char *host, const char *details,
                 struct err *err)
{
    return db_run(db,
                  "WITH e AS (UPDATE instance_action_event e SET finished_at = now(),"
                  " host = coalesce($2, e.host), details = $3,"
                  " result = CASE WHEN $3::text IS NULL THEN 'Success' ELSE 'Error' END"
                  " FROM instance_action a WHERE a.id = e.action_id AND a.server_id = $1"
                  " AND e.finished_at IS NULL RETURNING a.id)"
                  " UPDATE instance_action SET updated_at = now(),"
                  " message = CASE WHEN $3::text IS NULL THEN message ELSE 'Error' END"
                  " WHERE id IN (SELECT id FROM e)",
                  DB_ARGS(db_s(server_id), db_s(host), db_s(details)), NULL, err);
}
