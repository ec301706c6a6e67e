// SPDX-License-Identifier: Apache-2.0
// Which hosts can take a server, best first, and why the others cannot. Pure: the scheduler gives a
// snapshot and claims on the first host whose conditional update succeeds.
#pragma once
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

struct place_host {
    const char *host, *zone, *arch, *hypervisor_type;
    bool is_up, is_disabled;
    int64_t vcpus, ram_mib, disk_gib;           // what it has
    int cpu_percent, ram_percent, disk_percent; // allocation ratios: 1,600 is 16.0
    int64_t vcpus_claimed, ram_claimed, disk_claimed, servers_claimed;
    int64_t group_members; // of the request's group
    bool has_same_wanted,
        has_different_wanted; // holds a server of the same_host / different_host hints
};
enum place_group {
    PLACE_NO_GROUP,
    PLACE_AFFINITY,
    PLACE_ANTI_AFFINITY,
    PLACE_SOFT_AFFINITY,
    PLACE_SOFT_ANTI_AFFINITY
};
struct place_request {
    const char *server_id; // spreads equal hosts
    int64_t vcpus, ram_mib, disk_gib;
    const char *zone, *forced_host, *arch, *hypervisor_type; // NULL: any
    enum place_group group;
    int64_t group_size;               // members placed anywhere
    int64_t max_per_host;             // of an anti-affinity group; 0: 1
    bool wants_same, wants_different; // hints given
    const char *const *avoid;         // hosts that failed before, NULL-terminated; or NULL
};

#define PLACE_MAX_FILTERS 16
struct place_result {
    const struct place_host **ranked; // best first; the hosts belong to the caller
    unsigned n_ranked, n_hosts;
    unsigned refused[PLACE_MAX_FILTERS]; // by filter, each host counted once, at the first filter
                                         // that refuses it
};
void place(const struct place_host *hosts, unsigned n_hosts, const struct place_request *request,
           struct place_result *ret_result);
void place_result_done(struct place_result *result);
// "No valid host was found. 3 hosts: 2 too little ram, 1 disabled"; the caller frees.
char *place_explain(const struct place_result *result);
enum place_group place_group_from_text(const char *policy); // NULL: no group
// What a host still gives, by its ratios.
int64_t place_free_ram(const struct place_host *host);
