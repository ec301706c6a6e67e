// SPDX-License-Identifier: Apache-2.0
#include "services/compute/hypervisor/desired.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

#include "services/compute/hypervisor/files.h"

struct desired {
    GMutex mutex; // guards records
    char *dir;
    GHashTable *records; // server id → struct server_record *
};

static enum rc record_load(struct desired *desired, const char *name, struct err *err) CHECKED;
static enum rc record_store(struct desired *desired, const struct server_record *record,
                            struct err *err) CHECKED;

void
server_record_done(struct server_record *record)
{
    order_unref(g_steal_pointer(&record->order));
}

static void
record_free(gpointer data)
{
    struct server_record *record = data;
    server_record_done(record);
    g_free(record);
}

static struct desired *
desired_new(const char *dir)
{
    struct desired *desired = g_new0(struct desired, 1);
    g_mutex_init(&desired->mutex);
    desired->dir = g_strdup(dir);
    desired->records = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, record_free);
    return desired;
}

enum rc
desired_open(const char *dir, struct desired **ret_desired, size_t *ret_n_broken, struct err *err)
{
    enum rc rc = file_dir_make(dir, 0700, err);
    if (rc) {
        return rc;
    }
    g_autoptr(GDir) listing = g_dir_open(dir, 0, NULL);
    if (!listing) {
        return fault(err, RC_INTERNAL, "cannot read directory '%s'", dir);
    }
    struct desired *desired = desired_new(dir);
    size_t n_broken = 0;
    for (const char *name = g_dir_read_name(listing); name; name = g_dir_read_name(listing)) {
        if (g_str_has_suffix(name, ".json") && record_load(desired, name, err)) {
            g_autofree char *path = g_build_filename(dir, name, NULL);
            g_autofree char *aside = g_strconcat(path, ".broken", NULL);
            n_broken += g_rename(path, aside) == 0;
        }
    }
    *ret_desired = desired;
    *ret_n_broken = n_broken;
    return RC_OK;
}

void
desired_free(struct desired *desired)
{
    if (desired) {
        g_hash_table_destroy(desired->records);
        g_mutex_clear(&desired->mutex);
        g_free(desired->dir);
        g_free(desired);
    }
}

// What a new order keeps of the old progress: the guest that runs still runs, and reboots done stay
// done.
static struct progress
progress_carry(const struct server_record *old)
{
    struct progress progress = {.reboot_done = -1};
    if (old && !old->progress.absent_done) {
        progress.started_generation = old->progress.started_generation;
        progress.reboot_done = old->progress.reboot_done;
        memcpy(progress.boot_id, old->progress.boot_id, sizeof progress.boot_id);
    }
    return progress;
}

enum rc
desired_put(struct desired *desired, struct order *order, bool *ret_is_newer, struct err *err)
{
    g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&desired->mutex);
    const struct server_record *old = g_hash_table_lookup(desired->records, order->server_id);
    if (old && old->order->generation >= order->generation) {
        *ret_is_newer = false;
        return RC_OK;
    }
    struct server_record *record = g_new0(struct server_record, 1);
    record->order = order_ref(order);
    record->progress = progress_carry(old);
    enum rc rc = record_store(desired, record, err);
    if (rc) {
        record_free(record);
        return rc;
    }
    g_hash_table_replace(desired->records, g_strdup(order->server_id), record);
    *ret_is_newer = true;
    return RC_OK;
}

bool
desired_find(struct desired *desired, const char *server_id, struct server_record *ret_record)
{
    g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&desired->mutex);
    const struct server_record *record = g_hash_table_lookup(desired->records, server_id);
    if (!record) {
        return false;
    }
    *ret_record = (struct server_record){order_ref(record->order), record->progress};
    return true;
}

enum rc
desired_set_progress(struct desired *desired, const struct server_record *changed, struct err *err)
{
    g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&desired->mutex);
    struct server_record *record = g_hash_table_lookup(desired->records, changed->order->server_id);
    if (!record) {
        return fault(err, RC_NOT_FOUND, "server '%s' is not known here", changed->order->server_id);
    }
    struct server_record next = {record->order, changed->progress};
    if (record->order->generation != changed->order->generation) {
        next.progress = progress_carry(changed);
    }
    enum rc rc = record_store(desired, &next, err);
    if (rc == RC_OK) {
        record->progress = next.progress;
    }
    return rc;
}

