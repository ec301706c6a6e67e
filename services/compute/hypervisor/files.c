// SPDX-License-Identifier: Apache-2.0
#include "services/compute/hypervisor/files.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

enum rc
file_dir_make(const char *path, mode_t mode, struct err *err)
{
    if (g_mkdir_with_parents(path, (int)mode)) {
        return fault(err, RC_INTERNAL, "cannot make directory '%s': %s", path, g_strerror(errno));
    }
    return RC_OK;
}

static bool
write_all(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, data, size);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        data += n;
        size -= (size_t)n;
    }
    return fsync(fd) == 0;
}

enum rc
file_replace(const char *path, const void *data, size_t size, mode_t mode, struct err *err)
{
    g_autofree char *beside = g_strconcat(path, ".new", NULL);
    int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    if (fd < 0) {
        return fault(err, RC_INTERNAL, "cannot write '%s': %s", beside, g_strerror(errno));
    }
    bool ok = write_all(fd, data, size);
    int error = errno;
    ok = close(fd) == 0 && ok;
    if (!ok) {
        unlink(beside);
        return fault(err, RC_INTERNAL, "cannot write '%s': %s", beside, g_strerror(error));
    }
    return file_publish(beside, path, err);
}

enum rc
file_publish(const char *from, const char *to, struct err *err)
{
    if (rename(from, to) && !(errno == ENOENT && file_exists(to))) {
        return fault(err, RC_INTERNAL, "cannot rename '%s' to '%s': %s", from, to,
                     g_strerror(errno));
    }
    g_autofree char *dir = g_path_get_dirname(to);
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0) {
        close(fd);
    }
    return ok ? RC_OK : fault(err, RC_INTERNAL, "cannot sync directory '%s'", dir);
}

static int
entry_remove(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    return remove(path) && errno != ENOENT ? -1 : 0;
}

enum rc
file_tree_remove(const char *path, struct err *err)
{
    if (nftw(path, entry_remove, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) && errno != ENOENT) {
        return fault(err, RC_INTERNAL, "cannot remove '%s': %s", path, g_strerror(errno));
    }
    return RC_OK;
}

bool
file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}
