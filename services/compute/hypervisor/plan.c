// SPDX-License-Identifier: Apache-2.0
#include "services/compute/hypervisor/plan.h"

#include "common/base/util.h"

static const char *const POWER_NAMES[N_POWER] = {
    [POWER_NONE] = "nostate",  [POWER_OFF] = "shutdown",    [POWER_RUNNING] = "running",
    [POWER_PAUSED] = "paused", [POWER_CRASHED] = "crashed",
};

static const char *const STEP_NAMES[N_STEPS] = {
    [STEP_FETCH_IMAGE] = "fetch_image",
    [STEP_MAKE_OVERLAY] = "make_overlay",
    [STEP_MAKE_CONFIG_DRIVE] = "make_config_drive",
    [STEP_PLUG_NETWORK] = "plug_network",
    [STEP_NOTE_REBOOT] = "note_reboot",
    [STEP_DEFINE] = "define",
    [STEP_START] = "start",
    [STEP_NOTE_STARTED] = "note_started",
    [STEP_PAUSE] = "pause",
    [STEP_UNPAUSE] = "unpause",
    [STEP_SUSPEND] = "suspend",
    [STEP_SHUTDOWN] = "shutdown",
    [STEP_DESTROY] = "destroy",
    [STEP_UNDEFINE] = "undefine",
    [STEP_UNPLUG_NETWORK] = "unplug_network",
    [STEP_REMOVE_FILES] = "remove_files",
    [STEP_NOTE_ABSENT] = "note_absent",
};

static struct plan plan_running(const struct wanted *wanted, const struct actual *actual);
static struct plan plan_stopped(const struct wanted *wanted, const struct actual *actual);
static struct plan plan_absent(const struct wanted *wanted, const struct actual *actual);
static struct plan plan_paused(const struct wanted *wanted, const struct actual *actual);
static struct plan plan_suspended(const struct wanted *wanted, const struct actual *actual);

const char *
power_name(enum power power)
{
    return POWER_NAMES[power];
}

const char *
step_name(enum step step)
{
    return STEP_NAMES[step];
}

struct plan
plan(const struct wanted *wanted, const struct actual *actual)
{
    switch (wanted->want) {
    case WANT_RUNNING:
        return plan_running(wanted, actual);
    case WANT_STOPPED:
        return plan_stopped(wanted, actual);
    case WANT_PAUSED:
        return plan_paused(wanted, actual);
    case WANT_SUSPENDED:
        return plan_suspended(wanted, actual);
    default:
        return plan_absent(wanted, actual);
    }
}

static void
add_if(struct plan *next, bool condition, enum step step)
{
    if (condition) {
        next->steps[next->n_steps++] = step;
    }
}

static bool
is_up(const struct actual *actual)
{
    return actual->power == POWER_RUNNING || actual->power == POWER_PAUSED;
}

// A guest that was started for this order and is down has shut itself down, or was stopped with an
// earlier order's leave: it stays down until a newer order, a reboot, or the host's own reboot.
static bool
is_finished(const struct wanted *wanted, const struct actual *actual)
{
    return actual->started_generation == wanted->generation &&
           actual->reboot_done >= wanted->reboot_count && !actual->host_rebooted;
}

static struct plan
plan_start(const struct wanted *wanted, const struct actual *actual)
{
    struct plan next = {.outcome = OUTCOME_PENDING};
    add_if(&next, !actual->has_base, STEP_FETCH_IMAGE);
    add_if(&next, !actual->has_overlay, STEP_MAKE_OVERLAY);
    add_if(&next, wanted->config_drive && !actual->has_config_drive, STEP_MAKE_CONFIG_DRIVE);
    add_if(&next, !actual->has_network, STEP_PLUG_NETWORK);
    add_if(&next, actual->reboot_done != wanted->reboot_count, STEP_NOTE_REBOOT);
    add_if(&next, true, STEP_DEFINE);
    add_if(&next, true, STEP_START);
    add_if(&next, true, STEP_NOTE_STARTED);
    return next;
}

