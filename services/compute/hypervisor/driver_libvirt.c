// SPDX-License-Identifier: Apache-2.0
// Guests as libvirt domains.
#include <libvirt/virterror.h>
#include <string.h>
#include <sys/statvfs.h>

#include "services/compute/hypervisor/driver.h"
#include "services/compute/hypervisor/libvirt_link.h"

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
    virConnectPtr conn = libvirt_link_get(self, err);
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

#define N_STATES (VIR_DOMAIN_PMSUSPENDED + 1)
// clang-format off
static const enum power POWERS[N_STATES] = {
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
    return state >= 0 && state < N_STATES ? POWERS[state] : POWER_OFF;
}

// Looks the domain up and runs `act` on it. No such domain: RC_NOT_FOUND.
typedef int (*domain_fn)(virDomainPtr domain, void *context);
struct act {
    const char *verb;
    domain_fn run;
    void *context;
};

static enum rc
domain_act(struct libvirt *self, const char *server_id, const struct act *act, struct err *err)
{
    virConnectPtr conn = libvirt_link_get(self, err);
    if (!conn) {
        return RC_UNAVAILABLE;
    }
    char name[GUEST_NAME_SIZE];
    guest_name(server_id, name);
    virDomainPtr domain = virDomainLookupByName(conn, name);
    enum rc rc = RC_OK;
    if (!domain && virGetLastErrorCode() == VIR_ERR_NO_DOMAIN) {
        rc = fault(err, RC_NOT_FOUND, "domain '%s' does not exist", name);
    } else if (!domain || act->run(domain, act->context) < 0) {
        rc = libvirt_fault(err, domain ? act->verb : "look up domain", name);
    }
    if (domain) {
        virDomainFree(domain);
    }
    virConnectClose(conn);
    return rc;
}

static int
act_power(virDomainPtr domain, void *ret_power)
{
    int state, reason;
    if (virDomainGetState(domain, &state, &reason, 0) < 0) {
        return -1;
    }
    *(enum power *)ret_power = power_from_state(state, reason);
    return 0;
}

static enum rc
libvirt_power(void *self, const char *server_id, enum power *ret_power, struct err *err)
{
    enum power power = POWER_NONE;
    enum rc rc = domain_act(self, server_id, &(struct act){"ask about", act_power, &power}, err);
    if (rc == RC_OK || rc == RC_NOT_FOUND) {
        *ret_power = power;
        return RC_OK;
    }
    return rc;
}

static enum rc
libvirt_list(void *self, GPtrArray **ret_ids, GArray **ret_powers, struct err *err)
{
    virConnectPtr conn = libvirt_link_get(self, err);
    if (!conn) {
        return RC_UNAVAILABLE;
    }
    virDomainPtr *domains = NULL;
    int n = virConnectListAllDomains(conn, &domains, 0);
    if (n < 0) {
        virConnectClose(conn);
        return libvirt_fault(err, "list domains of", "libvirt");
    }
    GPtrArray *ids = g_ptr_array_new_with_free_func(g_free);
    GArray *powers = g_array_new(FALSE, FALSE, sizeof(enum power));
    for (int i = 0; i < n; i++) {
        const char *id = guest_name_to_id(virDomainGetName(domains[i]));
        enum power power;
        if (id && act_power(domains[i], &power) == 0) {
            g_ptr_array_add(ids, g_strdup(id));
            g_array_append_val(powers, power);
        }
        virDomainFree(domains[i]);
    }
    free(domains);
    virConnectClose(conn);
    *ret_ids = ids;
    *ret_powers = powers;
    return RC_OK;
}

static enum rc
libvirt_define(void *data, const struct order *order, const struct guest_paths *paths,
               struct err *err)
{
    struct libvirt *self = data;
    virConnectPtr conn = libvirt_link_get(self, err);
    if (!conn) {
        return RC_UNAVAILABLE;
    }
    g_autofree char *xml = guest_xml(order, paths, &self->host);
    virDomainPtr domain = virDomainDefineXML(conn, xml);
    enum rc rc = RC_OK;
    if (domain) {
        virDomainFree(domain);
    } else {
        rc = libvirt_fault(err, "define domain of server", order->server_id);
    }
    virConnectClose(conn);
    return rc;
}

