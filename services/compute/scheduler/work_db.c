// SPDX-License-Identifier: Apache-2.0
#include "services/compute/scheduler/work_db.h"

#include <stdatomic.h>
#include <string.h>

#include "common/base/util.h"
#include "common/db/lease.h"
#include "common/db/outbox.h"
#include "common/db/usage.h"
#include "services/compute/core/server_db.h"

#define LEASE "interval '30 seconds'"
#define ORDER_DUE_S 15 // an order that nobody answered is looked at again after this time

#define JOB_COLUMNS                                                                               \
    " to_jsonb(s) AS server, s.vm_state, s.task_state, s.generation,"                             \
    " s.deadline IS NOT NULL AND s.deadline < now() AS is_late,"                                  \
    " s.ordered_at IS NULL OR s.ordered_at < now() - interval '10 seconds' AS wants_order,"       \
    " (SELECT coalesce(jsonb_agg(to_jsonb(p) || jsonb_build_object('asked_ip', host(p.asked_ip))" \
    " ORDER BY p.position), '[]') FROM server_port p WHERE p.server_id = s.id) AS ports,"         \
    " (SELECT to_jsonb(h) || jsonb_build_object('is_up', NOT h.forced_down AND h.lease_until > "  \
    "now())"                                                                                      \
    " FROM compute_host h WHERE h.host = s.host) AS host_row"

static void
job_from_row(const db_result *row, const char *server_id, struct job *ret_job)
{
    g_strlcpy(ret_job->id, server_id, sizeof(ret_job->id));
    ret_job->state = life_state_from(db_text(row, 0, "vm_state"), db_text(row, 0, "task_state"));
    ret_job->generation = db_int(row, 0, "generation");
    ret_job->server = db_json(row, 0, "server");
    json_object_set_new(ret_job->server, "is_late", json_boolean(db_bool(row, 0, "is_late")));
    json_object_set_new(ret_job->server, "wants_order",
                        json_boolean(db_bool(row, 0, "wants_order")));
    ret_job->ports = db_json(row, 0, "ports");
    ret_job->host = db_json(row, 0, "host_row");
}

enum rc
work_db_load(struct db *db, const char *server_id, struct job *ret_job, struct err *err)
{
    g_autoptr(db_result) row = NULL;
    enum rc rc = db_run_one(
        db, "SELECT" JOB_COLUMNS " FROM server s WHERE s.id = $1 AND s.deleted_at IS NULL",
        DB_ARGS(db_s(server_id)), &row, err);
    if (rc == RC_OK) {
        *ret_job = (struct job){0};
        job_from_row(row, server_id, ret_job);
    }
    return rc;
}

enum rc
work_db_lease(struct db *db, const char *server_id, struct job *ret_job, struct err *err)
{
    static _Atomic unsigned counter;
    g_autoptr(db_result) row = NULL;
    struct job job = {0};
    g_snprintf(job.lease, sizeof(job.lease), "%s#%u", lease_owner(), atomic_fetch_add(&counter, 1));
    enum rc rc = db_run_one(
        db,
        "WITH s AS (UPDATE server SET lease_owner = $2, lease_until = now() + " LEASE
        ", attempt = attempt + 1"
        " WHERE id = $1 AND task_state IS NOT NULL AND deleted_at IS NULL"
        " AND (lease_until IS NULL OR lease_until < now()) RETURNING *) SELECT" JOB_COLUMNS
        " FROM s",
        DB_ARGS(db_s(server_id), db_s(job.lease)), &row, err);
    if (rc == RC_OK) {
        *ret_job = job;
        job_from_row(row, server_id, ret_job);
    }
    return rc;
}

static enum rc
expect_rows(enum rc rc, const db_result *result, const struct job *job, struct err *err)
{
    if (rc == RC_OK && db_n_affected(result) == 0) {
        return fault(err, RC_CONFLICT, "server '%s' has changed meanwhile", job->id);
    }
    return rc;
}

