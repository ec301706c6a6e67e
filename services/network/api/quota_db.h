// SPDX-License-Identifier: Apache-2.0
// Limits of projects as this service has them from identity's feed.
#pragma once
#include "common/db/db.h"

// Projects with limits of their own in `names` (array): rows {project_id, limits {name: value}}.
// project_id NULL: all of them, at most 10,000.
enum rc quota_db_projects(struct db *db, json_t *names, const char *project_id,
                          db_result **ret_rows, struct err *err) CHECKED;
