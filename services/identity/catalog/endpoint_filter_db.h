// SPDX-License-Identifier: Apache-2.0
// Rows of project_endpoint and project_endpoint_group.
#pragma once
#include "services/identity/identity.h"

enum filter_kind { FILTER_ENDPOINT, FILTER_GROUP };
// RC_NOT_FOUND names the project, endpoint or group that does not exist.
enum rc filter_db_check_parts(struct db *db, enum filter_kind kind, const char *project_id,
                              const char *id, struct err *err) CHECKED;
enum rc filter_db_add(struct db *db, enum filter_kind kind, const char *project_id, const char *id,
                      struct err *err) CHECKED; // RC_CONFLICT: it is there
// The others: RC_NOT_FOUND when it is not there.
enum rc filter_db_has(struct db *db, enum filter_kind kind, const char *project_id, const char *id,
                      struct err *err) CHECKED;
enum rc filter_db_remove(struct db *db, enum filter_kind kind, const char *project_id,
                         const char *id, struct err *err) CHECKED;

// JSON arrays as text; the callers free.
enum filter_list {
    PROJECT_ENDPOINTS,
    PROJECT_GROUPS,
    ENDPOINT_PROJECTS,
    GROUP_PROJECTS,
    GROUP_ENDPOINTS
};
enum rc filter_db_list(struct db *db, enum filter_list list, const char *id, const char *base_url,
                       char **ret_text, struct err *err) CHECKED;