enum rc
work_db_renew(struct db *db, const struct job *job, struct err *err)
{
    g_autoptr(db_result) result = NULL;
    enum rc rc = db_run(
        db,
        "UPDATE server SET lease_until = now() + " LEASE " WHERE id = $1 AND lease_owner = $2"
        " AND lease_until > now() AND vm_state = $3 AND task_state IS NOT DISTINCT FROM $4::text",
        DB_ARGS(db_s(job->id), db_s(job->lease), db_s(life_vm_state(job->state)),
                db_s(life_task_state(job->state))),
        &result, err);
    return expect_rows(rc, result, job, err);
}

enum rc
work_db_release(struct db *db, const struct job *job, int due_ms, bool *ret_changed,
                struct err *err)
{
    g_autoptr(db_result) row = NULL;
    enum rc rc = db_run(
        db,
        "UPDATE server SET lease_owner = NULL, lease_until = NULL,"
        " due_at = CASE WHEN task_state IS NULL THEN NULL ELSE now() + $3::int * interval '1 "
        "millisecond' END"
        " WHERE id = $1 AND lease_owner = $2 RETURNING task_state IS NOT NULL AND (vm_state, "
        "coalesce(task_state, ''),"
        " generation) IS DISTINCT FROM ($4::text, coalesce($5::text, ''), $6::bigint) AS changed",
        DB_ARGS(db_s(job->id), db_s(job->lease), db_i(due_ms), db_s(life_vm_state(job->state)),
                db_s(life_task_state(job->state)), db_i(job->generation)),
        &row, err);
    *ret_changed = rc == RC_OK && db_n_rows(row) == 1 && db_bool(row, 0, "changed");
    return rc;
}

enum rc
work_db_store_ports(struct db *db, const struct job *job, json_t *ports, struct err *err)
{
    char *text = json_dumps(ports, JSON_COMPACT);
    enum rc rc = db_run(
        db,
        "UPDATE server_port p SET mac = n.mac, mtu = n.mtu, fixed_ips = n.fixed_ips, status = "
        "n.status,"
        " network_name = coalesce(n.network_name, p.network_name), metadata_port_id = "
        "n.metadata_port_id,"
        " metadata_ip = n.metadata_ip FROM jsonb_to_recordset($2::jsonb) AS n(position integer, "
        "mac text, mtu integer,"
        " fixed_ips jsonb, status text, network_name text, metadata_port_id uuid, metadata_ip text)"
        " WHERE p.server_id = $1 AND p.position = n.position",
        DB_ARGS(db_s(job->id), db_s(text)), NULL, err);
    free(text);
    return rc;
}

enum rc
work_db_store_ticket(struct db *db, const char *server_id, json_t *ticket, struct err *err)
{
    char *text = json_dumps(ticket, JSON_COMPACT);
    enum rc rc = db_run(
        db,
        "UPDATE server SET image = image || jsonb_build_object('ticket', $2::jsonb) WHERE id = $1"
        " AND image_id = ($2::jsonb->>'id')::uuid",
        DB_ARGS(db_s(server_id), db_s(text)), NULL, err);
    free(text);
    return rc;
}

struct spawning {
    struct job *job;
    int64_t generation;
};

static enum rc
spawn_in_tx(struct db *db, void *argument, struct err *err)
{
    struct spawning *spawning = argument;
    g_autoptr(db_result) row = NULL;
    enum rc rc =
        server_db_move(db, spawning->job->id, LIFE_NETWORKING, LIFE_SPAWNING, ORDER_DUE_S, err);
    if (rc == RC_OK) {
        rc = db_run_one(
            db, "UPDATE server SET generation = generation + 1 WHERE id = $1 RETURNING generation",
            DB_ARGS(db_s(spawning->job->id)), &row, err);
    }
    if (rc == RC_OK) {
        spawning->generation = db_int(row, 0, "generation");
    }
    return rc;
}

enum rc
work_db_spawn(struct db *db, struct job *job, struct err *err)
{
    struct spawning spawning = {.job = job};
    enum rc rc = db_tx(db, spawn_in_tx, &spawning, err);
    if (rc == RC_OK) {
        job->state = LIFE_SPAWNING;
        job->generation = spawning.generation;
    }
    return rc;
}

