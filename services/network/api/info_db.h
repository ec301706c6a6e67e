// SPDX-License-Identifier: Apache-2.0
// Figures of networks for the network-ip-availability extension.
#pragma once
#include "common/db/db.h"

// id, name: NULL for any. ret_list: new reference, one object per network.
enum rc info_db_ip_availability(struct db *db, const char *id, const char *name, json_t **ret_list,
                                struct err *err) CHECKED;
// Hosts whose ovn-controller has been given ports: rows {host, alive (it has brought one up),
// first_at, last_at}.
enum rc info_db_hosts(struct db *db, db_result **ret_rows, struct err *err) CHECKED;
