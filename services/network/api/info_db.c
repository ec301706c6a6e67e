// SPDX-License-Identifier: Apache-2.0
#include "services/network/api/info_db.h"

enum rc
info_db_ip_availability(struct db *db, const char *id, const char *name, json_t **ret_list,
                        struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc = db_run(
        db,
        "WITH s AS (SELECT s.*, (SELECT count(*) FROM fixed_ip f WHERE f.subnet_id = s.id) AS "
        "used, "
        "(SELECT coalesce(sum((p.last - p.first)::numeric + 1), 0) FROM allocation_pool p WHERE "
        "p.subnet_id = s.id) "
        "AS total FROM subnet s) "
        "SELECT coalesce(json_agg(json_build_object('network_id', n.id, 'network_name', n.name, "
        "'project_id', n.project_id, 'tenant_id', n.project_id, "
        "'total_ips', (SELECT coalesce(sum(s.total), 0) FROM s WHERE s.network_id = n.id), "
        "'used_ips', (SELECT coalesce(sum(s.used), 0) FROM s WHERE s.network_id = n.id), "
        "'subnet_ip_availability', (SELECT coalesce(json_agg(json_build_object('subnet_id', s.id, "
        "'subnet_name', s.name, 'cidr', s.cidr, 'ip_version', s.ip_version, 'total_ips', s.total, "
        "'used_ips', s.used) ORDER BY s.id), '[]') FROM s WHERE s.network_id = n.id)) ORDER BY "
        "n.id), '[]') AS list "
        "FROM network n WHERE ($1::text IS NULL OR n.id::text = $1) AND ($2::text IS NULL OR "
        "n.name = $2)",
        DB_ARGS(db_s(id), db_s(name)), &rows, err);
    if (rc == RC_OK) {
        *ret_list = db_json(rows, 0, "list");
    }
    return rc;
}