GPtrArray *
desired_list(struct desired *desired)
{
    g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&desired->mutex);
    GPtrArray *ids = g_ptr_array_new_with_free_func(g_free);
    GHashTableIter iter;
    g_hash_table_iter_init(&iter, desired->records);
    gpointer id, value;
    while (g_hash_table_iter_next(&iter, &id, &value)) {
        const struct server_record *record = value;
        if (!record->progress.absent_done) {
            g_ptr_array_add(ids, g_strdup(id));
        }
    }
    return ids;
}

static char *
record_path(const struct desired *desired, const char *server_id)
{
    g_autofree char *name = g_strconcat(server_id, ".json", NULL);
    return g_build_filename(desired->dir, name, NULL);
}

void
desired_prune(struct desired *desired, int64_t before_us)
{
    g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&desired->mutex);
    GHashTableIter iter;
    g_hash_table_iter_init(&iter, desired->records);
    gpointer id, value;
    while (g_hash_table_iter_next(&iter, &id, &value)) {
        const struct server_record *record = value;
        g_autofree char *path = record_path(desired, id);
        struct stat info;
        if (record->progress.absent_done && stat(path, &info) == 0 &&
            info.st_mtim.tv_sec * G_USEC_PER_SEC < before_us && g_unlink(path) == 0) {
            g_hash_table_iter_remove(&iter);
        }
    }
}

static json_t *
progress_to_json(const struct progress *progress)
{
    return json_pack("{s:I, s:I, s:I, s:b, s:s, s:s, s:s}", "started_generation",
                     (json_int_t)progress->started_generation, "reboot_done",
                     (json_int_t)progress->reboot_done, "failed_generation",
                     (json_int_t)progress->failed_generation, "absent_done", progress->absent_done,
                     "boot_id", progress->boot_id, "step", progress->step, "message",
                     progress->message);
}

static enum rc
progress_from_json(json_t *json, struct progress *ret_progress, struct err *err)
{
    struct progress progress = {0};
    json_int_t started, rebooted, failed;
    int absent;
    const char *boot_id, *step, *message;
    if (json_unpack(json, "{s:I, s:I, s:I, s:b, s:s, s:s, s:s}", "started_generation", &started,
                    "reboot_done", &rebooted, "failed_generation", &failed, "absent_done", &absent,
                    "boot_id", &boot_id, "step", &step, "message", &message)) {
        return fault(err, RC_INTERNAL, "a server's record has no valid progress");
    }
    progress.started_generation = started;
    progress.reboot_done = rebooted;
    progress.failed_generation = failed;
    progress.absent_done = absent;
    g_strlcpy(progress.boot_id, boot_id, sizeof progress.boot_id);
    g_strlcpy(progress.step, step, sizeof progress.step);
    g_strlcpy(progress.message, message, sizeof progress.message);
    *ret_progress = progress;
    return RC_OK;
}

static enum rc
record_store(struct desired *desired, const struct server_record *record, struct err *err)
{
    json_auto_t *json = json_pack("{s:O, s:o}", "order", record->order->json, "progress",
                                  progress_to_json(&record->progress));
    char *text = json ? json_dumps(json, JSON_INDENT(1)) : NULL;
    if (!text) {
        return fault(err, RC_INTERNAL, "cannot encode the record of server '%s'",
                     record->order->server_id);
    }
    g_autofree char *path = record_path(desired, record->order->server_id);
    enum rc rc = file_replace(path, text, strlen(text), 0600, err);
    free(text);
    return rc;
}

static enum rc
record_load(struct desired *desired, const char *name, struct err *err)
{
    g_autofree char *path = g_build_filename(desired->dir, name, NULL);
    json_auto_t *json = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
    g_autofree struct server_record *record = g_new0(struct server_record, 1);
    enum rc rc = order_from_json(json_object_get(json, "order"), &record->order, err);
    if (rc == RC_OK) {
        rc = progress_from_json(json_object_get(json, "progress"), &record->progress, err);
    }
    if (rc) {
        server_record_done(record);
        return rc;
    }
    char *id = g_strdup(record->order->server_id);
    g_hash_table_replace(desired->records, id, g_steal_pointer(&record));
    return RC_OK;
}
