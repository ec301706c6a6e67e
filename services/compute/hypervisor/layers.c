// SPDX-License-Identifier: Apache-2.0
#include "services/compute/hypervisor/layers.h"

#include <endian.h>
#include <fcntl.h>
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_LEVELS 8
#define MAX_NAME 1023

// qcow2's header as far as it matters here (QEMU docs/interop/qcow2.txt), big-endian.
struct __attribute__((packed)) header {
    uint32_t magic, version;
    uint64_t backing_offset;
    uint32_t backing_size, cluster_bits;
    uint64_t virtual_size;
};
#define QCOW2_MAGIC 0x514649fbu

// The name of the file below; NULL: none.
static char *
backing_read(int fd, const struct header *header)
{
    uint64_t offset = be64toh(header->backing_offset);
    uint32_t size = be32toh(header->backing_size);
    if (offset == 0 || size == 0 || size > MAX_NAME || offset > INT32_MAX) {
        return NULL;
    }
    g_autofree char *name = g_malloc0(size + 1);
    return pread(fd, name, size, (off_t)offset) == (ssize_t)size ? g_utf8_make_valid(name, -1)
                                                                 : NULL;
}

static json_t *
level_read(int level, const char *path, char **ret_below)
{
    struct header header = {0};
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &info) || !S_ISREG(info.st_mode)) {
        if (fd >= 0) {
            close(fd);
        }
        return NULL;
    }
    bool is_qcow2 = pread(fd, &header, sizeof header, 0) == sizeof header &&
                    be32toh(header.magic) == QCOW2_MAGIC;
    *ret_below = is_qcow2 ? backing_read(fd, &header) : NULL;
    close(fd);
    int64_t virtual_bytes = is_qcow2 ? (int64_t)be64toh(header.virtual_size) : info.st_size;
    const char *slash = strrchr(path, '/');
    return json_pack("{s:i, s:s, s:s?, s:I, s:I}", "level", level, "file", slash ? slash + 1 : path,
                     "format", is_qcow2 ? "qcow2" : NULL, "bytes", (json_int_t)info.st_blocks * 512,
                     "virtual_bytes", (json_int_t)virtual_bytes);
}

json_t *
layers_read(const char *disk)
{
    json_t *list = json_array();
    g_autofree char *path = g_strdup(disk);
    for (int level = 0; path && level < MAX_LEVELS; level++) {
        char *below = NULL;
        json_t *row = level_read(level, path, &below);
        if (row) {
            json_array_append_new(list, row);
        }
        g_free(path);
        path = below;
    }
    return list;
}
