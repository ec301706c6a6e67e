// SPDX-License-Identifier: Apache-2.0
// A server's life cycle as Nova shows it: one table of transitions, and what each state is called.
// Pure. The API asks what a request may start, the scheduler what an event of the agent or a passed
// deadline leads to. Nothing else assigns vm_state and task_state.
#pragma once
#include "common/fsm/fsm.h"

enum life_state {
    LIFE_SCHEDULING, // building, waiting for a host
    LIFE_NETWORKING, // building, host claimed, ports being made
    LIFE_SPAWNING,   // building, the host has its order
    LIFE_ACTIVE,
    LIFE_STOPPED,
    LIFE_ERROR,
    LIFE_REBOOTING,
    LIFE_REBOOTING_HARD,
    LIFE_STOPPED_REBOOTING_HARD,
    LIFE_ERROR_REBOOTING_HARD,
    LIFE_POWERING_OFF,
    LIFE_ERROR_POWERING_OFF,
    LIFE_POWERING_ON,
    LIFE_PAUSED,
    LIFE_PAUSING,
    LIFE_UNPAUSING,
    LIFE_PAUSED_REBOOTING_HARD,
    LIFE_SUSPENDED,
    LIFE_SUSPENDING,
    LIFE_RESUMING,
    LIFE_REBUILDING, // the host takes the old guest away
    LIFE_STOPPED_REBUILDING,
    LIFE_ERROR_REBUILDING,
    LIFE_REBUILD_SPAWNING, // and makes the new one
    LIFE_STOPPED_REBUILD_SPAWNING,
    LIFE_BUILDING_DELETING,
    LIFE_ACTIVE_DELETING,
    LIFE_STOPPED_DELETING,
    LIFE_ERROR_DELETING,
    LIFE_PAUSED_DELETING,
    LIFE_SUSPENDED_DELETING,
    LIFE_DELETED,
    N_LIFE_STATES,
};
enum life_event {
    LIFE_EV_PLACED,    // a host is claimed
    LIFE_EV_ORDERED,   // ports made, order on its way
    LIFE_EV_RUNNING,   // the agent says so, ports are up
    LIFE_EV_HALTED,    // the agent says the guest is off
    LIFE_EV_PAUSED,    // … is stopped in its tracks
    LIFE_EV_SUSPENDED, // … is saved and off
    LIFE_EV_ABSENT,    // nothing of it is left on a host or in the network
    LIFE_EV_FAILED,    // no host, agent's error, deadline
    LIFE_EV_START,
    LIFE_EV_STOP,
    LIFE_EV_REBOOT_SOFT,
    LIFE_EV_REBOOT_HARD,
    LIFE_EV_REBUILD,
    LIFE_EV_PAUSE,
    LIFE_EV_UNPAUSE,
    LIFE_EV_SUSPEND,
    LIFE_EV_RESUME,
    LIFE_EV_DELETE,
    LIFE_EV_RESET_ACTIVE,
    LIFE_EV_RESET_ERROR,
    N_LIFE_EVENTS,
};
extern const struct fsm life_fsm;

enum life_state life_state_from(const char *vm_state,
                                const char *task_state); // N_LIFE_STATES: no such pair
const char *life_vm_state(enum life_state state);
const char *life_task_state(enum life_state state); // NULL: none
const char *life_status(enum life_state state);     // "ACTIVE", "SHUTOFF" …
int life_is_deleting(enum life_state state);
int life_is_building(enum life_state state);
