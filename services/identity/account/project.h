// SPDX-License-Identifier: Apache-2.0
// Who manages a project of an account: its owner, who has role manager there, and administrators.
#pragma once
#include "services/identity/account/accounts.h"

struct managed {
    const char *id, *name; // belong to the request
    bool is_enabled;       // false: it is being closed, or an administrator disabled it
    bool is_owner;         // the requester opened it
    bool is_admin;         // the requester administers the cloud
};
// By policy `rule` about the path's {project_id}. RC_NOT_FOUND also where the requester has nothing
// to do with the project; RC_FORBIDDEN where the requester may only be in it.
enum rc project_manage(struct request *request, const char *rule, struct db **ret_db,
                       struct managed *ret_project, struct err *err) CHECKED;
// The role by this name, which the requester may give there: an owner any of setting
// accounts.invite_roles, others only those that they have. RC_FORBIDDEN names field 'role'. ret_id
// belongs to the request.
enum rc project_find_role(struct request *request, struct db *db, const struct managed *project,
                          const char *name, const char **ret_id, struct err *err) CHECKED;
// ?limit (1 to 1,000, 100 without it) of a list.
enum rc page_limit(const struct request *request, int64_t *ret_limit, struct err *err) CHECKED;
