// SPDX-License-Identifier: Apache-2.0
// A kind of hypervisor behind a table of functions: libvirt (QEMU with KVM or TCG, libvirt's test
// driver) and a simulated one for scale. Every function may be called from any thread, and again
// after it failed: what is already so is success.
#pragma once
#include <glib.h>
#include <jansson.h>

#include "common/conf/conf.h"
#include "services/compute/hypervisor/guest.h"
#include "services/compute/hypervisor/plan.h"

struct host_facts {
    char hypervisor_type[16]; // "QEMU"
    int64_t hypervisor_version;
    char arch[16], cpu_model[64];
    int64_t vcpus, ram_mib, disk_gib;
};
struct driver_setup {
    const struct conf *conf;
    const char *state_dir;
    // A guest's power changed by itself, or all should be looked at again (server_id NULL). Called
    // from the driver's thread.
    void (*notify)(const char *server_id, void *context);
    void *notify_context;
};
struct driver {
    const char *name;  // setting [agent] driver
    bool uses_files;   // guests have an image, an overlay, a config drive
    bool uses_network; // guests have taps and metadata
    enum rc (*open)(const struct driver_setup *setup, void **ret_self, struct err *err);
    void (*close)(void *self);
    enum rc (*facts)(void *self, struct host_facts *ret_facts, struct err *err);
    enum rc (*power)(void *self, const char *server_id, enum power *ret_power, struct err *err);
    // All guests of ours: server ids, texts freed with the array, with their power in `powers`.
    enum rc (*list)(void *self, GPtrArray **ret_ids, GArray **ret_powers, struct err *err);
    enum rc (*define)(void *self, const struct order *order, const struct guest_paths *paths,
                      struct err *err);
    enum rc (*start)(void *self, const char *server_id, struct err *err);
    enum rc (*pause)(void *self, const char *server_id, struct err *err);
    enum rc (*unpause)(void *self, const char *server_id, struct err *err);
    // Off, with its memory on the host's disk: the next start goes on from there. undefine removes
    // it.
    enum rc (*suspend)(void *self, const char *server_id, struct err *err);
    enum rc (*shutdown)(void *self, const char *server_id, struct err *err);
    enum rc (*destroy)(void *self, const char *server_id, struct err *err);
    enum rc (*undefine)(void *self, const char *server_id, struct err *err);
};
extern const struct driver DRIVER_LIBVIRT, DRIVER_SIMULATED;
const struct driver *driver_find(const char *name); // NULL: none of that name
