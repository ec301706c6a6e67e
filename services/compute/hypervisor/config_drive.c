// SPDX-License-Identifier: Apache-2.0
#include "services/compute/hypervisor/config_drive.h"

#include <glib.h>

#include "services/compute/hypervisor/command.h"
#include "services/compute/hypervisor/files.h"
#include "services/compute/hypervisor/metadata_doc.h"

static enum rc
tree_write(const struct order *order, const char *root, struct err *err)
{
    for (size_t i = 0; CONFIG_DRIVE_FILES[i]; i++) {
        const char *type;
        g_autofree char *web_path = g_strconcat("/", CONFIG_DRIVE_FILES[i], NULL);
        g_autoptr(GBytes) doc = metadata_doc_find(order, web_path, &type);
        if (!doc) {
            continue;
        }
        g_autofree char *path = g_build_filename(root, CONFIG_DRIVE_FILES[i], NULL);
        g_autofree char *dir = g_path_get_dirname(path);
        enum rc rc = file_dir_make(dir, 0700, err);
        if (rc == RC_OK) {
            gsize size;
            const void *data = g_bytes_get_data(doc, &size);
            rc = file_replace(path, data, size, 0600, err);
        }
        if (rc) {
            return rc;
        }
    }
    return RC_OK;
}

enum rc
config_drive_make(const struct order *order, const char *path, struct err *err)
{
    g_autofree char *root = g_strconcat(path, ".tree", NULL);
    g_autofree char *part = g_strconcat(path, ".part", NULL);
    enum rc rc = file_tree_remove(root, err);
    if (rc == RC_OK) {
        rc = tree_write(order, root, err);
    }
    if (rc == RC_OK) {
        rc = COMMAND_RUN(NULL, NULL, err, "genisoimage", "-quiet", "-J", "-r", "-V", "config-2",
                         "-o", part, root);
    }
    if (rc == RC_OK) {
        rc = file_publish(part, path, err);
    }
    struct err ignored;
    rc_ignore(file_tree_remove(root, &ignored));
    return rc;
}
