// SPDX-License-Identifier: Apache-2.0
// The life-cycle table of servers.
#include "services/compute/core/life.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "common/base/util.h"

struct look { // how Nova shows a state
    const char *vm_state, *task_state, *status;
};

// clang-format off
static const struct look looks[N_LIFE_STATES] = {
    [LIFE_SCHEDULING]             = {"building", "scheduling",   "BUILD"},
    [LIFE_NETWORKING]             = {"building", "networking",   "BUILD"},
    [LIFE_SPAWNING]               = {"building", "spawning",     "BUILD"},
    [LIFE_ACTIVE]                 = {"active",   NULL,           "ACTIVE"},
    [LIFE_STOPPED]                = {"stopped",  NULL,           "SHUTOFF"},
    [LIFE_ERROR]                  = {"error",    NULL,           "ERROR"},
    [LIFE_REBOOTING]              = {"active",   "rebooting",    "REBOOT"},
    [LIFE_REBOOTING_HARD]         = {"active",   "rebooting_hard", "HARD_REBOOT"},
    [LIFE_STOPPED_REBOOTING_HARD] = {"stopped",  "rebooting_hard", "HARD_REBOOT"},
    [LIFE_ERROR_REBOOTING_HARD]   = {"error",    "rebooting_hard", "HARD_REBOOT"},
    [LIFE_POWERING_OFF]           = {"active",   "powering-off", "ACTIVE"},
    [LIFE_ERROR_POWERING_OFF]     = {"error",    "powering-off", "ERROR"},
    [LIFE_POWERING_ON]            = {"stopped",  "powering-on",  "SHUTOFF"},
    [LIFE_PAUSED]                 = {"paused",   NULL,           "PAUSED"},
    [LIFE_PAUSING]                = {"active",   "pausing",      "ACTIVE"},
    [LIFE_UNPAUSING]              = {"paused",   "unpausing",    "PAUSED"},
    [LIFE_PAUSED_REBOOTING_HARD]  = {"paused",   "rebooting_hard", "HARD_REBOOT"},
    [LIFE_SUSPENDED]              = {"suspended", NULL,          "SUSPENDED"},
    [LIFE_SUSPENDING]             = {"active",   "suspending",   "ACTIVE"},
    [LIFE_RESUMING]               = {"suspended", "resuming",    "SUSPENDED"},
    [LIFE_REBUILDING]             = {"active",   "rebuilding",   "REBUILD"},
    [LIFE_STOPPED_REBUILDING]     = {"stopped",  "rebuilding",   "REBUILD"},
    [LIFE_ERROR_REBUILDING]       = {"error",    "rebuilding",   "REBUILD"},
    [LIFE_REBUILD_SPAWNING]       = {"active",   "rebuild_spawning", "REBUILD"},
    [LIFE_STOPPED_REBUILD_SPAWNING] = {"stopped", "rebuild_spawning", "REBUILD"},
    [LIFE_BUILDING_DELETING]      = {"building", "deleting",     "BUILD"},
    [LIFE_ACTIVE_DELETING]        = {"active",   "deleting",     "ACTIVE"},
    [LIFE_STOPPED_DELETING]       = {"stopped",  "deleting",     "SHUTOFF"},
    [LIFE_ERROR_DELETING]         = {"error",    "deleting",     "ERROR"},
    [LIFE_PAUSED_DELETING]        = {"paused",   "deleting",     "PAUSED"},
    [LIFE_SUSPENDED_DELETING]     = {"suspended", "deleting",    "SUSPENDED"},
    [LIFE_DELETED]                = {"deleted",  NULL,           "DELETED"},
};

