// SPDX-License-Identifier: Apache-2.0
// Placing in one transaction: snapshot, the pure decision, and the claim as a conditional update.
#include <string.h>

#include "services/compute/core/place.h"
#include "services/compute/core/server_db.h"
#include "services/compute/scheduler/work_db.h"

#define NETWORKING_DUE_S 5

struct placing {
    const struct job *job;
    char *reason; // why no host was found
};

static enum rc
read_hosts(struct db *db, const struct job *job, db_result **ret_rows, struct err *err)
{
    return db_run(
        db,
        "SELECT h.host, h.zone, h.arch, h.hypervisor_type, NOT h.forced_down AND h.lease_until > "
        "now() AS up,"
        " h.disabled, h.vcpus, h.ram_mib, h.disk_gib, h.cpu_percent, h.ram_percent, h.disk_percent,"
        " h.vcpus_claimed, h.ram_claimed, h.disk_claimed, h.servers_claimed,"
        " CASE WHEN s.group_id IS NULL THEN 0 ELSE (SELECT count(*) FROM server g WHERE g.group_id "
        "= s.group_id"
        " AND g.host = h.host AND g.id <> s.id AND g.deleted_at IS NULL) END AS members,"
        " CASE WHEN s.same_host = '{}' THEN false ELSE EXISTS (SELECT FROM server o WHERE o.host = "
        "h.host AND"
        " o.id = ANY (s.same_host) AND o.deleted_at IS NULL) END AS same,"
        " CASE WHEN s.different_host = '{}' THEN false ELSE EXISTS (SELECT FROM server o WHERE "
        "o.host = h.host"
        " AND o.id = ANY (s.different_host) AND o.deleted_at IS NULL) END AS different"
        " FROM compute_host h, server s WHERE s.id = $1 ORDER BY h.host",
        DB_ARGS(db_s(job->id)), ret_rows, err);
}

static struct place_host
host_from_row(const db_result *rows, int i)
{
    return (struct place_host){
        .host = db_text(rows, i, "host"),
        .zone = db_text(rows, i, "zone"),
        .arch = db_text(rows, i, "arch"),
        .hypervisor_type = db_text(rows, i, "hypervisor_type"),
        .is_up = db_bool(rows, i, "up"),
        .is_disabled = db_bool(rows, i, "disabled"),
        .vcpus = db_int(rows, i, "vcpus"),
        .ram_mib = db_int(rows, i, "ram_mib"),
        .disk_gib = db_int(rows, i, "disk_gib"),
        .cpu_percent = (int)db_int(rows, i, "cpu_percent"),
        .ram_percent = (int)db_int(rows, i, "ram_percent"),
        .disk_percent = (int)db_int(rows, i, "disk_percent"),
        .vcpus_claimed = db_int(rows, i, "vcpus_claimed"),
        .ram_claimed = db_int(rows, i, "ram_claimed"),
        .disk_claimed = db_int(rows, i, "disk_claimed"),
        .servers_claimed = db_int(rows, i, "servers_claimed"),
        .group_members = db_int(rows, i, "members"),
        .has_same_wanted = db_bool(rows, i, "same"),
        .has_different_wanted = db_bool(rows, i, "different"),
    };
}

// Members of a group are placed one after the other.
static enum rc
read_group(struct db *db, const struct job *job, struct place_request *request, struct err *err)
{
    const char *group_id = job_text(job, "group_id");
    g_autoptr(db_result) row = NULL;
    if (!group_id) {
        return RC_OK;
    }
    enum rc rc = db_lock_text(db, "server_group", group_id, err);
    if (rc == RC_OK) {
        rc = db_run(db,
                    "SELECT policy, coalesce((rules->>'max_server_per_host')::bigint, 1) AS most, "
                    "(SELECT count(*)"
                    " FROM server s WHERE s.group_id = g.id AND s.host IS NOT NULL AND s.id <> $2"
                    " AND s.deleted_at IS NULL) AS n FROM server_group g WHERE g.id = $1",
                    DB_ARGS(db_s(group_id), db_s(job->id)), &row, err);
    }
    if (rc == RC_OK && db_n_rows(row) == 1) {
        request->group = place_group_from_text(db_text(row, 0, "policy"));
        request->group_size = db_int(row, 0, "n");
        request->max_per_host = db_int(row, 0, "most");
    }
    return rc;
}

