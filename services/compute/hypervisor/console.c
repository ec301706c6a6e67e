// SPDX-License-Identifier: Apache-2.0
#include "services/compute/hypervisor/console.h"

#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <unistd.h>

#define MAX_SIZE (100 * 1024)

// The last bytes of the file, without zeroes, which JSON texts of ours cannot hold.
static char *
tail_read(const char *path)
{
    char *text = g_malloc0(MAX_SIZE + 1);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return text;
    }
    off_t size = lseek(fd, 0, SEEK_END);
    ssize_t n = pread(fd, text, MAX_SIZE, MAX(size - MAX_SIZE, 0));
    close(fd);
    char *end = text;
    for (ssize_t i = 0; i < n; i++) {
        if (text[i]) {
            *end++ = text[i];
        }
    }
    *end = '\0';
    return text;
}

char *
console_tail(const char *path, int64_t length)
{
    g_autofree char *text = tail_read(path);
    const char *start = text + strlen(text);
    if (start > text && start[-1] == '\n') {
        start--; // the last line's own end
    }
    for (int64_t lines = 0; start > text; start--) {
        if (start[-1] == '\n' && ++lines == length) {
            break;
        }
    }
    return g_utf8_make_valid(length == 0 ? "" : start, -1);
}
