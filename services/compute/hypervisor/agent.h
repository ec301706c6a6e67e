// SPDX-License-Identifier: Apache-2.0
// The agent's parts, as its own files share them: orders come in (agent.c), each server is brought
// to where it should be (server.c, apply.c), and the scheduler is told (report.c).
#pragma once
#include <glib.h>

#include "common/service/service.h"
#include "services/compute/hypervisor/converge.h"
#include "services/compute/hypervisor/desired.h"
#include "services/compute/hypervisor/driver.h"
#include "services/compute/hypervisor/image_cache.h"
#include "services/compute/hypervisor/metadata_net.h"
#include "services/compute/hypervisor/metadata_server.h"

struct agent {
    struct service *service;
    const struct conf *conf;
    char *host;
    const char *state_dir;
    char boot_id[UUID_SIZE];
    const struct driver *driver;
    void *driver_self;
    struct desired *desired;
    struct image_cache *images;
    struct metadata_net *net; // NULL: no switch here
    struct metadata_server *metadata;
    struct converge *converge;
    GMutex mutex;         // guards tracks and what they hold
    GHashTable *tracks;   // server id → struct track *
    int64_t confirmed_ms; // report thread's: when the broker last confirmed a report
    bool fenced;          // report thread's
    bool has_started;     // report thread's: a report has been sent
};
// What is remembered of a server between two looks at it; gone with the process.
struct track {
    unsigned attempts;   // failed ones in a row
    int64_t due_ms;      // no attempt before this, whoever wakes us; monotonic
    int64_t shutdown_ms; // when the guest was first asked to shut down, monotonic; -1: not asked
    int64_t asked_ms;    // when it was asked last
    char reported[160];  // the last state the scheduler was told; "": none
};

// Found or made; agent->mutex is held while it is used.
struct track *track_get(struct agent *agent, const char *server_id);

// server.c: one look at a server. A converge_fn.
int64_t server_converge(const char *server_id, void *agent);
void server_wake_all(struct agent *agent);
// The scheduler has been told what became of that order.
bool server_is_settled(struct agent *agent, const char *server_id, int64_t generation);
void server_report_again(struct agent *agent, const char *server_id); // NULL: all

// apply.c: what there is, and one step. The step may change record's progress, which then is
// stored.
enum rc apply_observe(struct agent *agent, const struct server_record *record,
                      struct actual *ret_actual, struct err *err) CHECKED;
enum rc apply_step(struct agent *agent, struct server_record *record, enum step step,
                   struct err *err) CHECKED;

// report.c
struct state_report {
    const char *server_id, *state, *step, *message;
    int64_t generation;
    enum power power;
};
enum rc report_state(struct agent *agent, const struct state_report *report,
                     struct err *err) CHECKED;
void report_host(void *agent); // every few seconds; keeps the lease
