// SPDX-License-Identifier: Apache-2.0
// Steps carried out. Each may have been carried out before, whole or in part, by an agent that is
// no more.
#include <stdlib.h>
#include <string.h>

#include "common/log/log.h"
#include "services/compute/hypervisor/agent.h"
#include "services/compute/hypervisor/config_drive.h"
#include "services/compute/hypervisor/files.h"

typedef enum rc (*step_fn)(struct agent *agent, struct server_record *record, struct err *err);

static enum rc step_fetch_image(struct agent *agent, struct server_record *record, struct err *err);
static enum rc step_make_overlay(struct agent *agent, struct server_record *record,
                                 struct err *err);
static enum rc step_make_config_drive(struct agent *agent, struct server_record *record,
                                      struct err *err);
static enum rc step_plug_network(struct agent *agent, struct server_record *record,
                                 struct err *err);
static enum rc step_note_reboot(struct agent *agent, struct server_record *record, struct err *err);
static enum rc step_define(struct agent *agent, struct server_record *record, struct err *err);
static enum rc step_start(struct agent *agent, struct server_record *record, struct err *err);
static enum rc step_note_started(struct agent *agent, struct server_record *record,
                                 struct err *err);
static enum rc step_pause(struct agent *agent, struct server_record *record, struct err *err);
static enum rc step_unpause(struct agent *agent, struct server_record *record, struct err *err);
static enum rc step_suspend(struct agent *agent, struct server_record *record, struct err *err);
static enum rc step_shutdown(struct agent *agent, struct server_record *record, struct err *err);
static enum rc step_destroy(struct agent *agent, struct server_record *record, struct err *err);
static enum rc step_undefine(struct agent *agent, struct server_record *record, struct err *err);
static enum rc step_unplug_network(struct agent *agent, struct server_record *record,
                                   struct err *err);
static enum rc step_remove_files(struct agent *agent, struct server_record *record,
                                 struct err *err);
static enum rc step_note_absent(struct agent *agent, struct server_record *record, struct err *err);

static const step_fn STEPS[N_STEPS] = {
    [STEP_FETCH_IMAGE] = step_fetch_image,
    [STEP_MAKE_OVERLAY] = step_make_overlay,
    [STEP_MAKE_CONFIG_DRIVE] = step_make_config_drive,
    [STEP_PLUG_NETWORK] = step_plug_network,
    [STEP_NOTE_REBOOT] = step_note_reboot,
    [STEP_DEFINE] = step_define,
    [STEP_START] = step_start,
    [STEP_NOTE_STARTED] = step_note_started,
    [STEP_PAUSE] = step_pause,
    [STEP_UNPAUSE] = step_unpause,
    [STEP_SUSPEND] = step_suspend,
    [STEP_SHUTDOWN] = step_shutdown,
    [STEP_DESTROY] = step_destroy,
    [STEP_UNDEFINE] = step_undefine,
    [STEP_UNPLUG_NETWORK] = step_unplug_network,
    [STEP_REMOVE_FILES] = step_remove_files,
    [STEP_NOTE_ABSENT] = step_note_absent,
};

enum rc
apply_step(struct agent *agent, struct server_record *record, enum step step, struct err *err)
{
    log_debug("step", kv("server_id", record->order->server_id), kv("step", step_name(step)));
    return STEPS[step](agent, record, err);
}

// ---- what there is

// When the guest was asked to shut down; forgotten as soon as it is down.
static void
observe_shutdown(struct agent *agent, const char *server_id, struct actual *actual)
{
    bool is_up = actual->power == POWER_RUNNING || actual->power == POWER_PAUSED;
    g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agent->mutex);
    struct track *track = track_get(agent, server_id);
    if (!is_up) {
        track->shutdown_ms = -1;
    }
    int64_t now_ms = monotonic_ms();
    actual->shutdown_ms = track->shutdown_ms < 0 ? -1 : now_ms - track->shutdown_ms;
    actual->asked_ms = now_ms - track->asked_ms;
}

