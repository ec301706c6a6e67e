// SPDX-License-Identifier: Apache-2.0
// A guest's own disk: a qcow2 layer over the shared base.
#include <errno.h>
#include <glib/gstdio.h>
#include <jansson.h>

#include "services/compute/hypervisor/command.h"
#include "services/compute/hypervisor/files.h"
#include "services/compute/hypervisor/image_cache.h"

#define QEMU_IMG_TIMEOUT_S 60
#define CONVERT_TIMEOUT_S 1800
#define QEMU_IMG_MEMORY_MIB 1024             // a hostile image makes it fail, not the host
#define MAX_OVERLAY_BYTES (INT64_C(1) << 30) // as made: tables alone
#define MAX_VIRTUAL_BYTES (INT64_C(64) << 40)

// Every call of qemu-img: explicit formats, on a file that has passed the image service's parser
// and has the hash it told, with limits on time, processor, memory and what is written.
static enum rc
qemu_img(const char *const *argv, char **ret_output, struct err *err)
{
    const struct command command = {.argv = argv,
                                    .timeout_s = QEMU_IMG_TIMEOUT_S,
                                    .memory_limit_mib = QEMU_IMG_MEMORY_MIB,
                                    .max_file_bytes = MAX_OVERLAY_BYTES};
    return command_run(&command, ret_output, err);
}

// The image service has checked the format; a base that names other files is refused here once
// more, because guests would read them.
static enum rc
base_check(const char *base, const char *format, int64_t *ret_virtual_bytes, struct err *err)
{
    const char *argv[] = {"qemu-img", "info", "--output=json", "-f", format, "-U", base, NULL};
    g_autofree char *output = NULL;
    enum rc rc = qemu_img(argv, &output, err);
    if (rc) {
        return rc;
    }
    json_auto_t *info = json_loads(output, 0, NULL);
    int64_t bytes = json_integer_value(json_object_get(info, "virtual-size"));
    json_t *data = json_object_get(json_object_get(info, "format-specific"), "data");
    if (json_object_get(info, "backing-filename") || json_object_get(data, "data-file")) {
        return fault(err, RC_INVALID, "image '%s' refers to other files", base);
    }
    if (bytes <= 0 || bytes > MAX_VIRTUAL_BYTES) {
        return fault(err, RC_INVALID, "image '%s' has no sensible virtual size", base);
    }
    *ret_virtual_bytes = bytes;
    return RC_OK;
}

enum rc
overlay_make(const struct overlay *overlay, struct err *err)
{
    int64_t virtual_bytes = 0;
    enum rc rc = base_check(overlay->base, overlay->base_format, &virtual_bytes, err);
    if (rc) {
        return rc;
    }
    char size[32];
    g_snprintf(size, sizeof size, "%" G_GINT64_FORMAT, MAX(overlay->gib << 30, virtual_bytes));
    g_autofree char *part = g_strconcat(overlay->path, ".part", NULL);
    if (g_unlink(part) && errno != ENOENT) {
        return fault(err, RC_INTERNAL, "cannot remove '%s': %s", part, g_strerror(errno));
    }
    const char *argv[] = {"qemu-img",           "create", "-q",          "-f", "qcow2", "-F",
                          overlay->base_format, "-b",     overlay->base, part, size,    NULL};
    rc = qemu_img(argv, NULL, err);
    return rc ? rc : file_publish(part, overlay->path, err);
}

enum rc
base_convert(const struct conversion *conversion, struct err *err)
{
    int64_t virtual_bytes = 0;
    const char *argv[] = {
        "qemu-img", "convert",        "-q",           "-f", conversion->from_format, "-O",
        "qcow2",    conversion->from, conversion->to, NULL};
    const struct command command = {.argv = argv,
                                    .timeout_s = CONVERT_TIMEOUT_S,
                                    .memory_limit_mib = QEMU_IMG_MEMORY_MIB,
                                    .max_file_bytes = conversion->max_bytes};
    enum rc rc = base_check(conversion->from, conversion->from_format, &virtual_bytes, err);
    return rc ? rc : command_run(&command, NULL, err);
}
