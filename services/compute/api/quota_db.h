// SPDX-License-Identifier: Apache-2.0
// Our own copy of a project's limits, as identity's feed will bring them: a change shows at once.
#pragma once
#include "common/db/db.h"

// limits: JSON array of {project_id, resource, value}; value null: back to the default.
enum rc quota_db_store(struct db *db, const char *limits_json, struct err *err) CHECKED;
