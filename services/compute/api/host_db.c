// SPDX-License-Identifier: Apache-2.0
#include "services/compute/api/host_db.h"

#include <string.h>

#define UP "(NOT h.forced_down AND h.lease_until > now())"

static void
append_pair(GString *sql, const char *name, const char *expression)
{
    g_string_append_printf(sql, ", '%s', %s", name, expression);
}

// JSON of a hypervisor over alias h.
static void
append_host(GString *sql, const struct host_query *query)
{
    bool is_old = query->version < 88;
    g_string_append_printf(sql,
                           "jsonb_build_object('id', %s, 'hypervisor_hostname', h.host, 'state',"
                           " CASE WHEN " UP " THEN 'up' ELSE 'down' END,"
                           " 'status', CASE WHEN h.disabled THEN 'disabled' ELSE 'enabled' END",
                           query->version >= 53 ? "h.id::text" : "h.number");
    if (query->is_detailed) {
        append_pair(sql, "hypervisor_type", "upper(h.hypervisor_type)");
        append_pair(sql, "hypervisor_version", "h.hypervisor_version");
        append_pair(sql, "host_ip", "coalesce(nullif(h.address, ''), '127.0.0.1')");
        g_string_append_printf(
            sql,
            ", 'service', json_build_object('id', %s, 'host', h.host, 'disabled_reason',"
            " h.disabled_reason)",
            query->version >= 53 ? "h.service_id::text" : "h.number");
        if (!is_old) {
            append_pair(sql, "uptime", "NULL");
        }
    }
    if (query->is_detailed && is_old) {
        const char *cpu = "json_build_object('arch', h.arch, 'model', h.cpu_model)";
        g_autofree char *cpu_text =
            g_strdup_printf("%s%s", cpu, query->version >= 28 ? "" : "::text");
        append_pair(sql, "cpu_info", cpu_text);
        append_pair(sql, "current_workload", "0");
        append_pair(sql, "disk_available_least", "greatest(h.disk_gib - h.disk_claimed, 0)");
        append_pair(sql, "free_disk_gb", "h.disk_gib - h.disk_claimed");
        append_pair(sql, "free_ram_mb", "h.ram_mib - h.ram_claimed");
        append_pair(sql, "local_gb", "h.disk_gib");
        append_pair(sql, "local_gb_used", "h.disk_claimed");
        append_pair(sql, "memory_mb", "h.ram_mib");
        append_pair(sql, "memory_mb_used", "h.ram_claimed");
        append_pair(sql, "running_vms", "h.servers_claimed");
        append_pair(sql, "vcpus", "h.vcpus");
        append_pair(sql, "vcpus_used", "h.vcpus_claimed");
    }
    g_string_append(sql, ")");
    if (query->with_servers) { // left out when there is none
        g_string_append(
            sql,
            " || coalesce((SELECT jsonb_build_object('servers', "
            "jsonb_agg(jsonb_build_object('name',"
            " s.name, 'uuid', s.id) ORDER BY s.number)) FROM server s WHERE s.host = h.host AND"
            " s.deleted_at IS NULL HAVING count(*) > 0), '{}')");
    }
}

enum rc
host_db_list(struct db *db, const struct host_query *query, db_result **ret_rows, struct err *err)
{
    const char *id = query->version >= 53 ? "h.id::text" : "h.number::text";
    g_autoptr(GString) sql = g_string_new("SELECT coalesce(json_agg(");
    append_host(sql, query);
    g_string_append_printf(
        sql,
        " ORDER BY h.number), '[]')::text AS items, count(*) AS n,"
        " (array_agg(%s ORDER BY h.number DESC))[1] AS last,"
        " $2::text IS NULL OR EXISTS (SELECT FROM compute_host h WHERE %s = $2) AS marked FROM"
        " (SELECT * FROM compute_host h WHERE ($1::text IS NULL OR position($1 IN h.host) > 0)"
        " AND ($2::text IS NULL OR h.number > (SELECT h.number FROM compute_host h WHERE %s = $2))"
        " ORDER BY h.number LIMIT $3::bigint) h",
        id, id, id);
    enum rc rc =
        db_run(db, sql->str, DB_ARGS(db_s(query->pattern), db_s(query->marker), db_i(query->limit)),
               ret_rows, err);
    if (rc == RC_OK && !db_bool(*ret_rows, 0, "marked")) {
        g_clear_pointer(ret_rows, db_result_free);
        return fault(err, RC_INVALID, "marker [%.100s] not found", query->marker);
    }
    return rc;
}

