// SPDX-License-Identifier: Apache-2.0
#include "common/base/util.h"
#include "services/compute/scheduler/work_db.h"

enum rc
report_db_store(struct db *db, const struct host_report *report, struct err *err)
{
    char id[UUID_SIZE], service_id[UUID_SIZE];
    uuid_derive(report->host, "hypervisor", id);
    uuid_derive(report->host, "nova-compute", service_id);
    return db_run(
        db,
        "INSERT INTO compute_host AS h (host, id, service_id, boot_id, hypervisor_type, "
        "hypervisor_version, arch,"
        " cpu_model, address, zone, vcpus, ram_mib, disk_gib, cpu_percent, ram_percent, "
        "disk_percent, used, lease_until)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, "
        "$17::jsonb,"
        " now() + interval '20 seconds') ON CONFLICT (host) DO UPDATE SET boot_id = "
        "excluded.boot_id,"
        " hypervisor_type = excluded.hypervisor_type, hypervisor_version = "
        "excluded.hypervisor_version,"
        " arch = excluded.arch, cpu_model = excluded.cpu_model, address = excluded.address, vcpus "
        "= excluded.vcpus,"
        " ram_mib = excluded.ram_mib, disk_gib = excluded.disk_gib, used = excluded.used,"
        " started_at = CASE WHEN h.boot_id = excluded.boot_id THEN h.started_at ELSE now() END,"
        " reported_at = now(), lease_until = excluded.lease_until",
        DB_ARGS(db_s(report->host), db_s(id), db_s(service_id), db_s(report->boot_id),
                db_s(report->hypervisor_type), db_i(report->hypervisor_version), db_s(report->arch),
                db_s(report->cpu_model), db_s(report->address), db_s(report->zone),
                db_i(report->vcpus), db_i(report->ram_mib), db_i(report->disk_gib),
                db_i(report->cpu_percent), db_i(report->ram_percent), db_i(report->disk_percent),
                db_s(report->used_json)),
        NULL, err);
}

enum rc
report_db_differences(struct db *db, const struct host_report *report, db_result **ret_rows,
                      struct err *err)
{
    // A server that waits for its first order has no generation yet; what was ordered a moment ago
    // is given time.
    return db_run(
        db,
        "WITH r AS (SELECT * FROM jsonb_to_recordset($2::jsonb) AS r(server_id uuid, generation "
        "bigint, power_state text)),"
        " s AS (SELECT * FROM server WHERE host = $1 AND deleted_at IS NULL AND generation > 0"
        " AND task_state IS DISTINCT FROM 'networking')"
        " SELECT s.id AS server_id, CASE WHEN r.server_id IS NULL AND s.desired = 'absent' THEN "
        "'gone'"
        " WHEN r.server_id IS NULL OR r.generation < s.generation THEN 'order' ELSE 'state' END AS "
        "kind,"
        " s.generation, coalesce(r.power_state, '') AS power_state FROM s LEFT JOIN r ON "
        "r.server_id = s.id"
        " WHERE ((r.server_id IS NULL OR r.generation < s.generation)"
        " AND (s.ordered_at IS NULL OR s.ordered_at < now() - interval '10 seconds'))"
        " OR (r.generation = s.generation AND s.desired <> 'absent'"
        " AND ((r.power_state = 'running' AND s.power_state <> 1) OR (r.power_state IN "
        "('shutdown', 'crashed')"
        " AND s.power_state = 1) OR (r.power_state = 'running' AND s.task_state IN ('spawning', "
        "'powering-on', 'rebuild_spawning'))))"
        " UNION ALL SELECT r.server_id, 'unknown', greatest(r.generation, coalesce((SELECT "
        "max(d.generation)"
        " FROM server d WHERE d.id = r.server_id), 0)) + 1, r.power_state FROM r"
        " WHERE NOT EXISTS (SELECT FROM server s WHERE s.id = r.server_id AND s.host = $1 AND "
        "s.deleted_at IS NULL)"
        " ORDER BY 1",
        DB_ARGS(db_s(report->host), db_s(report->servers_json)), ret_rows, err);
}