static bool
networks_are_plugged(struct agent *agent, const struct order *order)
{
    for (size_t i = 0; agent->net && i < order->n_ports; i++) {
        if (!metadata_net_has(agent->net, order->ports[i].network_id)) {
            return false;
        }
    }
    return true;
}

enum rc
apply_observe(struct agent *agent, const struct server_record *record, struct actual *ret_actual,
              struct err *err)
{
    const struct order *order = record->order;
    const struct progress *progress = &record->progress;
    struct actual actual = {
        .absent_done = progress->absent_done,
        .started_generation = progress->started_generation,
        .reboot_done = progress->reboot_done,
        .host_rebooted =
            progress->started_generation && strcmp(progress->boot_id, agent->boot_id) != 0,
        .has_network = networks_are_plugged(agent, order),
    };
    enum rc rc = agent->driver->power(agent->driver_self, order->server_id, &actual.power, err);
    if (rc) {
        return rc;
    }
    observe_shutdown(agent, order->server_id, &actual);
    auto_guest_paths paths = guest_paths_new(agent->state_dir, order->server_id);
    bool files = agent->driver->uses_files;
    actual.has_files = files && file_exists(paths.dir);
    actual.has_base = !files || (order->image.id && image_cache_has(agent->images, &order->image));
    actual.has_overlay = !files || file_exists(paths.disk);
    actual.has_config_drive = !files || file_exists(paths.config_drive);
    *ret_actual = actual;
    return RC_OK;
}

// ---- steps

struct fetch_wait {
    struct agent *agent;
    const struct order *order;
};

// A server that is to go, or an agent that is to stop, does not wait for its image.
static bool
fetch_is_cancelled(void *context)
{
    const struct fetch_wait *wait = context;
    struct server_record record;
    if (service_is_stopping(wait->agent->service) ||
        !desired_find(wait->agent->desired, wait->order->server_id, &record)) {
        return true;
    }
    bool is_absent = record.order->want == WANT_ABSENT;
    server_record_done(&record);
    return is_absent;
}

static enum rc
step_fetch_image(struct agent *agent, struct server_record *record, struct err *err)
{
    struct fetch_wait context = {agent, record->order};
    const struct image_wait wait = {fetch_is_cancelled, &context};
    int64_t start_ms = monotonic_ms();
    enum rc rc = image_cache_fetch(agent->images, &record->order->image, &wait, err);
    if (rc == RC_OK) {
        log_info("image fetched", kv("server_id", record->order->server_id),
                 kv("image_id", record->order->image.id), kv_int("size", record->order->image.size),
                 kv_int("ms", monotonic_ms() - start_ms));
    }
    return rc;
}

static enum rc
guest_dir_make(struct agent *agent, const struct guest_paths *paths, struct err *err)
{
    // QEMU may run as another user: it passes through, but does not list.
    return file_dir_make(paths->dir, 0711, err);
}

static enum rc
step_make_overlay(struct agent *agent, struct server_record *record, struct err *err)
{
    const struct order *order = record->order;
    auto_guest_paths paths = guest_paths_new(agent->state_dir, order->server_id);
    enum rc rc = guest_dir_make(agent, &paths, err);
    if (rc) {
        return rc;
    }
    g_autofree char *base = image_cache_path(agent->images, &order->image);
    const struct overlay overlay = {paths.disk, base, image_base_format(&order->image),
                                    order->flavor.disk_gib};
    return overlay_make(&overlay, err);
}

static enum rc
step_make_config_drive(struct agent *agent, struct server_record *record, struct err *err)
{
    auto_guest_paths paths = guest_paths_new(agent->state_dir, record->order->server_id);
    enum rc rc = guest_dir_make(agent, &paths, err);
    return rc ? rc : config_drive_make(record->order, paths.config_drive, err);
}

static enum rc
step_plug_network(struct agent *agent, struct server_record *record, struct err *err)
{
    for (size_t i = 0; agent->net && i < record->order->n_ports; i++) {
        metadata_net_add(agent->net, &record->order->ports[i]);
    }
    return RC_OK;
}