static enum rc
rebuild_spawn_in_tx(struct db *db, void *argument, struct err *err)
{
    const struct job *job = argument;
    int next = fsm_next(&life_fsm, job->state, LIFE_EV_ABSENT);
    enum rc rc = server_db_move(db, job->id, job->state, next, ORDER_DUE_S, err);
    if (rc != RC_OK) {
        return rc;
    }
    return db_run(
        db,
        "UPDATE server SET generation = generation + 1, ordered_at = NULL, agent_state = '',"
        " desired = $2 WHERE id = $1",
        DB_ARGS(db_s(job->id), db_s(next == LIFE_STOPPED_REBUILD_SPAWNING ? "stopped" : "running")),
        NULL, err);
}

enum rc
work_db_rebuild_spawn(struct db *db, const struct job *job, struct err *err)
{
    return db_tx(db, rebuild_spawn_in_tx, (void *)job, err);
}

struct ordering {
    const struct job *job;
    json_t *order;
};

static enum rc
order_in_tx(struct db *db, void *argument, struct err *err)
{
    const struct ordering *ordering = argument;
    const struct job *job = ordering->job;
    g_autoptr(db_result) result = NULL;
    enum rc rc = db_run(
        db,
        "UPDATE server SET ordered_at = now() WHERE id = $1 AND generation = $2 AND host = $3"
        " AND deleted_at IS NULL",
        DB_ARGS(db_s(job->id), db_i(job->generation), db_s(job_text(job, "host"))), &result, err);
    if ((rc = expect_rows(rc, result, job, err)) != RC_OK) {
        return rc;
    }
    g_autofree char *routing_key = g_strdup_printf("host.%s", job_text(job, "host"));
    return outbox_add(db, routing_key, "server.order", ordering->order, err);
}

enum rc
work_db_order(struct db *db, const struct job *job, json_t *order, struct err *err)
{
    struct ordering ordering = {job, order};
    return db_tx(db, order_in_tx, &ordering, err);
}

// Gives back what the server has of its host; one statement keeps sums and claims equal.
static enum rc
release_claim(struct db *db, const char *server_id, struct err *err)
{
    return db_run(
        db,
        "WITH c AS (DELETE FROM claim WHERE server_id = $1 RETURNING *) UPDATE compute_host h SET"
        " vcpus_claimed = h.vcpus_claimed - c.vcpus, ram_claimed = h.ram_claimed - c.ram_mib,"
        " disk_claimed = h.disk_claimed - c.disk_gib, servers_claimed = h.servers_claimed - 1"
        " FROM c WHERE h.host = c.host",
        DB_ARGS(db_s(server_id)), NULL, err);
}

struct failing {
    const struct job *job;
    int code;
    const char *message;
};

// What a build had on its host is ordered away; the report of the host repeats this should the
// order be lost.
static enum rc
unbuild(struct db *db, const struct job *job, struct err *err)
{
    const char *host = job_text(job, "host");
    enum rc rc = release_claim(db, job->id, err);
    if (rc == RC_OK) {
        rc = db_run(db,
                    "UPDATE server SET host = NULL, desired = 'absent', generation = generation + "
                    "1, agent_state = ''"
                    " WHERE id = $1",
                    DB_ARGS(db_s(job->id)), NULL, err);
    }
    if (rc == RC_OK) {
        rc = db_run(db,
                    "WITH gone AS (DELETE FROM server_port WHERE server_id = $1 AND NOT is_ours) "
                    "UPDATE server_port SET"
                    " mac = NULL, fixed_ips = '[]', status = 'DOWN' WHERE server_id = $1",
                    DB_ARGS(db_s(job->id)), NULL, err);
    }
    if (rc == RC_OK && host && job->state == LIFE_SPAWNING) {
        g_autofree char *routing_key = g_strdup_printf("host.%s", host);
        json_auto_t *order = order_absent(job->id, job->generation + 1);
        rc = outbox_add(db, routing_key, "server.order", order, err);
    }
    return rc;
}

static enum rc
fail_in_tx(struct db *db, void *argument, struct err *err)
{
    const struct failing *failing = argument;
    const struct job *job = failing->job;
    int next = fsm_next(&life_fsm, job->state, LIFE_EV_FAILED);
    if (next < 0) {
        return fault(err, RC_CONFLICT, "server '%s' cannot fail in state %s", job->id,
                     life_fsm.states[job->state]);
    }
    enum rc rc = server_db_move(db, job->id, job->state, next, 0, err);
    if (rc == RC_OK) {
        rc = db_run(db,
                    "UPDATE server SET fault_code = $2::int, fault_message = $3, fault_at = now(), "
                    "deadline = NULL,"
                    " lease_owner = NULL, lease_until = NULL WHERE id = $1",
                    DB_ARGS(db_s(job->id), db_i(failing->code), db_s(failing->message)), NULL, err);
    }
    if (rc == RC_OK && life_is_building(job->state)) {
        rc = unbuild(db, job, err);
    }
    return rc == RC_OK ? action_db_finish(db, job->id, job_text(job, "host"), failing->message, err)
                       : rc;
}

