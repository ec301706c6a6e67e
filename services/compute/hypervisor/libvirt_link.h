// SPDX-License-Identifier: Apache-2.0
// The connection to libvirt: opened again when libvirtd went away, probed once for what it can do;
// its life-cycle events wake the servers they are about. Used by driver_libvirt.c only.
#pragma once
#include <glib.h>
#include <libvirt/libvirt.h>

#include "services/compute/hypervisor/driver.h"

// What differs between libvirt's own drivers.
struct libvirt_kind {
    const char *type; // as virConnectGetType says
    const char *domain_type;
    const char *accelerated_type; // NULL: none
    const char *machine;
    const char *cpu_model; // without acceleration
    bool has_network;
};
struct libvirt {
    struct driver_setup setup;
    const char *uri;
    GMutex mutex; // guards conn, and the probed values until the first connection
    virConnectPtr conn;
    const struct libvirt_kind *kind; // NULL until the first connection
    struct guest_host host;
    char arch[16];
    GThread *event_thread, *watch_thread;
    GMutex stop_mutex; // guards stopping
    GCond stop_cond;
    bool stopping;
};
enum rc libvirt_link_open(const struct driver_setup *setup, void **ret_self,
                          struct err *err) CHECKED;
void libvirt_link_close(void *self);
// A reference that virConnectClose releases; NULL and RC_UNAVAILABLE in err when libvirtd is not
// there.
virConnectPtr libvirt_link_get(struct libvirt *self, struct err *err);
// libvirt's last error on this thread as ours: "cannot <attempt> '<subject>': …".
enum rc libvirt_fault(struct err *err, const char *attempt, const char *subject);
