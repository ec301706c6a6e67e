// SPDX-License-Identifier: Apache-2.0
// The scheduler's SQL: leases, claims, and the transactions that carry out transitions.
#pragma once
#include "services/compute/scheduler/scheduler.h"

// Reads the server. RC_NOT_FOUND: missing or deleted.
enum rc work_db_load(struct db *db, const char *server_id, struct job *ret_job,
                     struct err *err) CHECKED;
// Takes the lease of a server that has work (compare-and-set) and reads it. RC_NOT_FOUND: no work,
// or somebody else is at it.
enum rc work_db_lease(struct db *db, const char *server_id, struct job *ret_job,
                      struct err *err) CHECKED;
// Longer, when it is still ours and the state is unchanged; RC_CONFLICT else.
enum rc work_db_renew(struct db *db, const struct job *job, struct err *err) CHECKED;
// The sweeper looks again after due_ms. ret_changed: something else is wanted by now than when the
// job was read.
enum rc work_db_release(struct db *db, const struct job *job, int due_ms, bool *ret_changed,
                        struct err *err) CHECKED;

// Claims the best host that takes the server and goes on to NETWORKING. RC_NOT_FOUND: none;
// ret_reason says why (owned).
enum rc work_db_place(struct db *db, const struct job *job, char **ret_reason,
                      struct err *err) CHECKED;
// Stores what the network made. ports: [{position, mac, mtu, fixed_ips, metadata_port_id,
// metadata_ip, status, …}].
enum rc work_db_store_ports(struct db *db, const struct job *job, json_t *ports,
                            struct err *err) CHECKED;
// Nothing when the server is to have another image by now.
enum rc work_db_store_ticket(struct db *db, const char *server_id, json_t *ticket,
                             struct err *err) CHECKED;
// NETWORKING → SPAWNING with a first generation. RC_CONFLICT: the state has changed.
enum rc work_db_spawn(struct db *db, struct job *job, struct err *err) CHECKED;
// The old guest is gone: the new one is wanted, with a new generation.
enum rc work_db_rebuild_spawn(struct db *db, const struct job *job, struct err *err) CHECKED;
// The order in the outbox, noted in the row. RC_CONFLICT: a newer generation is wanted.
enum rc work_db_order(struct db *db, const struct job *job, json_t *order, struct err *err) CHECKED;

// LIFE_EV_FAILED with a fault; a server that was being built gives back its claim and host, and is
// ordered away.
enum rc work_db_fail(struct db *db, const struct job *job, int code, const char *message,
                     struct err *err) CHECKED;
// LIFE_EV_ABSENT: the row stays as deleted; claim, usage and ports' rows end.
enum rc work_db_finish_delete(struct db *db, const struct job *job, struct err *err) CHECKED;

struct state_event { // what an agent said about a server
    const char *server_id, *host, *state, *power_state, *message;
    int64_t generation;
    bool waits_for_ports;
    bool needs_work; // out: the steps have to go on now
};
// In one transaction: notes it, and makes the transition it allows (RUNNING becomes ACTIVE with
// usage when its ports are up).
enum rc work_db_note_state(struct db *db, struct state_event *event, struct err *err) CHECKED;
struct port_event { // what the network said about a port
    const char *port_id, *status;
    char server_id[40]; // out
};
// RC_NOT_FOUND: not a server's port.
enum rc work_db_note_port(struct db *db, struct port_event *event, struct err *err) CHECKED;
// SPAWNING → ACTIVE when the agent says running and the ports are up (or need not be).
enum rc work_db_try_activate(struct db *db, const char *server_id, bool waits_for_ports,
                             struct err *err) CHECKED;

// Servers whose time has come: column id.
enum rc work_db_due(struct db *db, db_result **ret_rows, struct err *err) CHECKED;
enum rc work_db_set_floating(struct db *db, const char *json, struct err *err) CHECKED;
// addresses: array of texts, borrowed. A port that no server has is no error.
enum rc work_db_set_port_floating(struct db *db, const char *port_id, json_t *addresses,
                                  struct err *err) CHECKED;
enum rc work_db_heartbeat(struct db *db, const char *host, struct err *err) CHECKED;

struct host_report {
    const char *host, *boot_id, *hypervisor_type, *arch, *cpu_model, *address, *zone;
    int64_t hypervisor_version, vcpus, ram_mib, disk_gib;
    int cpu_percent, ram_percent, disk_percent;
    char *used_json, *servers_json;
};
enum rc report_db_store(struct db *db, const struct host_report *report, struct err *err) CHECKED;
// Columns server_id, kind ("order": lacks it or has it too old; "unknown": nobody's; "state": runs
// or halted unlike the row; "gone": ordered away and not there any more), generation, power_state.
enum rc report_db_differences(struct db *db, const struct host_report *report, db_result **ret_rows,
                              struct err *err) CHECKED;
