// SPDX-License-Identifier: Apache-2.0
// One server's next steps: a table from state to step. A step is idempotent; it goes on at once, or
// says when to look again.
#include <string.h>

#include "common/log/log.h"
#include "services/compute/scheduler/work_db.h"

#define MAX_STEPS 8 // in one go; the sweeper takes over
#define RETRY_MS 2000
#define WAIT_MS 5000
#define FAULT_CODE 500

struct outcome {
    bool goes_on; // there is more to do now
    int due_ms;   // else: when to look again
};
typedef enum rc (*step_fn)(struct scheduler *scheduler, struct job *job, struct outcome *outcome,
                           struct err *err);

// A server that was taken over meanwhile, by its deletion for one, has not failed: its ports are
// the other's, and what was refused (a port that the deletion has taken away before it came: 409)
// is right.
static enum rc
fail(struct scheduler *scheduler, struct job *job, const char *message, struct outcome *outcome,
     struct err *err)
{
    struct db *db;
    enum rc rc = db_get(scheduler->pool, &db, err);
    rc = rc == RC_OK ? work_db_renew(db, job, err) : rc;
    outcome->goes_on = rc == RC_CONFLICT;
    if (rc == RC_CONFLICT) {
        return RC_OK;
    }
    rc = rc == RC_OK && life_is_building(job->state) ? ports_unmake(scheduler, job, err) : rc;
    if (rc != RC_OK || (rc = db_get(scheduler->pool, &db, err)) != RC_OK) {
        return rc;
    }
    rc = work_db_fail(db, job, FAULT_CODE, message, err);
    if (rc == RC_OK) {
        log_warn("server failed", kv("server_id", job->id),
                 kv("state", life_fsm.states[job->state]), kv("fault", message));
    }
    outcome->goes_on = rc == RC_CONFLICT;
    return rc == RC_CONFLICT ? RC_OK : rc;
}

static enum rc
fail_late(struct scheduler *scheduler, struct job *job, struct outcome *outcome, struct err *err)
{
    const char *host = job_text(job, "host"), *said = job_text(job, "agent_state");
    bool is_ours = job_int(job, "agent_generation") == job->generation;
    g_autofree char *message = g_strdup_printf(
        "Instance %s was not ready before its deadline: state %s, host %s%s, agent %s", job->id,
        life_fsm.states[job->state], host ? host : "none",
        host && !job_host_is_up(job) ? " (down)" : "", is_ours && said && *said ? said : "silent");
    return fail(scheduler, job, message, outcome, err);
}

// A peer that is away may come back before the deadline; what it refuses is the server's fault.
static bool
is_passing(enum rc rc)
{
    return rc_is_retryable(rc) || rc == RC_BAD_GATEWAY || rc == RC_INTERNAL ||
           rc == RC_UNAUTHORIZED || rc == RC_TOO_MANY ||
           rc == RC_PRECONDITION; // somebody changed the port meanwhile
}

static enum rc
refused(struct scheduler *scheduler, struct job *job, enum rc rc, struct outcome *outcome,
        struct err *err)
{
    if (is_passing(rc)) {
        return rc;
    }
    g_autofree char *message = g_strdup(err->message);
    return fail(scheduler, job, message, outcome, err);
}

static bool
has_failed(const struct job *job)
{
    return g_strcmp0(job_text(job, "agent_state"), "error") == 0 &&
           job_int(job, "agent_generation") == job->generation;
}

static enum rc
step_place(struct scheduler *scheduler, struct job *job, struct outcome *outcome, struct err *err)
{
    struct db *db;
    g_autofree char *reason = NULL;
    enum rc rc = db_get(scheduler->pool, &db, err);
    if (rc == RC_OK) {
        rc = work_db_place(db, job, &reason, err);
    }
    outcome->goes_on = rc == RC_OK || rc == RC_CONFLICT;
    if (rc == RC_NOT_FOUND) {
        return fail(scheduler, job, reason ? reason : err->message, outcome, err);
    }
    return rc == RC_CONFLICT ? RC_OK : rc;
}

