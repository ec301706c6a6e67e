// SPDX-License-Identifier: Apache-2.0
// The scheduler drives servers' rows from what they are to what is wanted: places, claims, makes
// ports, orders, and takes in what agents say. Any number may run: who holds a row's lease does its
// next step, and every step may run twice.
#pragma once
#include "common/bus/bus.h"
#include "common/client/client.h"
#include "common/db/db.h"
#include "services/compute/core/cache.h"
#include "services/compute/core/life.h"

struct scheduler { // constant after start
    struct db_pool *pool;
    struct bus *bus;
    struct client *client;
    struct cache *cache; // subnets and networks, for a moment
    char *network_url, *image_url;
    bool waits_for_ports;
    int cpu_percent, ram_percent, disk_percent; // ratios a new host starts with
    char *zone;
};

struct job { // one server and everything about it, read together
    char id[40];
    enum life_state state;
    int64_t generation;
    json_t *server;  // the row's columns
    json_t *ports;   // array of server_port's rows
    json_t *host;    // compute_host's row with is_up; null when there is none
    char lease[160]; // this work's own lease; "" without
};
void job_done(struct job *job);
const char *job_text(const struct job *job, const char *column); // NULL for SQL NULL
int64_t job_int(const struct job *job, const char *column);
bool job_flag(const struct job *job, const char *column);
bool job_host_is_up(const struct job *job);

// Does what is next for the server until it has to wait for somebody. Errors are logged; the
// sweeper comes back.
void work_advance(struct scheduler *scheduler, const char *server_id);

// ports.c: the network API. Idempotent; RC_UNAVAILABLE and RC_DEADLINE may be tried again.
enum rc ports_make(struct scheduler *scheduler, struct job *job, struct err *err) CHECKED;
enum rc ports_unmake(struct scheduler *scheduler, const struct job *job, struct err *err) CHECKED;
enum rc ports_ask(struct scheduler *scheduler, const struct job *job,
                  struct err *err) CHECKED; // their status, into rows
void ports_sweep_floating(void *scheduler);
enum rc ports_refresh_floating(struct scheduler *scheduler, const char *port_id,
                               struct err *err) CHECKED;

// order.c: the whole desired state as one message.
enum rc order_make(struct scheduler *scheduler, const struct job *job, json_t **ret_order,
                   struct err *err) CHECKED;
json_t *order_absent(const char *server_id, int64_t generation);

// events.c and report.c: what comes by the bus.
enum rc on_message(const struct message *message, void *context, struct err *err);
enum rc on_server_state(struct scheduler *scheduler, const struct message *message,
                        struct err *err) CHECKED;
enum rc on_port_status(struct scheduler *scheduler, const struct message *message,
                       struct err *err) CHECKED;
enum rc on_host_report(struct scheduler *scheduler, const struct message *message,
                       struct err *err) CHECKED;

// sweep.c
void sweep_due(void *scheduler);
void sign_of_life(void *scheduler);
