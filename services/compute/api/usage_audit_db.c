// SPDX-License-Identifier: Apache-2.0
#include "services/compute/api/usage_audit_db.h"

// clang-format off
#define DAY(column) "to_char(w." column ", 'YYYY-MM-DD HH24:MI:SS')"
#define US(column) "(extract(epoch FROM w." column ") * 1000000)::bigint"

// w: the month; n: servers by host; l: all hosts, each with what is known of it.
static const char read_sql[] =
    "WITH b AS (SELECT to_timestamp($1::bigint / 1000000.0) AT TIME ZONE 'UTC' AS at), "
    "e AS (SELECT CASE date_trunc('month', at) WHEN at THEN at - interval '1 month' "
          "ELSE date_trunc('month', at) END AS until FROM b), "
    "w AS (SELECT until - interval '1 month' AS since, until FROM e), "
    "n AS (SELECT s.host, count(DISTINCT s.id) AS n FROM w, usage_interval i "
          "JOIN server s ON s.id::text = i.resource_id "
          "WHERE i.resource_type = 'server' AND i.meter = 'server.vcpu' AND i.from_us < " US("until") " "
          "AND (i.to_us IS NULL OR i.to_us > " US("since") ") GROUP BY s.host), "
    "l AS (SELECT count(*) AS hosts, coalesce(sum(n.n), 0)::bigint AS servers, "
          "coalesce(json_object_agg(h.host, json_build_object('state', 'DONE', 'instances', coalesce(n.n, 0), "
                   "'errors', 0, 'message', coalesce(n.n, 0) || ' instances') ORDER BY h.host), '{}') AS log "
          "FROM compute_host h LEFT JOIN n ON n.host = h.host) "
    "SELECT json_build_object('period_beginning', " DAY("since") ", 'period_ending', " DAY("until") ", "
          "'num_hosts', l.hosts, 'num_hosts_done', l.hosts, 'num_hosts_running', 0, 'num_hosts_not_run', 0, "
          "'hosts_not_run', '[]'::json, 'total_instances', l.servers, 'total_errors', 0, "
          "'overall_status', 'ALL hosts done. 0 errors.', 'log', l.log)::text AS item FROM w, l";
// clang-format on

enum rc
usage_audit_db_read(struct db *db, int64_t before_us, db_result **ret_row, struct err *err)
{
    return db_run_one(db, read_sql, DB_ARGS(db_i(before_us)), ret_row, err);
}
