// SPDX-License-Identifier: Apache-2.0
// Security groups in the database: the default group, and what each new group starts with.
#pragma once
#include "common/db/db.h"

// The project's default group, made now (with Neutron's rules) when it does not exist.
enum rc security_group_db_ensure_default(struct db *db, const char *project_id, char ret_id[40],
                                         struct err *err) CHECKED;
// Rules that let everything out, of both address families; a default group also lets its own
// members in.
enum rc security_group_db_add_first_rules(struct db *db, const char *id, const char *project_id,
                                          bool is_default, struct err *err) CHECKED;
// RC_CONFLICT SecurityGroupInUse when a port has it.
enum rc security_group_db_check_unused(struct db *db, const char *id, struct err *err) CHECKED;
// RC_NOT_FOUND SecurityGroupNotFound: missing, or of another project than project_id (NULL: an
// administrator).
enum rc security_group_db_lock(struct db *db, const char *id, const char *project_id,
                               struct err *err) CHECKED;
// The rule that is the same as these columns (of security_group_rule), or "".
enum rc security_group_db_find_rule(struct db *db, json_t *columns, char ret_id[40],
                                    struct err *err) CHECKED;
// The group shows its rules: it changes with them.
enum rc security_group_db_touch(struct db *db, const char *id, struct err *err) CHECKED;
