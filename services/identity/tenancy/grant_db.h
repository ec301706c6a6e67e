// SPDX-License-Identifier: Apache-2.0
// Rows of assignment: who has which role where.
#pragma once
#include "services/identity/identity.h"

// Exactly one of user_id and group_id; target_id NULL: the system.
struct grant {
    const char *user_id, *group_id, *target_id, *role_id;
    bool inherited;
};
// RC_FORBIDDEN: the role is of a domain, and the target is not in it; RC_INVALID: the system is
// not.
enum rc grant_db_check_role(struct db *db, const struct grant *grant, struct err *err) CHECKED;
enum rc grant_db_add(struct db *db, const struct grant *grant, struct err *err) CHECKED;
enum rc grant_db_remove(struct db *db, const struct grant *grant,
                        struct err *err) CHECKED; // RC_NOT_FOUND
enum rc grant_db_check(struct db *db, const struct grant *grant,
                       struct err *err) CHECKED; // RC_NOT_FOUND
// Roles as a JSON array; role_id is not used. The caller frees.
enum rc grant_db_list(struct db *db, const struct grant *grant, const char *base_url,
                      char **ret_text, struct err *err) CHECKED;

// What GET /v3/role_assignments may be filtered by; NULL: any. effective: what each user has, by
// groups, inheritance and implied roles too, each with where it comes from; the system's only when
// asked for.
struct assignment_query {
    bool effective, names, only_system, only_inherited, only_direct, subtree;
    const char *user_id, *group_id, *role_id, *project_id, *domain_id;
    const char *own_domain_id; // only what is in this domain; NULL: anywhere
    const char *base_url;
};
enum rc grant_db_assignments(struct db *db, const struct assignment_query *query, char **ret_text,
                             struct err *err) CHECKED;