// Doing again what is already done is success, whoever did it: libvirt then says that the operation
// is not valid.
static int
unless_done(int result)
{
    return result < 0 && virGetLastErrorCode() == VIR_ERR_OPERATION_INVALID ? 0 : result;
}

static int
act_start(virDomainPtr domain, void *context)
{
    int active = virDomainIsActive(domain);
    return active != 0 ? active : virDomainCreate(domain);
}

static int
act_pause(virDomainPtr domain, void *context)
{
    enum power power = POWER_NONE;
    return act_power(domain, &power) ? -1 : power == POWER_PAUSED ? 0 : virDomainSuspend(domain);
}

static int
act_unpause(virDomainPtr domain, void *context)
{
    enum power power = POWER_NONE;
    return act_power(domain, &power) ? -1 : power == POWER_RUNNING ? 0 : virDomainResume(domain);
}

static int
act_suspend(virDomainPtr domain, void *context)
{
    int active = virDomainIsActive(domain);
    return active <= 0 ? active : virDomainManagedSave(domain, VIR_DOMAIN_SAVE_RUNNING);
}

static int
act_shutdown(virDomainPtr domain, void *context)
{
    return unless_done(virDomainShutdown(domain));
}

static int
act_destroy(virDomainPtr domain, void *context)
{
    return unless_done(virDomainDestroy(domain));
}

static int
act_undefine(virDomainPtr domain, void *context)
{
    return virDomainUndefineFlags(domain, VIR_DOMAIN_UNDEFINE_MANAGED_SAVE |
                                              VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA);
}

static enum rc
libvirt_start(void *self, const char *server_id, struct err *err)
{
    return domain_act(self, server_id, &(struct act){"start domain", act_start, NULL}, err);
}

static enum rc
libvirt_pause(void *self, const char *server_id, struct err *err)
{
    return domain_act(self, server_id, &(struct act){"pause domain", act_pause, NULL}, err);
}

static enum rc
libvirt_unpause(void *self, const char *server_id, struct err *err)
{
    return domain_act(self, server_id, &(struct act){"unpause domain", act_unpause, NULL}, err);
}

static enum rc
libvirt_suspend(void *self, const char *server_id, struct err *err)
{
    return domain_act(self, server_id, &(struct act){"save domain", act_suspend, NULL}, err);
}

static enum rc
libvirt_shutdown(void *self, const char *server_id, struct err *err)
{
    return domain_act(self, server_id, &(struct act){"shut down domain", act_shutdown, NULL}, err);
}

// What is gone already needs no end.
static enum rc
gone_is_fine(enum rc rc)
{
    return rc == RC_NOT_FOUND ? RC_OK : rc;
}

static enum rc
libvirt_destroy(void *self, const char *server_id, struct err *err)
{
    return gone_is_fine(
        domain_act(self, server_id, &(struct act){"destroy domain", act_destroy, NULL}, err));
}

static enum rc
libvirt_undefine(void *self, const char *server_id, struct err *err)
{
    return gone_is_fine(
        domain_act(self, server_id, &(struct act){"undefine domain", act_undefine, NULL}, err));
}

const struct driver DRIVER_LIBVIRT = {
    .name = "libvirt",
    .uses_files = true,
    .uses_network = true,
    .open = libvirt_link_open,
    .close = libvirt_link_close,
    .facts = libvirt_facts,
    .power = libvirt_power,
    .list = libvirt_list,
    .define = libvirt_define,
    .start = libvirt_start,
    .pause = libvirt_pause,
    .unpause = libvirt_unpause,
    .suspend = libvirt_suspend,
    .shutdown = libvirt_shutdown,
    .destroy = libvirt_destroy,
    .undefine = libvirt_undefine,
};
