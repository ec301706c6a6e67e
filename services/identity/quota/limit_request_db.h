// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "services/identity/identity.h"

struct limit_request_row {
    const char *id, *project_id, *user_id, *service, *resource, *reason;
    int64_t value;
};
// RC_CONFLICT: the project asks for this already.
enum rc limit_request_db_add(struct db *db, const struct limit_request_row *row,
                             struct err *err) CHECKED;
// The request, locked, with its user's address: project_id, user_id, service, resource, value,
// status, email and locale (null: the user has no account). Not project_id's (NULL: any project):
// RC_NOT_FOUND.
enum rc limit_request_db_find(struct db *db, const char *id, const char *project_id,
                              db_result **ret_row, struct err *err) CHECKED;
struct limit_decision {
    const char *status; // "approved", "refused", "withdrawn"
    int64_t granted;    // approved
    const char *note, *actor_id;
};
enum rc limit_request_db_decide(struct db *db, const char *id,
                                const struct limit_decision *decision, struct err *err) CHECKED;
