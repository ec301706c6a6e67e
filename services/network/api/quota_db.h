// SPDX-License-Identifier: Apache-2.0
// Limits as this service has them. Identity owns them; what was just set there is written here at
// once, so that the next request sees it before the feed brings it.
#pragma once
#include "common/db/db.h"

struct quota_resource;
// Projects with limits of their own in the names of the table: rows {project_id}.
enum rc quota_db_projects(struct db *db, db_result **ret_rows, struct err *err) CHECKED;
// value NULL: back to the default.
enum rc quota_db_set(struct db *db, const char *project_id, const char *resource,
                     const int64_t *value, struct err *err) CHECKED;