static enum rc
step_make_ports(struct scheduler *scheduler, struct job *job, struct outcome *outcome,
                struct err *err)
{
    struct db *db;
    if (job_flag(job, "is_late")) {
        return fail_late(scheduler, job, outcome, err);
    }
    enum rc rc = ports_make(scheduler, job, err);
    if (rc != RC_OK) {
        return refused(scheduler, job, rc, outcome, err);
    }
    rc = db_get(scheduler->pool, &db, err);
    if (rc == RC_OK) {
        rc = work_db_spawn(db, job, err);
    }
    outcome->goes_on = rc == RC_OK || rc == RC_CONFLICT;
    return rc == RC_CONFLICT ? RC_OK : rc;
}

static enum rc
send_order(struct scheduler *scheduler, struct job *job, struct outcome *outcome, struct err *err)
{
    struct db *db;
    json_auto_t *order = NULL;
    if (!job_flag(job, "wants_order")) {
        return RC_OK;
    }
    enum rc rc = order_make(scheduler, job, &order, err);
    if (rc != RC_OK) {
        return refused(scheduler, job, rc, outcome, err);
    }
    rc = db_get(scheduler->pool, &db, err);
    json_t *image = json_object_get(order, "image");
    json_t *kept = json_object_get(json_object_get(job->server, "image"), "ticket");
    if (rc == RC_OK && image && !kept) {
        rc = work_db_store_ticket(db, job->id, image, err);
    }
    if (rc == RC_OK) {
        rc = work_db_order(db, job, order, err);
    }
    outcome->goes_on = rc == RC_CONFLICT;
    return rc == RC_CONFLICT ? RC_OK : rc;
}

static enum rc
step_spawn(struct scheduler *scheduler, struct job *job, struct outcome *outcome, struct err *err)
{
    struct db *db;
    bool runs = g_strcmp0(job_text(job, "agent_state"), "running") == 0 &&
                job_int(job, "agent_generation") == job->generation;
    if (has_failed(job)) {
        return fail(scheduler, job, job_text(job, "agent_message"), outcome, err);
    }
    if (job_flag(job, "is_late")) {
        return fail_late(scheduler, job, outcome, err);
    }
    if (!runs) {
        return send_order(scheduler, job, outcome, err);
    }
    outcome->due_ms = RETRY_MS;
    enum rc rc = ports_ask(scheduler, job, err);
    if (rc == RC_OK && (rc = db_get(scheduler->pool, &db, err)) == RC_OK) {
        rc = work_db_try_activate(db, job->id, scheduler->waits_for_ports, err);
    }
    return rc;
}

static enum rc
step_power(struct scheduler *scheduler, struct job *job, struct outcome *outcome, struct err *err)
{
    if (has_failed(job)) {
        return fail(scheduler, job, job_text(job, "agent_message"), outcome, err);
    }
    if (job_flag(job, "is_late")) {
        return fail_late(scheduler, job, outcome, err);
    }
    return send_order(scheduler, job, outcome, err);
}

static bool
is_absent(const struct job *job)
{
    return g_strcmp0(job_text(job, "agent_state"), "absent") == 0 &&
           job_int(job, "agent_generation") == job->generation;
}

static enum rc
step_rebuild(struct scheduler *scheduler, struct job *job, struct outcome *outcome, struct err *err)
{
    struct db *db;
    if (!is_absent(job)) {
        return step_power(scheduler, job, outcome, err);
    }
    enum rc rc = db_get(scheduler->pool, &db, err);
    if (rc == RC_OK) {
        rc = work_db_rebuild_spawn(db, job, err);
    }
    outcome->goes_on = rc == RC_OK || rc == RC_CONFLICT;
    return rc == RC_CONFLICT ? RC_OK : rc;
}

