// SPDX-License-Identifier: Apache-2.0
// What agents and the network say, written where it leads: each in one transaction, ordered by
// generation.
#include <string.h>

#include "common/base/util.h"
#include "common/db/usage.h"
#include "services/compute/core/server_db.h"
#include "services/compute/scheduler/work_db.h"

static const struct {
    const char *name;
    int number; // Nova's
} power_states[] = {{"nostate", 0}, {"running", 1}, {"paused", 3}, {"shutdown", 4}, {"crashed", 6}};

static int
power_number(const char *name)
{
    for (size_t i = 0; name && i < N_ELEMENTS(power_states); i++) {
        if (strcmp(power_states[i].name, name) == 0) {
            return power_states[i].number;
        }
    }
    return 0;
}

// The row, locked, if the server is still there.
static enum rc
lock_job(struct db *db, const char *server_id, struct job *ret_job, struct err *err)
{
    enum rc rc =
        db_run_one(db, "SELECT id FROM server WHERE id = $1 AND deleted_at IS NULL FOR UPDATE",
                   DB_ARGS(db_s(server_id)), NULL, err);
    return rc == RC_OK ? work_db_load(db, server_id, ret_job, err) : rc;
}

static enum rc
open_usage(struct db *db, const struct job *job, struct err *err)
{
    const char *project_id = job_text(job, "project_id"), *name = job_text(job, "name");
    struct usage usages[] = {
        {project_id, "server", job->id, name, "server.vcpu", job_int(job, "vcpus")},
        {project_id, "server", job->id, name, "server.ram_mib", job_int(job, "ram_mib")},
        {project_id, "server", job->id, name, "server.disk_gib", job_int(job, "disk_gib")},
    };
    size_t n = usages[2].quantity > 0 ? 3 : 2; // a flavor may have no disk of its own
    return usage_open(db, usages, n, err);
}

static enum rc
finish_work(struct db *db, const struct job *job, struct err *err)
{
    enum rc rc = db_run(db, "UPDATE server SET deadline = NULL, due_at = NULL WHERE id = $1",
                        DB_ARGS(db_s(job->id)), NULL, err);
    return rc == RC_OK ? action_db_finish(db, job->id, job_text(job, "host"), NULL, err) : rc;
}

static enum rc
activate(struct db *db, const struct job *job, struct err *err)
{
    enum rc rc = server_db_move(db, job->id, job->state, LIFE_ACTIVE, 0, err);
    if (rc == RC_OK && job->state == LIFE_SPAWNING) {
        rc = db_run(db,
                    "UPDATE server SET launched_at = coalesce(launched_at, now()), power_state = 1 "
                    "WHERE id = $1",
                    DB_ARGS(db_s(job->id)), NULL, err);
        rc = rc == RC_OK ? open_usage(db, job, err) : rc;
    }
    return rc == RC_OK ? finish_work(db, job, err) : rc;
}

static bool
ports_are_up(const struct job *job)
{
    size_t i;
    json_t *port;
    json_array_foreach(job->ports, i, port)
    {
        if (g_strcmp0(json_string_value(json_object_get(port, "status")), "ACTIVE") != 0) {
            return false;
        }
    }
    return true;
}

static bool
may_activate(const struct job *job, bool waits_for_ports)
{
    const char *said = job_text(job, "agent_state");
    return job->state == LIFE_SPAWNING && job_int(job, "agent_generation") == job->generation &&
           g_strcmp0(said, "running") == 0 && (!waits_for_ports || ports_are_up(job));
}

static enum rc
note(struct db *db, const struct job *job, const struct state_event *event, struct err *err)
{
    const char *said = job->state == LIFE_SPAWNING && strcmp(event->state, "stopped") == 0
                           ? "running" // it ran and halted by itself; the next report says so
                           : event->state;
    return db_run(
        db,
        "UPDATE server SET agent_state = $2, agent_generation = $3::bigint, power_state = $4::int,"
        " agent_message = $5 WHERE id = $1",
        DB_ARGS(db_s(job->id), db_s(said), db_i(event->generation),
                db_i(power_number(event->power_state)), db_s(event->message ? event->message : "")),
        NULL, err);
}

