// SPDX-License-Identifier: Apache-2.0
// One server brought one look closer to its order: observe, plan, apply, until nothing is left to
// do; then the scheduler is told.
#include <string.h>

#include "common/log/log.h"
#include "services/compute/hypervisor/agent.h"

#define MAX_ROUNDS 12
#define BACKOFF_FIRST_MS 1000
#define BACKOFF_MAX_MS 15000
#define BUSY_MS 500 // another server is at it
#define REPORT_AGAIN_MS 2000
#define SHUTDOWN_AGAIN_MS 5000

static const char *const STATE_NAMES[] = {[OUTCOME_RUNNING] = "running",
                                          [OUTCOME_STOPPED] = "stopped",
                                          [OUTCOME_ABSENT] = "absent",
                                          [OUTCOME_PAUSED] = "paused",
                                          [OUTCOME_SUSPENDED] = "suspended"};

// How one look ended.
struct look {
    struct plan plan;
    struct actual actual;
    enum step step; // that failed; N_STEPS: looking itself did
};

static enum rc advance(struct agent *agent, struct server_record *record, struct look *look,
                       struct err *err) CHECKED;
static int64_t failed(struct agent *agent, struct server_record *record, const struct look *look,
                      const struct err *failure);
static int64_t reached(struct agent *agent, const struct server_record *record,
                       const struct look *look);
static int64_t tell(struct agent *agent, const struct state_report *report);
static int64_t too_early_ms(struct agent *agent, const char *server_id);

static struct wanted
wanted_from_order(const struct agent *agent, const struct order *order)
{
    return (struct wanted){
        .want = order->want,
        .generation = order->generation,
        .reboot_count = order->reboot_count,
        .reboot_hard = order->reboot_hard,
        .config_drive = order->config_drive,
        .shutdown_timeout_ms = 1000 * conf_int(agent->conf, "agent", "shutdown_timeout_s"),
        .shutdown_again_ms = SHUTDOWN_AGAIN_MS,
    };
}

int64_t
server_converge(const char *server_id, void *context)
{
    struct agent *agent = context;
    struct server_record record;
    if (service_is_stopping(agent->service)) {
        return -1;
    }
    int64_t early_ms = too_early_ms(agent, server_id);
    if (early_ms > 0) {
        return early_ms;
    }
    if (!desired_find(agent->desired, server_id, &record)) {
        return -1;
    }
    struct look look = {.step = N_STEPS};
    struct err err = {0};
    int64_t again_ms;
    bool given_up = record.progress.failed_generation == record.order->generation;
    if (given_up && record.order->want != WANT_ABSENT) {
        const struct state_report report = {server_id,
                                            "error",
                                            record.progress.step,
                                            record.progress.message,
                                            record.order->generation,
                                            POWER_NONE};
        again_ms = tell(agent, &report);
    } else if (advance(agent, &record, &look, &err)) {
        again_ms = failed(agent, &record, &look, &err);
    } else {
        again_ms = reached(agent, &record, &look);
    }
    server_record_done(&record);
    return again_ms;
}

static enum rc
steps_run(struct agent *agent, struct server_record *record, struct look *look, struct err *err)
{
    for (size_t i = 0; i < look->plan.n_steps; i++) {
        enum rc rc = apply_step(agent, record, look->plan.steps[i], err);
        if (rc) {
            look->step = look->plan.steps[i];
            return rc;
        }
    }
    return RC_OK;
}

static enum rc
advance(struct agent *agent, struct server_record *record, struct look *look, struct err *err)
{
    struct wanted wanted = wanted_from_order(agent, record->order);
    enum rc rc = RC_OK;
    for (int round = 0; round < MAX_ROUNDS && rc == RC_OK; round++) {
        look->step = N_STEPS;
        rc = apply_observe(agent, record, &look->actual, err);
        if (rc) {
            break;
        }
        look->plan = plan(&wanted, &look->actual);
        if (look->plan.n_steps == 0) {
            return RC_OK;
        }
        rc = steps_run(agent, record, look, err);
    }
    return rc ? rc : fault(err, RC_INTERNAL, "the server does not settle");
}

// ---- endings

struct track *
track_get(struct agent *agent, const char *server_id)
{
    struct track *track = g_hash_table_lookup(agent->tracks, server_id);
    if (!track) {
        track = g_new0(struct track, 1);
        track->shutdown_ms = -1;
        g_hash_table_insert(agent->tracks, g_strdup(server_id), track);
    }
    return track;
}

// A later try cannot end otherwise, or the order itself is at fault.
static bool
is_final(enum rc rc)
{
    switch (rc) {
    case RC_INVALID:
    case RC_UNAUTHORIZED:
    case RC_FORBIDDEN:
    case RC_NOT_FOUND:
    case RC_GONE:
    case RC_TOO_LARGE:
    case RC_NOT_IMPLEMENTED:
        return true;
    default:
        return false;
    }
}

static int64_t
backoff_ms(unsigned attempts)
{
    int64_t ms = (int64_t)BACKOFF_FIRST_MS << MIN(attempts - 1, 10);
    return MIN(ms, BACKOFF_MAX_MS);
}

