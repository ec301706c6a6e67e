// SPDX-License-Identifier: Apache-2.0
#include "services/identity/tenancy/target.h"

enum rc
target_db_load(struct db *db, const struct target *target, json_t **ret_json, struct err *err)
{
    static const char sql[] =
        "SELECT jsonb_build_object('target', jsonb_strip_nulls(jsonb_build_object("
        "'user', (SELECT jsonb_build_object('id', id, 'domain_id', domain_id) FROM user_account "
        "WHERE id = $1),"
        "'group', (SELECT jsonb_build_object('id', id, 'domain_id', domain_id) FROM user_group "
        "WHERE id = $2),"
        "'project', (SELECT jsonb_build_object('id', id, 'domain_id', domain_id) "
        "FROM tenancy WHERE id = $3),"
        "'domain', (SELECT jsonb_build_object('id', id) FROM domain WHERE id = $4),"
        "'role', (SELECT jsonb_build_object('id', id, 'name', name, 'domain_id', "
        "coalesce(domain_id, 'None')) FROM "
        "role WHERE id = $5)))) AS target";
    return db_run_json(db, sql,
                       DB_ARGS(db_s(target->user_id), db_s(target->group_id),
                               db_s(target->project_id), db_s(target->domain_id),
                               db_s(target->role_id)),
                       ret_json, err);
}