enum rc
host_db_show(struct db *db, const struct host_query *query, db_result **ret_rows, struct err *err)
{
    g_autoptr(GString) sql = g_string_new("SELECT (");
    append_host(sql, query);
    g_string_append_printf(sql, ")::text AS item FROM compute_host h WHERE %s = $1",
                           query->version >= 53 ? "h.id::text" : "h.number::text");
    enum rc rc = db_run_one(db, sql->str, DB_ARGS(db_s(query->id)), ret_rows, err);
    return rc == RC_NOT_FOUND
               ? fault(err, rc, "Hypervisor with ID '%.64s' could not be found.", query->id)
               : rc;
}

enum rc
host_db_uptime(struct db *db, const struct host_query *query, db_result **ret_rows, struct err *err)
{
    g_autofree char *sql =
        g_strdup_printf("SELECT json_build_object('id', %s, 'hypervisor_hostname', h.host, 'state',"
                        " CASE WHEN " UP " THEN 'up' ELSE 'down' END, 'status', CASE WHEN "
                        "h.disabled THEN 'disabled' ELSE 'enabled' END,"
                        " 'uptime', 'up since ' || to_char(h.started_at AT TIME ZONE 'UTC', "
                        "'YYYY-MM-DD HH24:MI:SS'))::text AS item"
                        " FROM compute_host h WHERE %s = $1",
                        query->version >= 53 ? "h.id::text" : "h.number",
                        query->version >= 53 ? "h.id::text" : "h.number::text");
    enum rc rc = db_run_one(db, sql, DB_ARGS(db_s(query->id)), ret_rows, err);
    return rc == RC_NOT_FOUND
               ? fault(err, rc, "Hypervisor with ID '%.64s' could not be found.", query->id)
               : rc;
}

enum rc
host_db_statistics(struct db *db, db_result **ret_rows, struct err *err)
{
    return db_run_one(
        db,
        "SELECT json_build_object('count', count(*), 'current_workload', 0,"
        " 'disk_available_least', coalesce(sum(greatest(disk_gib - disk_claimed, 0)), 0),"
        " 'free_disk_gb', coalesce(sum(disk_gib - disk_claimed), 0), 'free_ram_mb', "
        "coalesce(sum(ram_mib - ram_claimed), 0),"
        " 'local_gb', coalesce(sum(disk_gib), 0), 'local_gb_used', coalesce(sum(disk_claimed), 0),"
        " 'memory_mb', coalesce(sum(ram_mib), 0), 'memory_mb_used', coalesce(sum(ram_claimed), 0),"
        " 'running_vms', coalesce(sum(servers_claimed), 0), 'vcpus', coalesce(sum(vcpus), 0),"
        " 'vcpus_used', coalesce(sum(vcpus_claimed), 0))::text AS item FROM compute_host WHERE NOT "
        "disabled",
        DB_NONE, ret_rows, err);
}

// One row per program that reports: hosts as nova-compute, schedulers as nova-scheduler (clients
// know these names).
#define SERVICES                                                                                   \
    "(SELECT h.number, h.service_id, h.host, 'nova-compute' AS binary_name, h.zone, h.disabled, "  \
    "h.disabled_reason,"                                                                           \
    " " UP " AS is_up, h.reported_at, h.forced_down FROM compute_host h UNION ALL"                 \
    " SELECT p.number, p.service_id, p.host, 'nova-scheduler', 'internal', p.disabled, "           \
    "p.disabled_reason,"                                                                           \
    " p.reported_at > now() - interval '20 seconds', p.reported_at, false FROM scheduler_process " \
    "p"                                                                                            \
    " WHERE p.reported_at > now() - interval '1 day') v"

static void
append_service(GString *sql, unsigned version)
{
    g_string_append_printf(
        sql,
        "jsonb_build_object('id', %s, 'binary', v.binary_name, 'host', v.host, 'zone', v.zone, "
        "'status',"
        " CASE WHEN v.disabled THEN 'disabled' ELSE 'enabled' END, 'state', CASE WHEN v.is_up THEN "
        "'up' ELSE 'down' END,"
        " 'updated_at', to_char(v.reported_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US'),"
        " 'disabled_reason', v.disabled_reason%s)",
        version >= 53 ? "v.service_id::text" : "v.number",
        version >= 11 ? ", 'forced_down', v.forced_down" : "");
}

enum rc
service_db_list(struct db *db, unsigned version, const char *host, const char *binary,
                db_result **ret_rows, struct err *err)
{
    g_autoptr(GString) sql = g_string_new("SELECT coalesce(json_agg(");
    append_service(sql, version);
    g_string_append(
        sql,
        " ORDER BY v.number), '[]')::text AS item FROM " SERVICES
        " WHERE ($1::text IS NULL OR v.host = $1) AND ($2::text IS NULL OR v.binary_name = $2)");
    return db_run_one(db, sql->str, DB_ARGS(db_s(host), db_s(binary)), ret_rows, err);
}

