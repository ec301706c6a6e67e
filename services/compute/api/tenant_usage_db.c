// SPDX-License-Identifier: Apache-2.0
#include "services/compute/api/tenant_usage_db.h"

#define TIME_US(us) "to_timestamp(" us " / 1000000.0)"
#define ISO(time) "to_char(" time " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US')"
#define NOW_US "(extract(epoch FROM now()) * 1000000)::bigint"
// Of one meter, in hours of its unit.
#define HOURS(quantity, meter) \
    "coalesce(sum((u.to_us - u.from_us) * " quantity ") FILTER (WHERE u.meter = '" meter "'), 0)"
#define SUM_HOURS(column) "(sum(" column ") / 3600000000.0)::float8"

// part: what of each interval lies in the window; s: per server; p: per project.
static const char
    read_sql[] = "WITH part AS (SELECT i.project_id, i.resource_id, i.resource_name, i.meter, "
                 "i.quantity, "
                 "greatest(i.from_us, $1::bigint) AS from_us, least(coalesce(i.to_us, " NOW_US
                 "), $2::bigint) AS to_us FROM usage_interval i WHERE i.resource_type = 'server' "
                 "AND i.from_us "
                 "< $2::bigint AND coalesce(i.to_us, " NOW_US
                 ") > $1::bigint AND ($3::text IS NULL OR "
                 "i.project_id = $3)), s AS (SELECT u.project_id, u.resource_id AS id, "
                 "max(u.resource_name) AS "
                 "name, " HOURS("1", "server.vcpu") " AS time, " HOURS("u.quantity", "server.vcpu") " AS vcpus, " HOURS("u.quantity", "server.ram_mib") " AS ram, " HOURS(
                     "u.quantity",
                     "server.disk_gib") " AS disk FROM part u WHERE $5::text IS NULL OR "
                                        "(u.project_id, u.resource_id) > (SELECT "
                                        "m.project_id, m.id::text FROM server m WHERE m.id::text = "
                                        "$5) GROUP BY u.project_id, "
                                        "u.resource_id ORDER BY u.project_id, u.resource_id LIMIT "
                                        "$6::bigint), d AS (SELECT s.*, "
                                        "jsonb_build_object('instance_id', s.id, 'name', "
                                        "coalesce(v.name, s.name), 'tenant_id', "
                                        "s.project_id, 'hours', (s.time / 3600000000.0)::float8, "
                                        "'flavor', coalesce(v.flavor_name, "
                                        "''), 'vcpus', coalesce(v.vcpus, 0), 'memory_mb', "
                                        "coalesce(v.ram_mib, 0), 'local_gb', "
                                        "coalesce(v.disk_gib + v.ephemeral_gib, 0), "
                                        "'started_at', " ISO("v.launched_at") ", 'ended_at', " ISO(
                                            "v.terminated_at") ", 'state', CASE WHEN "
                                                               "v.terminated_at IS NULL THEN "
                                                               "coalesce(v.vm_state, 'terminated') "
                                                               "ELSE 'terminated' END, 'uptime', "
                                                               "coalesce(extract(epoch "
                                                               "FROM coalesce(v.terminated_at, "
                                                               "now()) - v.launched_at)::bigint, "
                                                               "0)) AS server FROM s LEFT "
                                                               "JOIN server v ON v.id::text = "
                                                               "s.id), p AS (SELECT d.project_id, "
                                                               "jsonb_build_object('tenant_id', "
                                                               "d.project_id, "
                                                               "'total_hours', " SUM_HOURS("d.time") ", 'total_vcpus_usage', " SUM_HOURS("d.vcpus") ", 'total_memory_mb_usage', " SUM_HOURS(
                                                                   "d.ram") ", "
                                                                            "'total_local_gb_usage'"
                                                                            ", " SUM_HOURS("d.disk") ", 'start', " ISO(TIME_US("$1::bigint")) ", 'stop', " ISO(TIME_US("$2::bigint")) ") || CASE WHEN $4::boolean THEN jsonb_build_object('server_usages', jsonb_agg(d.server ORDER "
                                                                                                                                                                                      "BY d.id)) ELSE '{}' END AS usage FROM d GROUP BY d.project_id) SELECT "
                                                                                                                                                                                      "coalesce((SELECT jsonb_agg(p.usage ORDER BY p.project_id) FROM p), '[]')::text AS items, "
                                                                                                                                                                                      "(SELECT count(*) FROM s) AS n, (SELECT s.id FROM s ORDER BY s.project_id DESC, s.id DESC "
                                                                                                                                                                                      "LIMIT 1) AS last, $5::text IS NULL OR EXISTS (SELECT FROM server m WHERE m.id::text = $5) AS "
                                                                                                                                                                                      "is_marked, coalesce((SELECT p.usage FROM p LIMIT 1), '{}')::text AS first";

enum rc
tenant_usage_db_read(struct db *db, const struct usage_window *window, db_result **ret_rows,
                     struct err *err)
{
    return db_run_one(db, read_sql,
                      DB_ARGS(db_i(window->from_us), db_i(window->to_us), db_s(window->project_id),
                              db_b(window->has_servers), db_s(window->marker), db_i(window->limit)),
                      ret_rows, err);
}
