// SPDX-License-Identifier: Apache-2.0
// What both the API and the scheduler write about a server: its state, its actions, and the message
// that there is work.
#pragma once
#include "common/db/db.h"
#include "services/compute/core/life.h"

// Compare-and-set of vm_state and task_state; also sets due_at so that the sweeper looks at
// unfinished work in `due_s` seconds. RC_CONFLICT when the server is not in `from` any more.
enum rc server_db_move(struct db *db, const char *server_id, enum life_state from,
                       enum life_state to, int due_s, struct err *err) CHECKED;
// Outbox row "there is work in this server's row". Inside a transaction.
enum rc server_db_announce(struct db *db, const char *server_id, struct err *err) CHECKED;

struct action_start {
    const char *server_id, *action, *event;
    const char *request_id, *user_id, *project_id;
};
// One row of instance_action with its first event.
enum rc action_db_start(struct db *db, const struct action_start *start, struct err *err) CHECKED;
// Ends the open events of the server. details NULL: success; else the action's message is "Error".
enum rc action_db_finish(struct db *db, const char *server_id, const char *host,
                         const char *details, struct err *err) CHECKED;