static const char *const state_names[N_LIFE_STATES] = {
    [LIFE_SCHEDULING] = "building/scheduling",
    [LIFE_NETWORKING] = "building/networking",
    [LIFE_SPAWNING] = "building/spawning",
    [LIFE_ACTIVE] = "active",
    [LIFE_STOPPED] = "stopped",
    [LIFE_ERROR] = "error",
    [LIFE_REBOOTING] = "active/rebooting",
    [LIFE_REBOOTING_HARD] = "active/rebooting_hard",
    [LIFE_STOPPED_REBOOTING_HARD] = "stopped/rebooting_hard",
    [LIFE_ERROR_REBOOTING_HARD] = "error/rebooting_hard",
    [LIFE_POWERING_OFF] = "active/powering-off",
    [LIFE_ERROR_POWERING_OFF] = "error/powering-off",
    [LIFE_POWERING_ON] = "stopped/powering-on",
    [LIFE_PAUSED] = "paused",
    [LIFE_PAUSING] = "active/pausing",
    [LIFE_UNPAUSING] = "paused/unpausing",
    [LIFE_PAUSED_REBOOTING_HARD] = "paused/rebooting_hard",
    [LIFE_SUSPENDED] = "suspended",
    [LIFE_SUSPENDING] = "active/suspending",
    [LIFE_RESUMING] = "suspended/resuming",
    [LIFE_REBUILDING] = "active/rebuilding",
    [LIFE_STOPPED_REBUILDING] = "stopped/rebuilding",
    [LIFE_ERROR_REBUILDING] = "error/rebuilding",
    [LIFE_REBUILD_SPAWNING] = "active/rebuild_spawning",
    [LIFE_STOPPED_REBUILD_SPAWNING] = "stopped/rebuild_spawning",
    [LIFE_BUILDING_DELETING] = "building/deleting",
    [LIFE_ACTIVE_DELETING] = "active/deleting",
    [LIFE_STOPPED_DELETING] = "stopped/deleting",
    [LIFE_ERROR_DELETING] = "error/deleting",
    [LIFE_PAUSED_DELETING] = "paused/deleting",
    [LIFE_SUSPENDED_DELETING] = "suspended/deleting",
    [LIFE_DELETED] = "deleted",
};

static const char *const event_names[N_LIFE_EVENTS] = {
    [LIFE_EV_PLACED] = "placed",
    [LIFE_EV_ORDERED] = "ordered",
    [LIFE_EV_RUNNING] = "running",
    [LIFE_EV_HALTED] = "halted",
    [LIFE_EV_PAUSED] = "paused",
    [LIFE_EV_SUSPENDED] = "suspended",
    [LIFE_EV_ABSENT] = "absent",
    [LIFE_EV_FAILED] = "failed",
    [LIFE_EV_START] = "os-start",
    [LIFE_EV_STOP] = "os-stop",
    [LIFE_EV_REBOOT_SOFT] = "reboot soft",
    [LIFE_EV_REBOOT_HARD] = "reboot hard",
    [LIFE_EV_REBUILD] = "rebuild",
    [LIFE_EV_PAUSE] = "pause",
    [LIFE_EV_UNPAUSE] = "unpause",
    [LIFE_EV_SUSPEND] = "suspend",
    [LIFE_EV_RESUME] = "resume",
    [LIFE_EV_DELETE] = "delete",
    [LIFE_EV_RESET_ACTIVE] = "reset to active",
    [LIFE_EV_RESET_ERROR] = "reset to error",
};

