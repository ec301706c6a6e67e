// SPDX-License-Identifier: Apache-2.0
// libvirt: one connection, opened again when libvirtd went away; its life-cycle events wake the
// servers they are about.
#include <errno.h>
#include <fcntl.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/base/util.h"
#include "common/log/log.h"
#include "services/compute/hypervisor/command.h"
#include "services/compute/hypervisor/driver.h"
#include "services/compute/hypervisor/files.h"

#define WATCH_INTERVAL_MS 2000
#define KEEPALIVE_INTERVAL_S 5
#define KEEPALIVE_COUNT 6

// What differs between libvirt's own drivers.
struct kind {
    const char *type; // as virConnectGetType says
    const char *domain_type;
    const char *accelerated_type; // NULL: none
    const char *machine;
    const char *cpu_model; // without acceleration
    bool has_network;
};
// clang-format off
static const struct kind KINDS[] = {
    {"QEMU", "qemu", "kvm", "pc", "qemu64", true},
    {"TEST", "test", NULL, "pc", "qemu64", false},
};
// clang-format on

struct libvirt {
    struct driver_setup setup;
    const char *uri;
    GMutex mutex; // guards conn
    virConnectPtr conn;
    const struct kind *kind;
    struct guest_host host;
    char arch[16];
    GThread *event_thread, *watch_thread;
    GMutex stop_mutex; // guards stopping
    GCond stop_cond;
    bool stopping;
    int wakeup_timer;
};

static gpointer event_loop(gpointer data);
static gpointer watch_loop(gpointer data);
static enum rc connection_open(struct libvirt *self, struct err *err) CHECKED;

// Once per process: libvirt would print to standard error itself.
static void
errors_ignore(void *context, virErrorPtr error)
{
}

static enum rc
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
        .checksum_offload = conf_bool(conf, "ovs", "checksum_offload"),
    };
    log_info("hypervisor probed", kv("uri", self->uri), kv("domain_type", self->host.domain_type),
             kv("disk_cache", self->host.disk_cache));
    return RC_OK;
}

// ---- connection and events

static enum rc
libvirt_open(const struct driver_setup *setup, void **ret_self, struct err *err)
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

static void
libvirt_close(void *data)
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

// A borrowed reference that virConnectClose releases; NULL when libvirtd is not there.
static virConnectPtr
connection_get(struct libvirt *self, struct err *err)
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
        virConnectPtr conn = connection_get(self, &err);
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

static void
disk_size_find(const char *path, int64_t *ret_gib)
{
    struct statvfs fs;
    if (statvfs(path, &fs) == 0) {
        *ret_gib = (int64_t)(fs.f_blocks * (fs.f_frsize / 512) >> 21);
    }
}

static enum rc
libvirt_facts(void *data, struct host_facts *ret_facts, struct err *err)
{
    struct libvirt *self = data;
    virConnectPtr conn = connection_get(self, err);
    if (!conn) {
        return RC_UNAVAILABLE;
    }
    virNodeInfo node;
    unsigned long version = 0;
    enum rc rc = RC_OK;
    if (virNodeGetInfo(conn, &node) || virConnectGetVersion(conn, &version)) {
        rc = libvirt_fault(err, "ask about host", self->uri);
    } else {
        struct host_facts facts = {.hypervisor_version = (int64_t)version,
                                   .vcpus = node.cpus,
                                   .ram_mib = (int64_t)(node.memory / 1024)};
        g_strlcpy(facts.hypervisor_type, virConnectGetType(conn), sizeof facts.hypervisor_type);
        g_strlcpy(facts.arch, self->arch, sizeof facts.arch);
        g_strlcpy(facts.cpu_model, self->host.cpu_model, sizeof facts.cpu_model);
        disk_size_find(self->setup.state_dir, &facts.disk_gib);
        *ret_facts = facts;
    }
    virConnectClose(conn);
    return rc;
}

// ---- domains

// clang-format off
static const enum power POWERS[VIR_DOMAIN_LAST] = {
    [VIR_DOMAIN_NOSTATE] = POWER_OFF, [VIR_DOMAIN_RUNNING] = POWER_RUNNING, [VIR_DOMAIN_BLOCKED] = POWER_RUNNING,
    [VIR_DOMAIN_PAUSED] = POWER_PAUSED, [VIR_DOMAIN_SHUTDOWN] = POWER_RUNNING, [VIR_DOMAIN_SHUTOFF] = POWER_OFF,
    [VIR_DOMAIN_CRASHED] = POWER_CRASHED, [VIR_DOMAIN_PMSUSPENDED] = POWER_PAUSED,
};
// clang-format on

static enum power
power_from_state(int state, int reason)
{
    if (state == VIR_DOMAIN_SHUTOFF &&
        (reason == VIR_DOMAIN_SHUTOFF_CRASHED || reason == VIR_DOMAIN_SHUTOFF_FAILED)) {
        return POWER_CRASHED;
    }
    return state >= 0 && state < VIR_DOMAIN_LAST ? POWERS[state] : POWER_OFF;
}

// Looks the domain up and runs `act` on it. No such domain: RC_NOT_FOUND.
typedef int (*domain_fn)(virDomainPtr domain);
static enum rc
domain_act(struct libvirt *self, const char *server_id, const char *verb, domain_fn act,
           struct err *err)
{
    virConnectPtr conn = connection_get(self, err);
    if (!conn) {
        return RC_UNAVAILABLE;
    }
    char name[GUEST_NAME_SIZE];
    guest_name(server_id, name);
    virDomainPtr domain = virDomainLookupByName(conn, name);
    enum rc rc = RC_OK;
    if (!domain) {
        const virError *error = virGetLastError();
        rc = error && error->code == VIR_ERR_NO_DOMAIN
                 ? fault(err, RC_NOT_FOUND, "domain '%s' does not exist", name)
                 : libvirt_fault(err, "look up domain", name);
    } else {
        if (act(domain) < 0) {
            rc = libvirt_fault(err, verb, name);
        }
        virDomainFree(domain);
    }
    virConnectClose(conn);
    return rc;
}

static int
act_power(virDomainPtr domain)
{
    int state, reason;
    return virDomainGetState(domain, &state, &reason, 0) < 0 ? -1
                                                             : (int)power_from_state(state, reason);
}
