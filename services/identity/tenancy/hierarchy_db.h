// SPDX-License-Identifier: Apache-2.0
// What stands above and below a project.
#pragma once
#include "services/identity/identity.h"

struct place {
    char domain_id[65];   // of what stands below the parent
    int64_t n_above;      // how many would stand above it, the domain included
    char disabled_id[65]; // the nearest of them that is disabled; "": none
};
// Locks the parent, so that it stays enabled until the transaction ends. RC_NOT_FOUND: no such
// parent.
enum rc hierarchy_db_place(struct db *db, const char *parent_id, struct place *ret_place,
                           struct err *err) CHECKED;
// Locks what stands above the project, for the same reason.
enum rc hierarchy_db_above_enabled(struct db *db, const char *project_id, bool *ret_enabled,
                                   struct err *err) CHECKED;
enum rc hierarchy_db_below_disabled(struct db *db, const char *project_id, bool *ret_disabled,
                                    struct err *err) CHECKED;

// Rows id, parent_id: above, the nearest first; below, the nearest first, at most HIERARCHY_MAX.
#define HIERARCHY_MAX 10000
enum rc hierarchy_db_ids(struct db *db, const char *project_id, bool above, db_result **ret_rows,
                         struct err *err) CHECKED;
// Text [{"project": {…}}, …], in the same order, of those on which the user has a role; the caller
// frees. with_limits: each shows "limits".
struct hierarchy_query {
    const char *project_id, *user_id, *base_url;
    bool above, with_limits;
};
enum rc hierarchy_db_list(struct db *db, const struct hierarchy_query *query, char **ret_text,
                          struct err *err) CHECKED;
