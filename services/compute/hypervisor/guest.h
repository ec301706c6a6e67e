// SPDX-License-Identifier: Apache-2.0
// Where a server's things are on this host, all derived from its id, and what a driver needs to
// make a guest of it.
#pragma once
#include <stddef.h>

#include "services/compute/hypervisor/order.h"

struct guest_paths {
    char *dir, *disk, *config_drive, *console; // <state_dir>/instances/<id>/…
};
struct guest_paths guest_paths_new(const char *state_dir, const char *server_id);
void guest_paths_done(struct guest_paths *paths);
#define auto_guest_paths __attribute__((cleanup(guest_paths_done))) struct guest_paths

#define GUEST_NAME_SIZE 64
#define GUEST_TAP_SIZE 16
void guest_name(const char *server_id, char ret_name[GUEST_NAME_SIZE]); // "instance-<id>"
const char *guest_name_to_id(const char *name); // borrowed from name; NULL: not one of ours
void guest_tap(const char *port_id, char ret_tap[GUEST_TAP_SIZE]); // "tap" and 11 characters

// What the host's settings and probes say about every guest.
struct guest_host {
    const char *domain_type; // "kvm", "qemu", "test"
    const char *arch;        // "x86_64"
    const char *machine;     // "pc"
    const char *cpu_model;   // "qemu64"; "" : the host's (kvm)
    const char *disk_cache;  // "none", "writeback"
    const char *bridge;      // "br-int"; "": guests get no network
    bool checksum_offload;   // false where the switch's datapath is in user space
};
// The domain's XML; the caller frees. Pure: every text is escaped.
char *guest_xml(const struct order *order, const struct guest_paths *paths,
                const struct guest_host *host);