// The failed attempts in a row with this one; the next may not come before its time, though the
// failure itself make events.
static unsigned
attempts_add(struct agent *agent, const char *server_id)
{
    g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agent->mutex);
    struct track *track = track_get(agent, server_id);
    track->attempts++;
    track->due_ms = monotonic_ms() + backoff_ms(track->attempts);
    return track->attempts;
}

static int64_t
too_early_ms(struct agent *agent, const char *server_id)
{
    g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agent->mutex);
    return MAX(track_get(agent, server_id)->due_ms - monotonic_ms(), 0);
}

static bool
order_is_current(struct agent *agent, const struct order *order)
{
    struct server_record now;
    if (!desired_find(agent->desired, order->server_id, &now)) {
        return false;
    }
    bool current = now.order->generation == order->generation;
    server_record_done(&now);
    return current;
}

static int64_t
give_up(struct agent *agent, struct server_record *record, const char *step,
        const struct err *failure)
{
    struct progress *progress = &record->progress;
    progress->failed_generation = record->order->generation;
    g_strlcpy(progress->step, step, sizeof progress->step);
    g_autofree char *clean = g_utf8_make_valid(failure->message, -1);
    g_strlcpy(progress->message, clean, sizeof progress->message);
    struct err err = {0};
    if (desired_set_progress(agent->desired, record, &err)) {
        log_error("server's record not stored", kv("server_id", record->order->server_id),
                  kv("error", err.message));
    }
    log_error("server given up", kv("server_id", record->order->server_id), kv("step", step),
              kv("error", failure->message));
    const struct state_report report = {record->order->server_id,  "error",   step, clean,
                                        record->order->generation, POWER_NONE};
    return tell(agent, &report);
}

static int64_t
failed(struct agent *agent, struct server_record *record, const struct look *look,
       const struct err *failure)
{
    const char *id = record->order->server_id;
    const char *step = look->step < N_STEPS ? step_name(look->step) : "observe";
    if (!order_is_current(agent, record->order)) {
        return 0;
    }
    if (look->step == STEP_FETCH_IMAGE && failure->rc == RC_CONFLICT) {
        return BUSY_MS;
    }
    if (look->step == N_STEPS && failure->rc == RC_UNAVAILABLE) {
        return BACKOFF_MAX_MS; // no hypervisor: its driver wakes us when it is back
    }
    unsigned attempts = attempts_add(agent, id);
    log_warn("step failed", kv("server_id", id), kv("step", step), kv_int("attempt", attempts),
             kv("error", failure->message));
    if (is_final(failure->rc) || attempts >= conf_int(agent->conf, "agent", "max_attempts")) {
        int64_t again_ms = give_up(agent, record, step, failure);
        return record->order->want == WANT_ABSENT ? BACKOFF_MAX_MS : again_ms;
    }
    return backoff_ms(attempts);
}

static int64_t
reached(struct agent *agent, const struct server_record *record, const struct look *look)
{
    const char *id = record->order->server_id;
    if (look->plan.wait_ms > 0) {
        return look->plan.wait_ms;
    }
    g_mutex_lock(&agent->mutex);
    struct track *track = track_get(agent, id);
    track->attempts = 0;
    track->due_ms = 0;
    g_mutex_unlock(&agent->mutex);
    const struct state_report report = {id, STATE_NAMES[look->plan.outcome], "",
                                        "", record->order->generation,       look->actual.power};
    return tell(agent, &report);
}

// Once per change: what was told last is remembered when the broker has confirmed it.
static int64_t
tell(struct agent *agent, const struct state_report *report)
{
    char text[sizeof((struct track *)0)->reported];
    g_snprintf(text, sizeof text, "%" G_GINT64_FORMAT " %s %s %s", report->generation,
               report->state, power_name(report->power), report->step);
    g_mutex_lock(&agent->mutex);
    bool known = strcmp(track_get(agent, report->server_id)->reported, text) == 0;
    g_mutex_unlock(&agent->mutex);
    if (known) {
        return -1;
    }
    struct err err = {0};
    if (report_state(agent, report, &err)) {
        return REPORT_AGAIN_MS;
    }
    log_info("server state", kv("server_id", report->server_id), kv("state", report->state),
             kv("power_state", power_name(report->power)),
             kv_int("generation", report->generation));
    g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agent->mutex);
    g_strlcpy(track_get(agent, report->server_id)->reported, text, sizeof text);
    return -1;
}

void
server_wake_all(struct agent *agent)
{
    g_autoptr(GPtrArray) ids = desired_list(agent->desired);
    for (guint i = 0; i < ids->len; i++) {
        converge_wake(agent->converge, ids->pdata[i]);
    }
}

bool
server_is_settled(struct agent *agent, const char *server_id, int64_t generation)
{
    g_autofree char *told = g_strdup_printf("%" G_GINT64_FORMAT " ", generation);
    g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agent->mutex);
    const struct track *track = g_hash_table_lookup(agent->tracks, server_id);
    return track && g_str_has_prefix(track->reported, told);
}

void
server_report_again(struct agent *agent, const char *server_id)
{
    g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agent->mutex);
    GHashTableIter iter;
    gpointer id, value;
    g_hash_table_iter_init(&iter, agent->tracks);
    while (g_hash_table_iter_next(&iter, &id, &value)) {
        if (!server_id || strcmp(server_id, id) == 0) {
            ((struct track *)value)->reported[0] = '\0';
        }
    }
}