static enum rc
step_note_reboot(struct agent *agent, struct server_record *record, struct err *err)
{
    record->progress.reboot_done = record->order->reboot_count;
    record->progress.started_generation = 0;
    return desired_set_progress(agent->desired, record, err);
}

static enum rc
step_define(struct agent *agent, struct server_record *record, struct err *err)
{
    auto_guest_paths paths = guest_paths_new(agent->state_dir, record->order->server_id);
    return agent->driver->define(agent->driver_self, record->order, &paths, err);
}

static enum rc
step_start(struct agent *agent, struct server_record *record, struct err *err)
{
    return agent->driver->start(agent->driver_self, record->order->server_id, err);
}

static enum rc
step_note_started(struct agent *agent, struct server_record *record, struct err *err)
{
    struct progress *progress = &record->progress;
    progress->started_generation = record->order->generation;
    progress->reboot_done = MAX(progress->reboot_done, record->order->reboot_count);
    memcpy(progress->boot_id, agent->boot_id, sizeof progress->boot_id);
    return desired_set_progress(agent->desired, record, err);
}

static enum rc
step_pause(struct agent *agent, struct server_record *record, struct err *err)
{
    return agent->driver->pause(agent->driver_self, record->order->server_id, err);
}

static enum rc
step_unpause(struct agent *agent, struct server_record *record, struct err *err)
{
    return agent->driver->unpause(agent->driver_self, record->order->server_id, err);
}

static enum rc
step_suspend(struct agent *agent, struct server_record *record, struct err *err)
{
    return agent->driver->suspend(agent->driver_self, record->order->server_id, err);
}

static enum rc
step_shutdown(struct agent *agent, struct server_record *record, struct err *err)
{
    const char *id = record->order->server_id;
    enum rc rc = agent->driver->shutdown(agent->driver_self, id, err);
    if (rc == RC_OK) {
        g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agent->mutex);
        struct track *track = track_get(agent, id);
        track->asked_ms = monotonic_ms();
        if (track->shutdown_ms < 0) {
            track->shutdown_ms = track->asked_ms;
        }
    }
    return rc;
}

static enum rc
step_destroy(struct agent *agent, struct server_record *record, struct err *err)
{
    return agent->driver->destroy(agent->driver_self, record->order->server_id, err);
}

static enum rc
step_undefine(struct agent *agent, struct server_record *record, struct err *err)
{
    return agent->driver->undefine(agent->driver_self, record->order->server_id, err);
}

static bool
network_is_used(const char *network_id, void *context)
{
    struct agent *agent = context;
    g_autoptr(GPtrArray) ids = desired_list(agent->desired);
    bool used = false;
    for (guint i = 0; i < ids->len && !used; i++) {
        struct server_record record;
        if (!desired_find(agent->desired, ids->pdata[i], &record)) {
            continue;
        }
        const struct order *order = record.order;
        for (size_t k = 0; order->want != WANT_ABSENT && k < order->n_ports; k++) {
            used = used || strcmp(order->ports[k].network_id, network_id) == 0;
        }
        server_record_done(&record);
    }
    return used;
}

static enum rc
step_unplug_network(struct agent *agent, struct server_record *record, struct err *err)
{
    enum rc rc = RC_OK;
    for (size_t i = 0; agent->net && rc == RC_OK && i < record->order->n_ports; i++) {
        rc = metadata_net_tap_remove(agent->net, record->order->ports[i].id, err);
    }
    if (agent->net && rc == RC_OK) {
        metadata_net_sweep(agent->net, network_is_used, agent);
    }
    return rc;
}

static enum rc
step_remove_files(struct agent *agent, struct server_record *record, struct err *err)
{
    auto_guest_paths paths = guest_paths_new(agent->state_dir, record->order->server_id);
    return file_tree_remove(paths.dir, err);
}

static enum rc
step_note_absent(struct agent *agent, struct server_record *record, struct err *err)
{
    record->progress.absent_done = true;
    return desired_set_progress(agent->desired, record, err);
}
