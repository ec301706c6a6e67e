// SPDX-License-Identifier: Apache-2.0
// A hypervisor without guests, for tests with thousands of hosts: a domain is a file holding its
// power, so that it outlives the agent as a real one does. Each operation takes [simulated]
// delay_ms.
#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

#include "common/base/util.h"
#include "services/compute/hypervisor/driver.h"
#include "services/compute/hypervisor/files.h"

struct simulated {
    const struct conf *conf;
    char *dir;
    int64_t delay_ms;
};

static enum rc
simulated_open(const struct driver_setup *setup, void **ret_self, struct err *err)
{
    g_autofree char *dir = g_build_filename(setup->state_dir, "simulated", NULL);
    enum rc rc = file_dir_make(dir, 0700, err);
    if (rc) {
        return rc;
    }
    struct simulated *self = g_new0(struct simulated, 1);
    self->conf = setup->conf;
    self->dir = g_steal_pointer(&dir);
    self->delay_ms = conf_int(setup->conf, "simulated", "delay_ms");
    *ret_self = self;
    return RC_OK;
}

static void
simulated_close(void *data)
{
    struct simulated *self = data;
    g_free(self->dir);
    g_free(self);
}

static enum rc
simulated_facts(void *data, struct host_facts *ret_facts, struct err *err)
{
    struct simulated *self = data;
    *ret_facts = (struct host_facts){
        .hypervisor_type = "fake",
        .hypervisor_version = 1000000,
        .arch = "x86_64",
        .cpu_model = "simulated",
        .vcpus = conf_int(self->conf, "simulated", "vcpus"),
        .ram_mib = conf_int(self->conf, "simulated", "ram_mib"),
        .disk_gib = conf_int(self->conf, "simulated", "disk_gib"),
    };
    return RC_OK;
}

static enum rc
simulated_power(void *data, const char *server_id, enum power *ret_power, struct err *err)
{
    struct simulated *self = data;
    g_autofree char *path = g_build_filename(self->dir, server_id, NULL);
    g_autofree char *text = NULL;
    enum power power = POWER_NONE;
    if (g_file_get_contents(path, &text, NULL, NULL)) {
        power = strcmp(text, "running") == 0  ? POWER_RUNNING
                : strcmp(text, "paused") == 0 ? POWER_PAUSED
                                              : POWER_OFF;
    }
    *ret_power = power;
    return RC_OK;
}

static enum rc
simulated_list(void *data, GPtrArray **ret_ids, GArray **ret_powers, struct err *err)
{
    struct simulated *self = data;
    g_autoptr(GDir) listing = g_dir_open(self->dir, 0, NULL);
    if (!listing) {
        return fault(err, RC_INTERNAL, "cannot read directory '%s'", self->dir);
    }
    GPtrArray *ids = g_ptr_array_new_with_free_func(g_free);
    GArray *powers = g_array_new(FALSE, FALSE, sizeof(enum power));
    for (const char *name = g_dir_read_name(listing); name; name = g_dir_read_name(listing)) {
        enum power power;
        if (order_id_is_safe(name) && simulated_power(self, name, &power, err) == RC_OK) {
            g_ptr_array_add(ids, g_strdup(name));
            g_array_append_val(powers, power);
        }
    }
    *ret_ids = ids;
    *ret_powers = powers;
    return RC_OK;
}

static enum rc
domain_write(struct simulated *self, const char *server_id, const char *power, struct err *err)
{
    g_usleep((gulong)self->delay_ms * 1000);
    g_autofree char *path = g_build_filename(self->dir, server_id, NULL);
    return file_replace(path, power, strlen(power), 0600, err);
}

static enum rc
simulated_define(void *data, const struct order *order, const struct guest_paths *paths,
                 struct err *err)
{
    enum power power = POWER_NONE;
    enum rc rc = simulated_power(data, order->server_id, &power, err);
    return rc || power != POWER_NONE ? rc : domain_write(data, order->server_id, "off", err);
}

static enum rc
simulated_start(void *data, const char *server_id, struct err *err)
{
    return domain_write(data, server_id, "running", err);
}

static enum rc
simulated_pause(void *data, const char *server_id, struct err *err)
{
    return domain_write(data, server_id, "paused", err);
}

static enum rc
simulated_destroy(void *data, const char *server_id, struct err *err)
{
    return domain_write(data, server_id, "off", err);
}

static enum rc
simulated_undefine(void *data, const char *server_id, struct err *err)
{
    struct simulated *self = data;
    g_autofree char *path = g_build_filename(self->dir, server_id, NULL);
    if (g_unlink(path) && errno != ENOENT) {
        return fault(err, RC_INTERNAL, "cannot remove '%s': %s", path, g_strerror(errno));
    }
    return RC_OK;
}

const struct driver DRIVER_SIMULATED = {
    .name = "simulated",
    .open = simulated_open,
    .close = simulated_close,
    .facts = simulated_facts,
    .power = simulated_power,
    .list = simulated_list,
    .define = simulated_define,
    .start = simulated_start,
    .pause = simulated_pause,
    .unpause = simulated_start,
    .suspend = simulated_destroy,
    .shutdown = simulated_destroy,
    .destroy = simulated_destroy,
    .undefine = simulated_undefine,
};
