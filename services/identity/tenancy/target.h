// SPDX-License-Identifier: Apache-2.0
// What a policy rule may ask about things that a request only names: target.user.domain_id,
// target.group.domain_id, target.project.domain_id, target.domain.id, target.role.name …
#pragma once
#include "services/identity/identity.h"

struct target {
    const char *user_id, *group_id, *project_id, *domain_id, *role_id; // NULL: not named
};
// RC_FORBIDDEN. What does not exist has no attributes. One statement, none for who needs no target.
enum rc target_allow(const struct request *request, const char *rule, const struct target *target,
                     struct err *err) CHECKED;
enum rc target_db_load(struct db *db, const struct target *target, json_t **ret_json,
                       struct err *err) CHECKED;
