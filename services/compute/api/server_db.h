// SPDX-License-Identifier: Apache-2.0
// Reading and changing servers for the API.
#pragma once
#include "common/db/db.h"
#include "services/compute/api/server_view.h"
#include "services/compute/core/life.h"

#define SERVER_MAX_FILTERS 24
struct server_filter { // one kind of condition; table in server_filter.c
    const char *name;  // query parameter
    const char *sql;   // %s is the parameter: a JSON array of texts (jsonb)
    bool is_admin;     // ignored for others
    unsigned min_version;
};
struct server_query {
    const char *base_url;
    enum server_view view;
    unsigned version;
    bool is_admin;
    const char *project_id; // NULL: every project's
    const char *deleted;    // "live", "deleted", "any"
    int64_t limit;
    const char *marker;
    const char *sort_sql; // constant SQL over s
    bool is_descending;
    const struct server_filter *filters[SERVER_MAX_FILTERS];
    char *filter_values[SERVER_MAX_FILTERS]; // JSON arrays; owned
    unsigned n_filters;
};
enum rc server_db_list(struct db *db, const struct server_query *query, db_result **ret_rows,
                       struct err *err) CHECKED;
enum rc server_db_show(struct db *db, const struct server_query *query, const char *id,
                       db_result **ret_rows, struct err *err) CHECKED;

struct server_brief { // what actions look at
    char id[40], project_id[72], user_id[72], host[256];
    enum life_state state;
    bool is_locked, host_is_up;
};
// project_id NULL: any. RC_NOT_FOUND with Nova's message.
enum rc server_db_brief(struct db *db, const char *id, const char *project_id, bool for_update,
                        struct server_brief *ret_server, struct err *err) CHECKED;

enum rc server_db_addresses(struct db *db, const char *id, const char *network,
                            db_result **ret_rows, struct err *err) CHECKED;
// What the server's own view lists; the ports themselves are the network's.
enum rc server_db_change_group(struct db *db, const char *id, json_t *group, bool adds,
                               struct err *err) CHECKED;
