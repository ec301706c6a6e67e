// SPDX-License-Identifier: Apache-2.0
#include "services/compute/hypervisor/libvirt_link.h"

#include <errno.h>
#include <fcntl.h>
#include <libvirt/virterror.h>
#include <string.h>
#include <unistd.h>

#include "common/base/util.h"
#include "common/log/log.h"
#include "services/compute/hypervisor/command.h"

#define WATCH_INTERVAL_MS 2000
#define KEEPALIVE_INTERVAL_S 5
#define KEEPALIVE_COUNT 6

// clang-format off
static const struct libvirt_kind KINDS[] = {
    {"QEMU", "qemu", "kvm", "pc", "qemu64", true},
    {"TEST", "test", NULL, "pc", "qemu64", false},
};
// clang-format on

static gpointer event_loop(gpointer data);
static gpointer watch_loop(gpointer data);
static enum rc connection_open(struct libvirt *self, struct err *err) CHECKED;

// Once per process: libvirt would print to standard error itself.
static void
errors_ignore(void *context, virErrorPtr error)
{
}

enum rc
libvirt_fault(struct err *err, const char *attempt, const char *subject)
{
    const virError *error = virGetLastError();
    enum rc rc = RC_INTERNAL;
    if (!error || error->code == VIR_ERR_NO_CONNECT || error->code == VIR_ERR_INVALID_CONN ||
        error->domain == VIR_FROM_RPC || error->code == VIR_ERR_SYSTEM_ERROR) {
        rc = RC_UNAVAILABLE;
    }
    return fault(err, rc, "cannot %s '%s': %s", attempt, subject,
                 error && error->message ? error->message : "unknown error");
}

// ---- host

// Whether KVM runs guests here is found out by running one: nested or half-made KVM opens fine and
// then does not work.
static bool
kvm_works(const struct conf *conf)
{
    const char *accel = conf_text(conf, "libvirt", "accel");
    if (strcmp(accel, "auto") != 0) {
        return strcmp(accel, "kvm") == 0;
    }
    struct err ignored;
    g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
    const char *argv[] = {self, "--kvm-probe", NULL};
    const struct command probe = {.argv = argv, .timeout_s = 5};
    return self && command_run(&probe, NULL, &ignored) == RC_OK;
}

// Direct I/O is better where the file system has it.
static const char *
disk_cache_find(const char *state_dir)
{
    g_autofree char *path = g_build_filename(state_dir, ".direct-io", NULL);
    int fd = open(path, O_WRONLY | O_CREAT | O_DIRECT | O_CLOEXEC, 0600);
    unlink(path);
    if (fd < 0) {
        return "writeback";
    }
    close(fd);
    return "none";
}

// A datapath in user space reads raw frames, where a checksum left to hardware is never filled in:
// TCP would hang.
static bool
checksum_offload_is_safe(const struct conf *conf)
{
    bool set;
    if (parse_bool(conf_text(conf, "ovs", "checksum_offload"), &set)) {
        return set;
    }
    const char *db = conf_text(conf, "ovs", "db");
    g_autofree char *option = g_strconcat(*db == '/' ? "--db=unix:" : "--db=", db, NULL);
    g_autofree char *datapath = NULL;
    struct err ignored;
    enum rc rc = COMMAND_RUN(conf_text(conf, "ovs", "netns"), &datapath, &ignored, "ovs-vsctl",
                             option, "--timeout=5", "get", "bridge",
                             conf_text(conf, "ovs", "bridge"), "datapath_type");
    return *db && rc == RC_OK && !strstr(datapath, "netdev");
}

static enum rc
host_probe(struct libvirt *self, struct err *err)
{
    const char *type = virConnectGetType(self->conn);
    for (size_t i = 0; type && i < N_ELEMENTS(KINDS); i++) {
        if (g_ascii_strcasecmp(KINDS[i].type, type) == 0) {
            self->kind = &KINDS[i];
        }
    }
    virNodeInfo node;
    if (!self->kind || virNodeGetInfo(self->conn, &node)) {
        return fault(err, RC_NOT_IMPLEMENTED, "hypervisor '%s' at '%s' is not supported",
                     type ? type : "?", self->uri);
    }
    const struct conf *conf = self->setup.conf;
    bool kvm = self->kind->accelerated_type && kvm_works(conf);
    const char *cpu = conf_text(conf, "libvirt", "cpu_model");
    const char *cache = conf_text(conf, "libvirt", "disk_cache");
    g_strlcpy(self->arch, self->kind->accelerated_type ? node.model : "x86_64", sizeof self->arch);
    self->host = (struct guest_host){
        .domain_type = kvm ? self->kind->accelerated_type : self->kind->domain_type,
        .arch = self->arch,
        .machine = self->kind->machine,
        .cpu_model = *cpu || kvm ? cpu : self->kind->cpu_model,
        .disk_cache = *cache ? cache : disk_cache_find(self->setup.state_dir),
        .bridge = self->kind->has_network ? conf_text(conf, "ovs", "bridge") : "",
        .checksum_offload = checksum_offload_is_safe(conf),
    };
    log_info("hypervisor probed", kv("uri", self->uri), kv("domain_type", self->host.domain_type),
             kv("disk_cache", self->host.disk_cache));
    return RC_OK;
}