// Asks, waits, asks again, then pulls the plug.
static struct plan
plan_shutdown(const struct wanted *wanted, const struct actual *actual)
{
    struct plan next = {.outcome = OUTCOME_PENDING};
    int64_t left_ms = wanted->shutdown_timeout_ms - actual->shutdown_ms;
    int64_t quiet_ms =
        wanted->shutdown_again_ms ? wanted->shutdown_again_ms - actual->asked_ms : left_ms;
    if (actual->power == POWER_PAUSED || wanted->shutdown_timeout_ms == 0) {
        add_if(&next, true, STEP_DESTROY);
    } else if (actual->shutdown_ms < 0) {
        add_if(&next, true, STEP_SHUTDOWN);
    } else if (left_ms <= 0) {
        add_if(&next, true, STEP_DESTROY);
    } else if (quiet_ms <= 0) {
        add_if(&next, true, STEP_SHUTDOWN);
    } else {
        next.wait_ms = MIN(left_ms, quiet_ms);
    }
    return next;
}

static struct plan
plan_running(const struct wanted *wanted, const struct actual *actual)
{
    if (!is_up(actual)) {
        if (!is_finished(wanted, actual)) {
            return plan_start(wanted, actual);
        }
        return (struct plan){.outcome = OUTCOME_STOPPED};
    }
    bool reboot = actual->reboot_done >= 0 && actual->reboot_done < wanted->reboot_count;
    if (reboot && wanted->reboot_hard) {
        return (struct plan){.steps = {STEP_DESTROY}, .n_steps = 1, .outcome = OUTCOME_PENDING};
    }
    if (reboot) {
        return plan_shutdown(wanted, actual);
    }
    struct plan next = {.outcome = OUTCOME_RUNNING};
    add_if(&next, !actual->has_network, STEP_PLUG_NETWORK);
    // Paused by an earlier order; what pauses under this one (its disk is full, say) is left alone.
    add_if(&next, actual->power == POWER_PAUSED && actual->started_generation != wanted->generation,
           STEP_UNPAUSE);
    add_if(&next,
           actual->started_generation != wanted->generation || actual->host_rebooted ||
               actual->reboot_done < 0,
           STEP_NOTE_STARTED);
    return next;
}

static struct plan
plan_stopped(const struct wanted *wanted, const struct actual *actual)
{
    return is_up(actual) ? plan_shutdown(wanted, actual)
                         : (struct plan){.outcome = OUTCOME_STOPPED};
}

// After the host's own reboot the guest is started first: what it was doing is gone.
static struct plan
plan_paused(const struct wanted *wanted, const struct actual *actual)
{
    struct plan next = {.outcome = OUTCOME_PAUSED};
    if (!is_up(actual)) {
        return actual->host_rebooted ? plan_start(wanted, actual)
                                     : (struct plan){.outcome = OUTCOME_STOPPED};
    }
    add_if(&next, !actual->has_network, STEP_PLUG_NETWORK);
    add_if(&next, actual->power != POWER_PAUSED, STEP_PAUSE);
    return next;
}

static struct plan
plan_suspended(const struct wanted *wanted, const struct actual *actual)
{
    struct plan next = {.outcome = OUTCOME_SUSPENDED};
    add_if(&next, is_up(actual), STEP_SUSPEND);
    return next;
}

static struct plan
plan_absent(const struct wanted *wanted, const struct actual *actual)
{
    struct plan next = {.outcome = OUTCOME_ABSENT};
    if (actual->absent_done) {
        return next;
    }
    add_if(&next, is_up(actual), STEP_DESTROY);
    add_if(&next, actual->power != POWER_NONE, STEP_UNDEFINE);
    add_if(&next, true, STEP_UNPLUG_NETWORK);
    add_if(&next, actual->has_files, STEP_REMOVE_FILES);
    add_if(&next, true, STEP_NOTE_ABSENT);
    return next;
}