static const struct fsm_row rows[] = {
    // building
    {LIFE_SCHEDULING,             LIFE_EV_PLACED,      LIFE_NETWORKING,             "make ports"},
    {LIFE_NETWORKING,             LIFE_EV_ORDERED,     LIFE_SPAWNING,               "order"},
    {LIFE_SPAWNING,               LIFE_EV_RUNNING,     LIFE_ACTIVE,                 "open usage"},
    {LIFE_SCHEDULING,             LIFE_EV_FAILED,      LIFE_ERROR,                  "release"},
    {LIFE_NETWORKING,             LIFE_EV_FAILED,      LIFE_ERROR,                  "release"},
    {LIFE_SPAWNING,               LIFE_EV_FAILED,      LIFE_ERROR,                  "release"},
    // power: asked for
    {LIFE_STOPPED,                LIFE_EV_START,       LIFE_POWERING_ON,            "order"},
    {LIFE_ACTIVE,                 LIFE_EV_STOP,        LIFE_POWERING_OFF,           "order"},
    {LIFE_ERROR,                  LIFE_EV_STOP,        LIFE_ERROR_POWERING_OFF,     "order"},
    {LIFE_ACTIVE,                 LIFE_EV_REBOOT_SOFT, LIFE_REBOOTING,              "order"},
    {LIFE_ACTIVE,                 LIFE_EV_REBOOT_HARD, LIFE_REBOOTING_HARD,         "order"},
    {LIFE_REBOOTING,              LIFE_EV_REBOOT_HARD, LIFE_REBOOTING_HARD,         "order"},
    {LIFE_REBOOTING_HARD,         LIFE_EV_REBOOT_HARD, LIFE_REBOOTING_HARD,         "order"},
    {LIFE_STOPPED,                LIFE_EV_REBOOT_HARD, LIFE_STOPPED_REBOOTING_HARD, "order"},
    {LIFE_ERROR,                  LIFE_EV_REBOOT_HARD, LIFE_ERROR_REBOOTING_HARD,   "order"},
    // power: done, or not
    {LIFE_REBOOTING,              LIFE_EV_RUNNING,     LIFE_ACTIVE,                 ""},
    {LIFE_REBOOTING_HARD,         LIFE_EV_RUNNING,     LIFE_ACTIVE,                 ""},
    {LIFE_STOPPED_REBOOTING_HARD, LIFE_EV_RUNNING,     LIFE_ACTIVE,                 ""},
    {LIFE_ERROR_REBOOTING_HARD,   LIFE_EV_RUNNING,     LIFE_ACTIVE,                 ""},
    {LIFE_POWERING_ON,            LIFE_EV_RUNNING,     LIFE_ACTIVE,                 ""},
    {LIFE_POWERING_OFF,           LIFE_EV_HALTED,      LIFE_STOPPED,                ""},
    {LIFE_ERROR_POWERING_OFF,     LIFE_EV_HALTED,      LIFE_STOPPED,                ""},
    {LIFE_REBOOTING,              LIFE_EV_FAILED,      LIFE_ERROR,                  ""},
    {LIFE_REBOOTING_HARD,         LIFE_EV_FAILED,      LIFE_ERROR,                  ""},
    {LIFE_STOPPED_REBOOTING_HARD, LIFE_EV_FAILED,      LIFE_ERROR,                  ""},
    {LIFE_ERROR_REBOOTING_HARD,   LIFE_EV_FAILED,      LIFE_ERROR,                  ""},
    {LIFE_POWERING_ON,            LIFE_EV_FAILED,      LIFE_ERROR,                  ""},
    {LIFE_POWERING_OFF,           LIFE_EV_FAILED,      LIFE_ERROR,                  ""},
    {LIFE_ERROR_POWERING_OFF,     LIFE_EV_FAILED,      LIFE_ERROR,                  ""},
    // in its tracks, or saved to the host's disk
    {LIFE_ACTIVE,                 LIFE_EV_PAUSE,       LIFE_PAUSING,                "order"},
    {LIFE_PAUSED,                 LIFE_EV_UNPAUSE,     LIFE_UNPAUSING,              "order"},
    {LIFE_ACTIVE,                 LIFE_EV_SUSPEND,     LIFE_SUSPENDING,             "order"},
    {LIFE_SUSPENDED,              LIFE_EV_RESUME,      LIFE_RESUMING,               "order"},
    {LIFE_PAUSED,                 LIFE_EV_REBOOT_HARD, LIFE_PAUSED_REBOOTING_HARD,  "order"},
    {LIFE_PAUSING,                LIFE_EV_PAUSED,      LIFE_PAUSED,                 ""},
    {LIFE_UNPAUSING,              LIFE_EV_RUNNING,     LIFE_ACTIVE,                 ""},
    {LIFE_SUSPENDING,             LIFE_EV_SUSPENDED,   LIFE_SUSPENDED,              ""},
    {LIFE_RESUMING,               LIFE_EV_RUNNING,     LIFE_ACTIVE,                 ""},
    {LIFE_PAUSED_REBOOTING_HARD,  LIFE_EV_RUNNING,     LIFE_ACTIVE,                 ""},
    {LIFE_PAUSING,                LIFE_EV_HALTED,      LIFE_STOPPED,                ""},
    {LIFE_UNPAUSING,              LIFE_EV_HALTED,      LIFE_STOPPED,                ""},
    {LIFE_PAUSED,                 LIFE_EV_HALTED,      LIFE_STOPPED,                ""},
    {LIFE_PAUSING,                LIFE_EV_FAILED,      LIFE_ERROR,                  ""},
    {LIFE_UNPAUSING,              LIFE_EV_FAILED,      LIFE_ERROR,                  ""},
    {LIFE_SUSPENDING,             LIFE_EV_FAILED,      LIFE_ERROR,                  ""},
    {LIFE_RESUMING,               LIFE_EV_FAILED,      LIFE_ERROR,                  ""},
    {LIFE_PAUSED_REBOOTING_HARD,  LIFE_EV_FAILED,      LIFE_ERROR,                  ""},
    {LIFE_PAUSED,                 LIFE_EV_PAUSED,      LIFE_PAUSED,                 ""},
    {LIFE_SUSPENDED,              LIFE_EV_SUSPENDED,   LIFE_SUSPENDED,              ""},
    // another image in the same place
    {LIFE_ACTIVE,                 LIFE_EV_REBUILD,     LIFE_REBUILDING,             "order absent"},
    {LIFE_STOPPED,                LIFE_EV_REBUILD,     LIFE_STOPPED_REBUILDING,     "order absent"},
    {LIFE_ERROR,                  LIFE_EV_REBUILD,     LIFE_ERROR_REBUILDING,       "order absent"},
    {LIFE_REBUILDING,             LIFE_EV_ABSENT,      LIFE_REBUILD_SPAWNING,       "order"},
    {LIFE_STOPPED_REBUILDING,     LIFE_EV_ABSENT,      LIFE_STOPPED_REBUILD_SPAWNING, "order"},
    {LIFE_ERROR_REBUILDING,       LIFE_EV_ABSENT,      LIFE_REBUILD_SPAWNING,       "order"},
    {LIFE_REBUILD_SPAWNING,       LIFE_EV_RUNNING,     LIFE_ACTIVE,                 ""},
    {LIFE_STOPPED_REBUILD_SPAWNING, LIFE_EV_HALTED,    LIFE_STOPPED,                ""},
    {LIFE_REBUILDING,             LIFE_EV_FAILED,      LIFE_ERROR,                  ""},
    {LIFE_STOPPED_REBUILDING,     LIFE_EV_FAILED,      LIFE_ERROR,                  ""},
    {LIFE_ERROR_REBUILDING,       LIFE_EV_FAILED,      LIFE_ERROR,                  ""},
    {LIFE_REBUILD_SPAWNING,       LIFE_EV_FAILED,      LIFE_ERROR,                  ""},
    {LIFE_STOPPED_REBUILD_SPAWNING, LIFE_EV_FAILED,    LIFE_ERROR,                  ""},
    {LIFE_REBUILDING,             LIFE_EV_DELETE,      LIFE_ACTIVE_DELETING,        "order absent"},
    {LIFE_REBUILD_SPAWNING,       LIFE_EV_DELETE,      LIFE_ACTIVE_DELETING,        "order absent"},
    {LIFE_STOPPED_REBUILDING,     LIFE_EV_DELETE,      LIFE_STOPPED_DELETING,       "order absent"},
    {LIFE_STOPPED_REBUILD_SPAWNING, LIFE_EV_DELETE,    LIFE_STOPPED_DELETING,       "order absent"},
    {LIFE_ERROR_REBUILDING,       LIFE_EV_DELETE,      LIFE_ERROR_DELETING,         "order absent"},
    // what a guest does by itself
    {LIFE_ACTIVE,                 LIFE_EV_HALTED,      LIFE_STOPPED,                ""},
    {LIFE_STOPPED,                LIFE_EV_RUNNING,     LIFE_ACTIVE,                 ""},
    {LIFE_ACTIVE,                 LIFE_EV_FAILED,      LIFE_ERROR,                  ""},
    {LIFE_ACTIVE,                 LIFE_EV_RUNNING,     LIFE_ACTIVE,                 ""},
    {LIFE_STOPPED,                LIFE_EV_HALTED,      LIFE_STOPPED,                ""},
    // the end
    {LIFE_SCHEDULING,             LIFE_EV_DELETE,      LIFE_BUILDING_DELETING,      "order absent"},
    {LIFE_NETWORKING,             LIFE_EV_DELETE,      LIFE_BUILDING_DELETING,      "order absent"},
    {LIFE_SPAWNING,               LIFE_EV_DELETE,      LIFE_BUILDING_DELETING,      "order absent"},
    {LIFE_ACTIVE,                 LIFE_EV_DELETE,      LIFE_ACTIVE_DELETING,        "order absent"},
    {LIFE_REBOOTING,              LIFE_EV_DELETE,      LIFE_ACTIVE_DELETING,        "order absent"},
    {LIFE_REBOOTING_HARD,         LIFE_EV_DELETE,      LIFE_ACTIVE_DELETING,        "order absent"},
    {LIFE_POWERING_OFF,           LIFE_EV_DELETE,      LIFE_ACTIVE_DELETING,        "order absent"},
    {LIFE_STOPPED,                LIFE_EV_DELETE,      LIFE_STOPPED_DELETING,       "order absent"},
    {LIFE_POWERING_ON,            LIFE_EV_DELETE,      LIFE_STOPPED_DELETING,       "order absent"},
    {LIFE_STOPPED_REBOOTING_HARD, LIFE_EV_DELETE,      LIFE_STOPPED_DELETING,       "order absent"},
    {LIFE_ERROR,                  LIFE_EV_DELETE,      LIFE_ERROR_DELETING,         "order absent"},
    {LIFE_ERROR_REBOOTING_HARD,   LIFE_EV_DELETE,      LIFE_ERROR_DELETING,         "order absent"},
    {LIFE_ERROR_POWERING_OFF,     LIFE_EV_DELETE,      LIFE_ERROR_DELETING,         "order absent"},
    {LIFE_PAUSING,                LIFE_EV_DELETE,      LIFE_ACTIVE_DELETING,        "order absent"},
    {LIFE_SUSPENDING,             LIFE_EV_DELETE,      LIFE_ACTIVE_DELETING,        "order absent"},
    {LIFE_PAUSED,                 LIFE_EV_DELETE,      LIFE_PAUSED_DELETING,        "order absent"},
    {LIFE_UNPAUSING,              LIFE_EV_DELETE,      LIFE_PAUSED_DELETING,        "order absent"},
    {LIFE_PAUSED_REBOOTING_HARD,  LIFE_EV_DELETE,      LIFE_PAUSED_DELETING,        "order absent"},
    {LIFE_SUSPENDED,              LIFE_EV_DELETE,      LIFE_SUSPENDED_DELETING,     "order absent"},
    {LIFE_RESUMING,               LIFE_EV_DELETE,      LIFE_SUSPENDED_DELETING,     "order absent"},
    {LIFE_PAUSED_DELETING,        LIFE_EV_DELETE,      LIFE_PAUSED_DELETING,        ""},
    {LIFE_SUSPENDED_DELETING,     LIFE_EV_DELETE,      LIFE_SUSPENDED_DELETING,     ""},
    {LIFE_PAUSED_DELETING,        LIFE_EV_ABSENT,      LIFE_DELETED,                "close usage"},
    {LIFE_SUSPENDED_DELETING,     LIFE_EV_ABSENT,      LIFE_DELETED,                "close usage"},
    {LIFE_BUILDING_DELETING,      LIFE_EV_DELETE,      LIFE_BUILDING_DELETING,      ""},
    {LIFE_ACTIVE_DELETING,        LIFE_EV_DELETE,      LIFE_ACTIVE_DELETING,        ""},
    {LIFE_STOPPED_DELETING,       LIFE_EV_DELETE,      LIFE_STOPPED_DELETING,       ""},
    {LIFE_ERROR_DELETING,         LIFE_EV_DELETE,      LIFE_ERROR_DELETING,         ""},
    {LIFE_BUILDING_DELETING,      LIFE_EV_ABSENT,      LIFE_DELETED,                "close usage"},
    {LIFE_ACTIVE_DELETING,        LIFE_EV_ABSENT,      LIFE_DELETED,                "close usage"},
    {LIFE_STOPPED_DELETING,       LIFE_EV_ABSENT,      LIFE_DELETED,                "close usage"},
    {LIFE_ERROR_DELETING,         LIFE_EV_ABSENT,      LIFE_DELETED,                "close usage"},
    // the operator
    {LIFE_ACTIVE,                 LIFE_EV_RESET_ERROR,  LIFE_ERROR,                 ""},
    {LIFE_STOPPED,                LIFE_EV_RESET_ERROR,  LIFE_ERROR,                 ""},
    {LIFE_ERROR,                  LIFE_EV_RESET_ERROR,  LIFE_ERROR,                 ""},
    {LIFE_PAUSED,                 LIFE_EV_RESET_ERROR,  LIFE_ERROR,                 ""},
    {LIFE_SUSPENDED,              LIFE_EV_RESET_ERROR,  LIFE_ERROR,                 ""},
    {LIFE_PAUSED,                 LIFE_EV_RESET_ACTIVE, LIFE_ACTIVE,                ""},
    {LIFE_SUSPENDED,              LIFE_EV_RESET_ACTIVE, LIFE_ACTIVE,                ""},
    {LIFE_ACTIVE,                 LIFE_EV_RESET_ACTIVE, LIFE_ACTIVE,                ""},
    {LIFE_STOPPED,                LIFE_EV_RESET_ACTIVE, LIFE_ACTIVE,                ""},
    {LIFE_ERROR,                  LIFE_EV_RESET_ACTIVE, LIFE_ACTIVE,                ""},
};
// clang-format on

const struct fsm life_fsm = {
    .name = "server",
    .states = state_names,
    .n_states = N_LIFE_STATES,
    .events = event_names,
    .n_events = N_LIFE_EVENTS,
    .rows = rows,
    .n_rows = N_ELEMENTS(rows),
};

static bool
same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

enum life_state
life_state_from(const char *vm_state, const char *task_state)
{
    for (int i = 0; i < N_LIFE_STATES; i++) {
        if (same_text(looks[i].vm_state, vm_state) && same_text(looks[i].task_state, task_state)) {
            return i;
        }
    }
    return N_LIFE_STATES;
}

const char *
life_vm_state(enum life_state state)
{
    return looks[state].vm_state;
}

const char *
life_task_state(enum life_state state)
{
    return looks[state].task_state;
}

const char *
life_status(enum life_state state)
{
    return looks[state].status;
}

int
life_is_deleting(enum life_state state)
{
    return same_text(looks[state].task_state, "deleting");
}

int
life_is_building(enum life_state state)
{
    return state <= LIFE_SPAWNING;
}