// ---- connection and events

enum rc
libvirt_link_open(const struct driver_setup *setup, void **ret_self, struct err *err)
{
    virSetErrorFunc(NULL, errors_ignore);
    if (virEventRegisterDefaultImpl() < 0) {
        return libvirt_fault(err, "start events of", "libvirt");
    }
    struct libvirt *self = g_new0(struct libvirt, 1);
    self->setup = *setup;
    self->uri = conf_text(setup->conf, "libvirt", "uri");
    g_mutex_init(&self->mutex);
    g_mutex_init(&self->stop_mutex);
    g_cond_init(&self->stop_cond);
    self->event_thread = g_thread_new("libvirt-events", event_loop, self);
    self->watch_thread = g_thread_new("libvirt-watch", watch_loop, self);
    *ret_self = self;
    return RC_OK;
}

static bool
is_stopping(struct libvirt *self)
{
    g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&self->stop_mutex);
    return self->stopping;
}

void
libvirt_link_close(void *data)
{
    struct libvirt *self = data;
    g_mutex_lock(&self->stop_mutex);
    self->stopping = true;
    g_cond_broadcast(&self->stop_cond);
    g_mutex_unlock(&self->stop_mutex);
    g_thread_join(self->watch_thread);
    g_thread_join(self->event_thread);
    if (self->conn) {
        virConnectClose(self->conn);
    }
    g_mutex_clear(&self->mutex);
    g_mutex_clear(&self->stop_mutex);
    g_cond_clear(&self->stop_cond);
    g_free(self);
}

static void
timer_ignore(int timer, void *context)
{
}

// The timer bounds how long one round may block, so that the loop sees that it should end.
static gpointer
event_loop(gpointer data)
{
    struct libvirt *self = data;
    int timer = virEventAddTimeout(500, timer_ignore, NULL, NULL);
    while (!is_stopping(self) && virEventRunDefaultImpl() == 0) {
    }
    virEventRemoveTimeout(timer);
    return NULL;
}

static int
domain_event(virConnectPtr conn, virDomainPtr domain, int event, int detail, void *context)
{
    struct libvirt *self = context;
    const char *server_id = guest_name_to_id(virDomainGetName(domain));
    if (server_id) {
        self->setup.notify(server_id, self->setup.notify_context);
    }
    return 0;
}

virConnectPtr
libvirt_link_get(struct libvirt *self, struct err *err)
{
    g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&self->mutex);
    if (self->conn && virConnectIsAlive(self->conn) != 1) {
        virConnectClose(g_steal_pointer(&self->conn));
    }
    if (!self->conn && connection_open(self, err)) {
        return NULL;
    }
    virConnectRef(self->conn);
    return self->conn;
}

static enum rc
connection_open(struct libvirt *self, struct err *err)
{
    self->conn = virConnectOpen(self->uri);
    if (!self->conn) {
        return libvirt_fault(err, "connect to", self->uri);
    }
    enum rc rc = self->kind ? RC_OK : host_probe(self, err);
    if (rc) {
        virConnectClose(g_steal_pointer(&self->conn));
        return rc;
    }
    virConnectSetKeepAlive(self->conn, KEEPALIVE_INTERVAL_S, KEEPALIVE_COUNT);
    virConnectDomainEventRegisterAny(self->conn, NULL, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                                     VIR_DOMAIN_EVENT_CALLBACK(domain_event), self, NULL);
    return RC_OK;
}

// Opens the connection again as soon as libvirtd is back; then events may have been missed, so
// everything is looked at.
static gpointer
watch_loop(gpointer data)
{
    struct libvirt *self = data;
    bool was_up = false;
    while (!is_stopping(self)) {
        struct err err = {0};
        virConnectPtr conn = libvirt_link_get(self, &err);
        if (conn) {
            virConnectClose(conn);
            if (!was_up) {
                self->setup.notify(NULL, self->setup.notify_context);
            }
        } else if (was_up) {
            log_warn("hypervisor lost", kv("uri", self->uri), kv("error", err.message));
        }
        was_up = conn != NULL;
        g_mutex_lock(&self->stop_mutex);
        int64_t end_us = g_get_monotonic_time() + WATCH_INTERVAL_MS * 1000;
        while (!self->stopping && g_cond_wait_until(&self->stop_cond, &self->stop_mutex, end_us)) {
        }
        g_mutex_unlock(&self->stop_mutex);
    }
    return NULL;
}
