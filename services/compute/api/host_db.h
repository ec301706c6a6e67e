// SPDX-License-Identifier: Apache-2.0
// Hosts, services and availability zones as the administrator sees them.
#pragma once
#include "common/db/db.h"

struct host_query {
    unsigned version;
    bool is_detailed, with_servers;
    const char *id;      // one of them (uuid from 2.53, number before); NULL: all
    const char *pattern; // part of the name; NULL: any
    int64_t limit;
    const char *marker;
};
// Columns items, n, last; or column item for one.
enum rc host_db_list(struct db *db, const struct host_query *query, db_result **ret_rows,
                     struct err *err) CHECKED;
enum rc host_db_show(struct db *db, const struct host_query *query, db_result **ret_rows,
                     struct err *err) CHECKED;
enum rc host_db_statistics(struct db *db, db_result **ret_rows, struct err *err) CHECKED;
enum rc host_db_uptime(struct db *db, const struct host_query *query, db_result **ret_rows,
                       struct err *err) CHECKED;

enum rc service_db_list(struct db *db, unsigned version, const char *host, const char *binary,
                        db_result **ret_rows, struct err *err) CHECKED;
struct service_change {                          // NULL: unchanged
    const char *service_id, *host, *binary;      // by id, or by host and binary
    const char *disabled, *reason, *forced_down; // booleans as text
};
// Column item: the service as it is now.
enum rc service_db_change(struct db *db, unsigned version, const struct service_change *change,
                          db_result **ret_rows, struct err *err) CHECKED;
// Only a host without servers; RC_CONFLICT else.
enum rc service_db_delete(struct db *db, const char *service_id, struct err *err) CHECKED;
enum rc zone_db_list(struct db *db, bool is_detailed, const char *default_zone,
                     db_result **ret_rows, struct err *err) CHECKED;
