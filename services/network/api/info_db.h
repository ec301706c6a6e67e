// SPDX-License-Identifier: Apache-2.0
// Figures of networks for the network-ip-availability extension.
#pragma once
#include "common/db/db.h"

// id, name: NULL for any. ret_list: new reference, one object per network.
enum rc info_db_ip_availability(struct db *db, const char *id, const char *name, json_t **ret_list,
                                struct err *err) CHECKED;
