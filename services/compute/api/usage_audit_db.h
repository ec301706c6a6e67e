// SPDX-License-Identifier: Apache-2.0
// How many servers ran on each host in a month, from the usage intervals that billing is told of.
#pragma once
#include "common/db/db.h"

// Column item: Nova's audit log of the last whole month (UTC) that had ended before this instant.
enum rc usage_audit_db_read(struct db *db, int64_t before_us, db_result **ret_row,
                            struct err *err) CHECKED;