enum rc
work_db_fail(struct db *db, const struct job *job, int code, const char *message, struct err *err)
{
    struct failing failing = {job, code, message};
    return db_tx(db, fail_in_tx, &failing, err);
}

static enum rc
delete_in_tx(struct db *db, void *argument, struct err *err)
{
    const struct job *job = argument;
    enum rc rc = server_db_move(db, job->id, job->state, LIFE_DELETED, 0, err);
    if (rc == RC_OK) {
        rc = db_run(db,
                    "UPDATE server SET deleted_at = now(), terminated_at = now(), power_state = 0, "
                    "deadline = NULL,"
                    " lease_owner = NULL, lease_until = NULL, key_data = NULL, user_data = NULL "
                    "WHERE id = $1",
                    DB_ARGS(db_s(job->id)), NULL, err);
    }
    if (rc == RC_OK && (rc = release_claim(db, job->id, err)) == RC_OK &&
        (rc = usage_close(db, job->id, err)) == RC_OK) {
        rc = db_run(db, "DELETE FROM server_port WHERE server_id = $1", DB_ARGS(db_s(job->id)),
                    NULL, err);
    }
    return rc == RC_OK ? action_db_finish(db, job->id, job_text(job, "host"), NULL, err) : rc;
}

enum rc
work_db_finish_delete(struct db *db, const struct job *job, struct err *err)
{
    return db_tx(db, delete_in_tx, (void *)job, err);
}

enum rc
work_db_due(struct db *db, db_result **ret_rows, struct err *err)
{
    return db_run(db,
                  "UPDATE server SET due_at = now() + interval '10 seconds' WHERE id IN (SELECT id "
                  "FROM server"
                  " WHERE task_state IS NOT NULL AND deleted_at IS NULL AND due_at <= now()"
                  " AND (lease_until IS NULL OR lease_until < now()) ORDER BY due_at LIMIT 50"
                  " FOR UPDATE SKIP LOCKED) RETURNING id",
                  DB_NONE, ret_rows, err);
}

enum rc
work_db_set_floating(struct db *db, const char *json, struct err *err)
{
    return db_run(db,
                  "WITH n AS (SELECT x.port_id, jsonb_agg(x.ip ORDER BY x.ip) AS ips FROM "
                  "jsonb_to_recordset($1::jsonb)"
                  " AS x(port_id uuid, ip text) GROUP BY x.port_id) UPDATE server_port p SET "
                  "floating_ips = w.ips"
                  " FROM (SELECT q.port_id, coalesce(n.ips, '[]') AS ips FROM server_port q LEFT "
                  "JOIN n USING (port_id)) w"
                  " WHERE w.port_id = p.port_id AND p.floating_ips <> w.ips",
                  DB_ARGS(db_s(json)), NULL, err);
}

enum rc
work_db_set_port_floating(struct db *db, const char *port_id, json_t *addresses, struct err *err)
{
    g_autofree char *text = json_dumps(addresses, JSON_COMPACT);
    return db_run(db,
                  "UPDATE server_port SET floating_ips = $2::jsonb WHERE port_id = $1 AND "
                  "floating_ips <> $2::jsonb",
                  DB_ARGS(db_s(port_id), db_s(text)), NULL, err);
}

enum rc
work_db_heartbeat(struct db *db, const char *host, struct err *err)
{
    char id[UUID_SIZE];
    uuid_derive(host, "haneul-scheduler", id);
    return db_run(db,
                  "INSERT INTO scheduler_process (host, service_id) VALUES ($1, $2)"
                  " ON CONFLICT (host) DO UPDATE SET reported_at = now()",
                  DB_ARGS(db_s(host), db_s(id)), NULL, err);
}