enum rc
service_db_change(struct db *db, unsigned version, const struct service_change *change,
                  db_result **ret_rows, struct err *err)
{
    g_autoptr(GString) sql = g_string_new("SELECT ");
    append_service(sql, version);
    g_string_append(
        sql,
        "::text AS item FROM " SERVICES " WHERE ($1::uuid IS NULL OR v.service_id = $1)"
        " AND ($2::text IS NULL OR v.host = $2) AND v.binary_name = coalesce($3, 'nova-compute')");
    enum rc rc = db_run(
        db,
        "UPDATE compute_host SET disabled = coalesce($3::boolean, disabled),"
        " disabled_reason = CASE WHEN $3::boolean THEN $4 WHEN NOT $3::boolean THEN NULL ELSE "
        "disabled_reason END,"
        " forced_down = coalesce($5::boolean, forced_down)"
        " WHERE ($1::uuid IS NULL OR service_id = $1) AND ($2::text IS NULL OR host = $2)"
        " AND coalesce($6, 'nova-compute') = 'nova-compute' AND ($1::uuid IS NOT NULL OR $2::text "
        "IS NOT NULL)",
        DB_ARGS(db_s(change->service_id), db_s(change->host), db_s(change->disabled),
                db_s(change->reason), db_s(change->forced_down), db_s(change->binary)),
        NULL, err);
    if (rc == RC_OK) {
        rc = db_run_one(db, sql->str,
                        DB_ARGS(db_s(change->service_id), db_s(change->host), db_s(change->binary)),
                        ret_rows, err);
    }
    return rc == RC_NOT_FOUND ? fault(err, rc, "Service %.100s could not be found.",
                                      change->service_id ? change->service_id : change->host)
                              : rc;
}

struct deleting {
    const char *service_id;
};

static enum rc
delete_in_tx(struct db *db, void *argument, struct err *err)
{
    const struct deleting *deleting = argument;
    g_autoptr(db_result) row = NULL;
    enum rc rc = db_run_one(db,
                            "SELECT h.host, EXISTS (SELECT FROM server s WHERE s.host = h.host AND "
                            "s.deleted_at IS NULL)"
                            " AS busy FROM compute_host h WHERE h.service_id::text = $1 OR "
                            "h.number::text = $1 FOR UPDATE",
                            DB_ARGS(db_s(deleting->service_id)), &row, err);
    if (rc == RC_NOT_FOUND) {
        return fault(err, rc, "Service %.100s could not be found.", deleting->service_id);
    }
    if (rc != RC_OK) {
        return rc;
    }
    const char *host = db_text(row, 0, "host");
    if (db_bool(row, 0, "busy")) {
        return fault(err, RC_CONFLICT,
                     "Unable to delete compute service that is hosting instances.");
    }
    rc =
        db_run(db, "UPDATE server SET host = NULL WHERE host = $1", DB_ARGS(db_s(host)), NULL, err);
    return rc == RC_OK ? db_run(db, "DELETE FROM compute_host WHERE host = $1", DB_ARGS(db_s(host)),
                                NULL, err)
                       : rc;
}

enum rc
service_db_delete(struct db *db, const char *service_id, struct err *err)
{
    struct deleting deleting = {service_id};
    return db_tx(db, delete_in_tx, &deleting, err);
}

enum rc
zone_db_list(struct db *db, bool is_detailed, const char *default_zone, db_result **ret_rows,
             struct err *err)
{
    // Until a host has reported, the default zone is there but not available.
    return db_run_one(
        db,
        "SELECT coalesce(json_agg(json_build_object('zoneName', z.zone, 'zoneState', "
        "json_build_object('available',"
        " z.available), 'hosts', CASE WHEN $1::boolean THEN z.hosts END) ORDER BY z.zone), "
        "'[]')::text AS item FROM ("
        " SELECT h.zone, bool_or(" UP
        " AND NOT h.disabled) AS available, json_object_agg(h.host, json_build_object("
        "'nova-compute', json_build_object('available', " UP
        ", 'active', NOT h.disabled, 'updated_at',"
        " to_char(h.reported_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US')))) AS hosts "
        "FROM compute_host h"
        " GROUP BY h.zone UNION ALL SELECT $2, false, '{}' WHERE NOT EXISTS (SELECT FROM "
        "compute_host)) z",
        DB_ARGS(db_b(is_detailed), db_s(default_zone)), ret_rows, err);
}
