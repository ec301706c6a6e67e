// SPDX-License-Identifier: Apache-2.0
#include "services/identity/secret/key_directory.h"
#include "common/base/util.h"
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_SIZE (2 * SECRET_KEY_SIZE)

struct keys {
    struct secret_key all[SECRET_KEYS_MAX];
    size_t n;
};

static enum rc
wrong(struct err *err, const char *path, const char *what)
{
    return fault(err, RC_INVALID, "[secret] key_directory: '%s' %s", path, what);
}

static bool
decode_hex(const char *text, unsigned char ret_bytes[SECRET_KEY_SIZE])
{
    for (size_t i = 0; i < SECRET_KEY_SIZE; i++) {
        int high = g_ascii_xdigit_value(text[2 * i]), low = g_ascii_xdigit_value(text[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        ret_bytes[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

static enum rc
read_key(const char *path, int fd, struct secret_key *key, struct err *err)
{
    struct stat stat;
    if (fstat(fd, &stat) || !S_ISREG(stat.st_mode)) {
        return wrong(err, path, "is not a file");
    }
    if (stat.st_mode & 077) {
        return wrong(err, path, "may be read by others: its mode must be 0600");
    }
    char text[FILE_SIZE + 2] = "";
    ssize_t size = read(fd, text, sizeof text);
    bool ok = (size == FILE_SIZE || (size == FILE_SIZE + 1 && text[FILE_SIZE] == '\n')) &&
              decode_hex(text, key->bytes);
    OPENSSL_cleanse(text, sizeof text);
    if (!ok) {
        return wrong(err, path, "does not hold 64 hexadecimal digits");
    }
    secret_key_name(key);
    return RC_OK;
}

static enum rc
add_file(const char *directory, const char *name, struct keys *keys, struct err *err)
{
    int64_t number = 0;
    if (!parse_int64(name, 0, INT64_MAX - 1, &number)) {
        return RC_OK; // not a key's name
    }
    g_autofree char *path = g_build_filename(directory, name, NULL);
    if (keys->n == SECRET_KEYS_MAX) {
        return wrong(err, directory, "holds more than 64 keys");
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return wrong(err, path, g_strerror(errno));
    }
    keys->all[keys->n].number = number;
    enum rc rc = read_key(path, fd, &keys->all[keys->n], err);
    close(fd);
    keys->n += rc == RC_OK;
    return rc;
}

static enum rc
read_all(const char *directory, struct keys *keys, struct err *err)
{
    if (!directory[0]) {
        return fault(err, RC_INVALID, "[secret] key_directory is not set");
    }
    g_autoptr(GDir) dir = g_dir_open(directory, 0, NULL);
    if (!dir) {
        return wrong(err, directory, "is not a directory that can be read");
    }
    enum rc rc = RC_OK;
    for (const char *name; rc == RC_OK && (name = g_dir_read_name(dir));) {
        rc = add_file(directory, name, keys, err);
    }
    return rc;
}

enum rc
key_directory_read(const char *path, struct secret_ring *ring, struct err *err)
{
    struct keys keys = {.n = 0};
    enum rc rc = read_all(path, &keys, err);
    if (rc == RC_OK && secret_ring_set(ring, keys.all, keys.n, NULL)) {
        rc = wrong(err, path,
                   "holds no key: make one with --make-secret-keys, or copy the keys "
                   "that this cloud has");
    }
    OPENSSL_cleanse(&keys, sizeof keys);
    return rc;
}

// ---- changes

static bool
write_all(int fd, const char *text, size_t size)
{
    return write(fd, text, size) == (ssize_t)size && fsync(fd) == 0;
}

// Whole or not at all, mode 0600. An existing file is an error, or replaced.
static enum rc
write_new(const char *directory, const char *name, bool replace, struct err *err)
{
    g_autofree char *path = g_build_filename(directory, name, NULL);
    g_autofree char *temporary = g_strdup_printf("%s/.%s.%d", directory, name, (int)getpid());
    unsigned char bytes[SECRET_KEY_SIZE];
    char text[FILE_SIZE + 2];
    random_bytes(bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++) {
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    }
    text[FILE_SIZE] = '\n';
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && write_all(fd, text, FILE_SIZE + 1);
    OPENSSL_cleanse(bytes, sizeof bytes);
    OPENSSL_cleanse(text, sizeof text);
    ok = (fd < 0 || close(fd) == 0) && ok &&
         (replace ? rename(temporary, path) : link(temporary, path)) == 0;
    int error = errno;
    unlink(temporary);
    return ok ? RC_OK : wrong(err, path, g_strerror(error));
}

static bool
has_number(const struct keys *keys, int64_t number)
{
    bool has = false;
    for (size_t i = 0; i < keys->n; i++) {
        has |= keys->all[i].number == number;
    }
    return has;
}

// The primary first: alone it is a directory that can be used. One of the two alone is what an
// interrupted run left, and is completed.
enum rc
key_directory_make(const char *path, struct err *err)
{
    struct keys keys = {.n = 0};
    if (path[0] && g_mkdir_with_parents(path, 0700)) {
        return wrong(err, path, g_strerror(errno));
    }
    enum rc rc = read_all(path, &keys, err);
    bool has_primary = has_number(&keys, 1), has_staged = has_number(&keys, 0);
    bool is_interrupted = keys.n == 1 && (has_primary || has_staged);
    OPENSSL_cleanse(keys.all, sizeof keys.all);
    if (rc == RC_OK && keys.n && !is_interrupted) {
        return fault(err, RC_CONFLICT, "'%s' holds keys already", path);
    }
    rc = rc || has_primary ? rc : write_new(path, "1", false, err);
    return rc || has_staged ? rc : write_new(path, "0", false, err);
}

// The staged key is linked under its new name before another takes its place: a reader never misses
// it.
static enum rc
promote(const char *path, const struct keys *keys, struct err *err)
{
    const struct secret_key *staged = NULL, *primary = &keys->all[0];
    for (size_t i = 0; i < keys->n; i++) {
        staged = keys->all[i].number == 0 ? &keys->all[i] : staged;
        primary = keys->all[i].number > primary->number ? &keys->all[i] : primary;
    }
    if (!staged || !strcmp(staged->id, primary->id)) { // removed, or a rotation was interrupted
        enum rc rc = write_new(path, "0", true, err);
        return rc ? rc
                  : fault(err, RC_NOT_FOUND,
                          "'%s' had no new staged key: it has one now; copy it to every host, then "
                          "rotate again",
                          path);
    }
    if (keys->n == SECRET_KEYS_MAX) {
        return wrong(err, path, "is full: remove keys that no row needs");
    }
    g_autofree char *from = g_build_filename(path, "0", NULL),
                    *to = g_strdup_printf("%s/%" G_GINT64_FORMAT, path, primary->number + 1);
    return link(from, to) ? wrong(err, to, g_strerror(errno)) : write_new(path, "0", true, err);
}

enum rc
key_directory_rotate(const char *path, struct err *err)
{
    struct keys keys = {.n = 0};
    enum rc rc = read_all(path, &keys, err);
    if (rc == RC_OK) {
        rc = keys.n ? promote(path, &keys, err) : wrong(err, path, "holds no key");
    }
    OPENSSL_cleanse(&keys, sizeof keys);
    return rc;
}

static int
by_number(const void *a, const void *b)
{
    int64_t left = ((const struct secret_key *)a)->number,
            right = ((const struct secret_key *)b)->number;
    return (left > right) - (left < right);
}

enum rc
key_directory_print(const char *path, struct err *err)
{
    struct keys keys = {.n = 0};
    enum rc rc = read_all(path, &keys, err);
    qsort(keys.all, keys.n, sizeof keys.all[0], by_number);
    for (size_t i = 0; rc == RC_OK && i < keys.n; i++) {
        printf("%" G_GINT64_FORMAT "\t%s\t%s\n", keys.all[i].number, keys.all[i].id,
               keys.all[i].number == 0 ? "staged"
               : i + 1 == keys.n       ? "primary"
                                       : "older");
    }
    OPENSSL_cleanse(&keys, sizeof keys);
    return rc;
}
