// SPDX-License-Identifier: Apache-2.0
#include "common/base/background.h"

#include <glib.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NICE 10         // more than the rest of the process
#define TURN_NS 100000u // who wakes up does not wait for longer than this (Linux 6.12)

// sched_setattr(2): the C library has neither the call nor the struct yet.
struct attributes {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime_ns, deadline_ns, period_ns;
};

int
background_threads(void)
{
    return MAX((int)g_get_num_processors() - 1, 1);
}

void
background_enter(void)
{
    static _Thread_local bool done;
    if (done) {
        return;
    }
    done = true;
    const struct attributes wanted = {.size = sizeof wanted,
                                      .policy = SCHED_BATCH,
                                      .nice = MIN(getpriority(PRIO_PROCESS, 0) + NICE, 19),
                                      .runtime_ns = TURN_NS};
    if (syscall(SYS_sched_setattr, 0, &wanted, 0)) {
        setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), wanted.nice);
    }
}