static const char *
image_text(const struct job *job, const char *name, const char *other)
{
    json_t *image = json_object_get(job->server, "image");
    const char *text = json_string_value(json_object_get(image, name));
    return text ? text : json_string_value(json_object_get(image, other));
}

static struct place_request
request_of(const struct job *job)
{
    return (struct place_request){
        .server_id = job->id,
        .vcpus = job_int(job, "vcpus"),
        .ram_mib = job_int(job, "ram_mib"),
        .disk_gib = job_int(job, "disk_gib") + job_int(job, "ephemeral_gib"),
        .zone = job_text(job, "zone"),
        .forced_host = job_text(job, "forced_host"),
        .arch = image_text(job, "hw_architecture", "architecture"),
        .hypervisor_type = image_text(job, "img_hv_type", "hypervisor_type"),
        .wants_same = json_array_size(json_object_get(job->server, "same_host")) > 0,
        .wants_different = json_array_size(json_object_get(job->server, "different_host")) > 0,
    };
}

static enum rc
claim(struct db *db, const struct job *job, const char *host, const struct place_request *request,
      bool *ret_claimed, struct err *err)
{
    return db_run_any(
        db,
        "WITH h AS (UPDATE compute_host SET vcpus_claimed = vcpus_claimed + $3::bigint, "
        "ram_claimed = ram_claimed +"
        " $4::bigint, disk_claimed = disk_claimed + $5::bigint, servers_claimed = servers_claimed "
        "+ 1 WHERE host = $2"
        " AND lease_until > now() AND NOT forced_down AND (NOT disabled OR $6::boolean)"
        " AND $3 <= vcpus AND vcpus_claimed + $3 <= vcpus * cpu_percent / 100"
        " AND $4 <= ram_mib AND ram_claimed + $4 <= ram_mib * ram_percent / 100"
        " AND $5 <= disk_gib AND disk_claimed + $5 <= disk_gib * disk_percent / 100 RETURNING host)"
        " INSERT INTO claim (server_id, host, vcpus, ram_mib, disk_gib) SELECT $1, host, $3, $4, "
        "$5 FROM h",
        DB_ARGS(db_s(job->id), db_s(host), db_i(request->vcpus), db_i(request->ram_mib),
                db_i(request->disk_gib), db_b(request->forced_host != NULL)),
        ret_claimed, err);
}

static enum rc
claim_best(struct db *db, const struct job *job, const struct place_request *request,
           const struct place_result *result, struct err *err)
{
    for (unsigned i = 0; i < result->n_ranked; i++) {
        bool claimed = false;
        enum rc rc = claim(db, job, result->ranked[i]->host, request, &claimed, err);
        if (rc != RC_OK) {
            return rc;
        }
        if (claimed) {
            return db_run(db, "UPDATE server SET host = $2 WHERE id = $1",
                          DB_ARGS(db_s(job->id), db_s(result->ranked[i]->host)), NULL, err);
        }
    }
    return fault(err, RC_NOT_FOUND, "no host");
}

static enum rc
place_in_tx(struct db *db, void *argument, struct err *err)
{
    struct placing *placing = argument;
    const struct job *job = placing->job;
    struct place_request request = request_of(job);
    struct place_result result = {0};
    g_autoptr(db_result) rows = NULL;
    g_clear_pointer(&placing->reason, g_free);
    enum rc rc = read_group(db, job, &request, err);
    if (rc != RC_OK || (rc = read_hosts(db, job, &rows, err)) != RC_OK) {
        return rc;
    }
    unsigned n = (unsigned)db_n_rows(rows);
    g_autofree struct place_host *hosts = g_new0(struct place_host, n + 1);
    for (unsigned i = 0; i < n; i++) {
        hosts[i] = host_from_row(rows, (int)i);
    }
    place(hosts, n, &request, &result);
    rc = claim_best(db, job, &request, &result, err);
    if (rc == RC_NOT_FOUND) {
        placing->reason = place_explain(&result);
    }
    place_result_done(&result);
    return rc == RC_OK ? server_db_move(db, job->id, LIFE_SCHEDULING, LIFE_NETWORKING,
                                        NETWORKING_DUE_S, err)
                       : rc;
}

enum rc
work_db_place(struct db *db, const struct job *job, char **ret_reason, struct err *err)
{
    struct placing placing = {.job = job};
    enum rc rc = db_tx(db, place_in_tx, &placing, err);
    *ret_reason = placing.reason;
    return rc;
}
