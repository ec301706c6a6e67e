// SPDX-License-Identifier: Apache-2.0
#include "services/network/api/agent_db.h"

#include "services/network/api/lookup_db.h"
#include "services/network/api/neutron.h"
#include "services/network/api/work.h"

static enum rc
list(struct db *db, const char *sql, json_t **ret_list, struct err *err)
{
    return db_run_json(db, sql, DB_NONE, ret_list, err);
}

enum rc
agent_db_networks(struct db *db, json_t **ret_list, struct err *err)
{
    return list(db,
                "SELECT coalesce(json_agg(json_build_object('id', n.id, 'name', n.name, "
                "'project_id', n.project_id, "
                "'tenant_id', n.project_id, 'admin_state_up', n.admin_state_up, 'status', "
                "'ACTIVE', 'shared', n.shared, "
                "'router:external', n.external, 'mtu', n.mtu, 'subnets', (SELECT "
                "coalesce(json_agg(s.id ORDER BY s.id), '[]') "
                "FROM subnet s WHERE s.network_id = n.id)) ORDER BY n.id), '[]') AS list "
                "FROM (SELECT * FROM network WHERE dhcp_served ORDER BY id LIMIT 10000) n",
                ret_list, err);
}

enum rc
agent_db_routers(struct db *db, json_t **ret_list, struct err *err)
{
    return list(
        db,
        "SELECT coalesce(json_agg(json_build_object('id', r.id, 'name', r.name, 'project_id', "
        "r.project_id, "
        "'tenant_id', r.project_id, 'admin_state_up', r.admin_state_up, 'status', 'ACTIVE', "
        "'distributed', r.distributed, 'ha', r.ha, 'routes', r.routes) ORDER BY r.id), '[]') AS "
        "list "
        "FROM (SELECT * FROM router ORDER BY id LIMIT 10000) r",
        ret_list, err);
}

enum rc
agent_db_is_served(struct db *db, const char *network_id, bool *ret_served, struct err *err)
{
    g_autoptr(db_result) row = NULL;
    const struct lookup lookup = {.resource = &network_resource,
                                  .sql = "SELECT dhcp_served FROM network WHERE id = $1 AND "
                                         "($2::text IS NULL OR project_id = $2)",
                                  .id = network_id};
    enum rc rc = lookup_db_get(db, &lookup, &row, err);
    if (rc == RC_OK) {
        *ret_served = db_bool(row, 0, "dhcp_served");
    }
    return rc;
}

enum rc
agent_db_find_router(struct db *db, const char *router_id, struct err *err)
{
    g_autoptr(db_result) row = NULL;
    const struct lookup lookup = {
        .resource = &router_resource,
        .sql = "SELECT 1 FROM router WHERE id = $1 AND ($2::text IS NULL OR project_id = $2)",
        .id = router_id};
    enum rc rc = lookup_db_get(db, &lookup, &row, err);
    return rc;
}

enum rc
agent_db_serve(struct db *db, const char *network_id, bool serve, bool *ret_changed,
               struct err *err)
{
    bool served = false;
    g_autoptr(db_result) changed = NULL;
    enum rc rc = agent_db_is_served(db, network_id, &served, err);
    if (rc == RC_OK) {
        rc = db_run(
            db,
            "UPDATE network SET dhcp_served = $2 WHERE id = $1 AND dhcp_served <> $2 RETURNING id",
            DB_ARGS(db_s(network_id), db_b(serve)), &changed, err);
    }
    if (rc == RC_OK && db_n_rows(changed)) {
        rc = work_add_each(db, NB_SUBNET, "SELECT id FROM subnet WHERE network_id = $1 ORDER BY id",
                           network_id, err);
    }
    if (rc == RC_OK && db_n_rows(changed)) {
        rc = work_add_each(db, NB_PORT, "SELECT id FROM port WHERE network_id = $1 ORDER BY id",
                           network_id, err);
    }
    if (rc == RC_OK) {
        *ret_changed = db_n_rows(changed) > 0;
    }
    return rc;
}

enum rc
agent_db_hosts(struct db *db, db_result **ret_rows, struct err *err)
{
    return db_run(db,
                  "SELECT host_id AS host, bool_or(status = 'ACTIVE') AS alive, "
                  "to_char(min(created_at), 'YYYY-MM-DD HH24:MI:SS') AS first_at, "
                  "to_char(max(updated_at), 'YYYY-MM-DD HH24:MI:SS') AS last_at "
                  "FROM port WHERE host_id <> '' GROUP BY host_id ORDER BY host_id LIMIT 10000",
                  DB_NONE, ret_rows, err);
}