static enum rc
step_delete(struct scheduler *scheduler, struct job *job, struct outcome *outcome, struct err *err)
{
    struct db *db;
    // A host that is down is told when it is back: its report lists what nobody knows any more.
    if (job_text(job, "host") && job_host_is_up(job) && !is_absent(job)) {
        return send_order(scheduler, job, outcome, err);
    }
    enum rc rc = ports_unmake(scheduler, job, err);
    if (rc == RC_OK && (rc = db_get(scheduler->pool, &db, err)) == RC_OK) {
        rc = work_db_finish_delete(db, job, err);
    }
    if (rc == RC_OK) {
        log_info("server deleted", kv("server_id", job->id));
    }
    return rc;
}

static const step_fn steps[N_LIFE_STATES] = {
    [LIFE_SCHEDULING] = step_place,
    [LIFE_NETWORKING] = step_make_ports,
    [LIFE_SPAWNING] = step_spawn,
    [LIFE_REBOOTING] = step_power,
    [LIFE_REBOOTING_HARD] = step_power,
    [LIFE_STOPPED_REBOOTING_HARD] = step_power,
    [LIFE_ERROR_REBOOTING_HARD] = step_power,
    [LIFE_POWERING_OFF] = step_power,
    [LIFE_ERROR_POWERING_OFF] = step_power,
    [LIFE_POWERING_ON] = step_power,
    [LIFE_PAUSING] = step_power,
    [LIFE_UNPAUSING] = step_power,
    [LIFE_PAUSED_REBOOTING_HARD] = step_power,
    [LIFE_SUSPENDING] = step_power,
    [LIFE_RESUMING] = step_power,
    [LIFE_REBUILDING] = step_rebuild,
    [LIFE_STOPPED_REBUILDING] = step_rebuild,
    [LIFE_ERROR_REBUILDING] = step_rebuild,
    [LIFE_REBUILD_SPAWNING] = step_power,
    [LIFE_STOPPED_REBUILD_SPAWNING] = step_power,
    [LIFE_BUILDING_DELETING] = step_delete,
    [LIFE_ACTIVE_DELETING] = step_delete,
    [LIFE_STOPPED_DELETING] = step_delete,
    [LIFE_ERROR_DELETING] = step_delete,
    [LIFE_PAUSED_DELETING] = step_delete,
    [LIFE_SUSPENDED_DELETING] = step_delete,
};

// One step under the lease. RC_NOT_FOUND: nothing to do, or somebody else does it.
static enum rc
advance_once(struct scheduler *scheduler, const char *server_id, bool *ret_goes_on, struct err *err)
{
    struct db *db;
    struct job job = {0};
    struct outcome outcome = {.due_ms = WAIT_MS};
    bool changed = false;
    enum rc rc = db_get(scheduler->pool, &db, err);
    if (rc != RC_OK || (rc = work_db_lease(db, server_id, &job, err)) != RC_OK) {
        return rc;
    }
    step_fn step = job.state < N_LIFE_STATES ? steps[job.state] : NULL;
    log_debug("step", kv("server_id", job.id),
              kv("state", step ? life_fsm.states[job.state] : "unknown"));
    rc = step ? step(scheduler, &job, &outcome, err)
              : fault(err, RC_INTERNAL, "no step for this state");
    struct err release_err = {0};
    int due_ms = rc == RC_OK ? outcome.due_ms : RETRY_MS;
    if (db_get(scheduler->pool, &db, &release_err) != RC_OK ||
        work_db_release(db, &job, due_ms, &changed, &release_err) != RC_OK) {
        log_warn("lease not given back, it runs out", kv("server_id", job.id),
                 kv("error", release_err.message));
    }
    *ret_goes_on = rc == RC_OK && (outcome.goes_on || changed);
    job_done(&job);
    return rc;
}

void
work_advance(struct scheduler *scheduler, const char *server_id)
{
    bool goes_on = true;
    for (int i = 0; goes_on && i < MAX_STEPS; i++) {
        struct err err = {0};
        enum rc rc = advance_once(scheduler, server_id, &goes_on, &err);
        if (rc == RC_NOT_FOUND) {
            return;
        }
        if (rc != RC_OK) {
            log_warn("step put off", kv("server_id", server_id), kv("error", err.message));
            return;
        }
    }
}