static enum life_event
event_of(const char *state)
{
    static const struct {
        const char *state;
        enum life_event event;
    } words[] = {
        {"running", LIFE_EV_RUNNING}, {"paused", LIFE_EV_PAUSED}, {"suspended", LIFE_EV_SUSPENDED}};
    for (size_t i = 0; i < N_ELEMENTS(words); i++) {
        if (strcmp(words[i].state, state) == 0) {
            return words[i].event;
        }
    }
    return LIFE_EV_HALTED;
}

// Where the word of the agent leads in this state by itself; failures and absence need more than a
// row.
static enum rc
follow(struct db *db, struct job *job, struct state_event *event, struct err *err)
{
    bool runs = strcmp(event->state, "running") == 0, halted = strcmp(event->state, "stopped") == 0;
    bool rests = strcmp(event->state, "paused") == 0 || strcmp(event->state, "suspended") == 0;
    int next = fsm_next(&life_fsm, job->state, event_of(event->state));
    if (job->state == LIFE_SPAWNING && (runs || halted)) {
        json_object_set_new(job->server, "agent_state", json_string("running"));
        json_object_set_new(job->server, "agent_generation", json_integer(event->generation));
        return may_activate(job, event->waits_for_ports) ? activate(db, job, err) : RC_OK;
    }
    if (!runs && !halted && !rests) {
        event->needs_work = life_task_state(job->state) != NULL;
        return RC_OK;
    }
    if (next < 0 || next == (int)job->state) {
        return RC_OK;
    }
    enum rc rc = server_db_move(db, job->id, job->state, next, 0, err);
    if (rc == RC_OK && halted && next == LIFE_STOPPED && job->state != LIFE_POWERING_OFF &&
        job->state != LIFE_ERROR_POWERING_OFF) { // by itself: that is what it wants to be now
        rc = db_run(db, "UPDATE server SET desired = 'stopped' WHERE id = $1",
                    DB_ARGS(db_s(job->id)), NULL, err);
    }
    return rc == RC_OK ? finish_work(db, job, err) : rc;
}

static enum rc
note_state_in_tx(struct db *db, void *argument, struct err *err)
{
    struct state_event *event = argument;
    struct job job = {0};
    event->needs_work = false;
    enum rc rc = lock_job(db, event->server_id, &job, err);
    if (rc != RC_OK) {
        return rc;
    }
    const char *host = job_text(&job, "host");
    if (g_strcmp0(host, event->host) == 0 && event->generation == job.generation) {
        rc = note(db, &job, event, err);
        if (rc == RC_OK) {
            rc = follow(db, &job, event, err);
        }
    }
    job_done(&job);
    return rc;
}

enum rc
work_db_note_state(struct db *db, struct state_event *event, struct err *err)
{
    return db_tx(db, note_state_in_tx, event, err);
}

struct activating {
    const char *server_id;
    bool waits_for_ports;
};

static enum rc
try_activate_in_tx(struct db *db, void *argument, struct err *err)
{
    const struct activating *activating = argument;
    struct job job = {0};
    enum rc rc = lock_job(db, activating->server_id, &job, err);
    if (rc == RC_OK && may_activate(&job, activating->waits_for_ports)) {
        rc = activate(db, &job, err);
    }
    job_done(&job);
    return rc;
}

enum rc
work_db_try_activate(struct db *db, const char *server_id, bool waits_for_ports, struct err *err)
{
    struct activating activating = {server_id, waits_for_ports};
    return db_tx(db, try_activate_in_tx, &activating, err);
}

enum rc
work_db_note_port(struct db *db, struct port_event *event, struct err *err)
{
    g_autoptr(db_result) row = NULL;
    enum rc rc =
        db_run(db, "UPDATE server_port SET status = $2 WHERE port_id = $1 RETURNING server_id",
               DB_ARGS(db_s(event->port_id), db_s(event->status)), &row, err);
    if (rc != RC_OK) {
        return rc;
    }
    if (db_n_rows(row) == 1) {
        g_strlcpy(event->server_id, db_text(row, 0, "server_id"), sizeof(event->server_id));
        return RC_OK;
    }
    return fault(err, RC_NOT_FOUND, "port '%s' is not a server's", event->port_id);
}
