// SPDX-License-Identifier: Apache-2.0
// From what a server should be and what it is to the steps that are next. Pure. apply.c carries the
// steps out and asks again, until no step is left: a full recompute is always right.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "services/compute/hypervisor/order.h"

enum power {
    POWER_NONE, // no domain
    POWER_OFF,
    POWER_RUNNING,
    POWER_PAUSED,
    POWER_CRASHED,
    N_POWER,
};
const char *
power_name(enum power power); // Nova's words: nostate, shutdown, running, paused, crashed

enum step {
    STEP_FETCH_IMAGE,
    STEP_MAKE_OVERLAY,
    STEP_MAKE_CONFIG_DRIVE,
    STEP_PLUG_NETWORK,
    STEP_NOTE_REBOOT, // durable before the start that completes it, so that no reboot happens twice
    STEP_DEFINE,
    STEP_START,
    STEP_NOTE_STARTED,
    STEP_PAUSE,
    STEP_UNPAUSE,
    STEP_SUSPEND,  // saves its memory to the host's disk
    STEP_SHUTDOWN, // asks the guest
    STEP_DESTROY,  // pulls the plug
    STEP_UNDEFINE,
    STEP_UNPLUG_NETWORK,
    STEP_REMOVE_FILES,
    STEP_NOTE_ABSENT,
    N_STEPS,
};
const char *step_name(enum step step);

enum outcome {
    OUTCOME_PENDING,
    OUTCOME_RUNNING,
    OUTCOME_STOPPED,
    OUTCOME_ABSENT,
    OUTCOME_PAUSED,
    OUTCOME_SUSPENDED,
};

struct wanted {
    enum want want;
    int64_t generation;
    int64_t reboot_count;
    bool reboot_hard;
    bool config_drive;
    int64_t shutdown_timeout_ms; // how long a guest may take to obey
    int64_t shutdown_again_ms;   // asked again so often: a guest that boots does not hear; 0: once
};
struct actual {
    enum power power;
    bool has_base, has_overlay, has_config_drive, has_network, has_files;
    bool absent_done;
    bool host_rebooted;         // since the guest was started: then it is started again
    int64_t started_generation; // 0: not started
    int64_t reboot_done;        // -1: never started
    int64_t shutdown_ms;        // since the guest was first asked to shut down; -1: not asked
    int64_t asked_ms;           // since it was asked last
};
struct plan {
    enum step steps[N_STEPS];
    size_t n_steps;
    int64_t wait_ms;      // with no steps: look again after this time; 0: nothing to wait for
    enum outcome outcome; // with no steps and nothing to wait for: what has been reached
};
struct plan plan(const struct wanted *wanted, const struct actual *actual);
