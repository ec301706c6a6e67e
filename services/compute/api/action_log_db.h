// SPDX-License-Identifier: Apache-2.0
// A server's actions and interfaces, and server groups, in the database.
#pragma once
#include "common/db/db.h"

struct action_query {
    const char *server_id, *project_id; // project NULL: any
    unsigned version;
    bool is_admin;
    const char *request_id; // one action with its events; NULL: all
    const char *marker, *changes_since;
    int64_t limit;
};
// Columns items, n, last. RC_NOT_FOUND: no such server (from 2.21 deleted ones are still there).
enum rc action_log_db_list(struct db *db, const struct action_query *query, db_result **ret_rows,
                           struct err *err) CHECKED;
enum rc action_log_db_show(struct db *db, const struct action_query *query, db_result **ret_rows,
                           struct err *err) CHECKED;

// port_id NULL: all, column item an array.
enum rc interface_db_list(struct db *db, const char *server_id, const char *port_id,
                          unsigned version, db_result **ret_rows, struct err *err) CHECKED;

struct group_new {
    const char *id, *project_id, *user_id, *name, *policy, *rules_json;
};
enum rc group_db_create(struct db *db, const struct group_new *group, struct err *err) CHECKED;
// id NULL: all of the project (project NULL: of everybody), column items.
enum rc group_db_list(struct db *db, const char *project_id, const char *id, unsigned version,
                      int64_t limit, db_result **ret_rows, struct err *err) CHECKED;
enum rc group_db_delete(struct db *db, const char *project_id, const char *id,
                        struct err *err) CHECKED;
