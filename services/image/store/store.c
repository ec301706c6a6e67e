// SPDX-License-Identifier: Apache-2.0
#include "services/image/store/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SHA512_LEN 128

struct store {
    char *path;
    int temp_fd;  // directory tmp
    int blobs_fd; // directory blobs
};

static int
open_directory(int parent, const char *name)
{
    if (mkdirat(parent, name, 0750) < 0 && errno != EEXIST) {
        return -1;
    }
    return openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

enum rc
store_new(const char *path, struct store **ret_store, struct err *err)
{
    if (g_mkdir_with_parents(path, 0750) < 0) {
        return fault(err, RC_UNAVAILABLE, "cannot make the image store '%s': %s", path,
                     g_strerror(errno));
    }
    struct store *store = g_new(struct store, 1);
    *store = (struct store){g_strdup(path), -1, -1};
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        store->temp_fd = open_directory(fd, "tmp");
        store->blobs_fd = open_directory(fd, "blobs");
        close(fd);
    }
    if (store->temp_fd < 0 || store->blobs_fd < 0 || !store_is_writable(store)) {
        enum rc rc = fault(err, RC_UNAVAILABLE, "cannot write to the image store '%s'", path);
        store_free(store);
        return rc;
    }
    *ret_store = store;
    return RC_OK;
}

void
store_free(struct store *store)
{
    if (store) {
        if (store->temp_fd >= 0) {
            close(store->temp_fd);
        }
        if (store->blobs_fd >= 0) {
            close(store->blobs_fd);
        }
        g_free(store->path);
        g_free(store);
    }
}

bool
store_is_writable(struct store *store)
{
    return faccessat(store->temp_fd, ".", W_OK | X_OK, 0) == 0 &&
           faccessat(store->blobs_fd, ".", W_OK | X_OK, 0) == 0;
}

static enum rc
disk_fault(struct err *err, const char *attempt, const char *name)
{
    int number = errno;
    enum rc rc = number == ENOSPC || number == EDQUOT ? RC_TOO_LARGE : RC_UNAVAILABLE;
    return fault(err, rc, "cannot %s '%.40s' in the image store: %s", attempt, name,
                 g_strerror(number));
}

enum rc
store_temp_create(struct store *store, const char *upload_id, int *ret_fd, struct err *err)
{
    int fd =
        openat(store->temp_fd, upload_id, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (fd < 0) {
        return disk_fault(err, "create", upload_id);
    }
    *ret_fd = fd;
    return RC_OK;
}

void
store_temp_remove(struct store *store, const char *upload_id)
{
    unlinkat(store->temp_fd, upload_id, 0);
}

GPtrArray *
store_temp_list(struct store *store)
{
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    int fd = openat(store->temp_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *entry;
    while (directory && (entry = readdir(directory))) {
        if (entry->d_name[0] != '.') {
            g_ptr_array_add(names, g_strdup(entry->d_name));
        }
    }
    if (directory) {
        closedir(directory);
    }
    return names;
}

static void
shard_of(const char *sha512, char ret_shard[3])
{
    g_assert(strlen(sha512) == SHA512_LEN);
    memcpy(ret_shard, sha512, 2);
    ret_shard[2] = 0;
}

enum rc
store_blob_place(struct store *store, const char *upload_id, const char *sha512, struct err *err)
{
    char shard[3];
    shard_of(sha512, shard);
    int fd = open_directory(store->blobs_fd, shard);
    if (fd < 0) {
        return disk_fault(err, "make", shard);
    }
    enum rc rc = RC_OK;
    if (linkat(store->temp_fd, upload_id, fd, sha512, 0) < 0 && errno != EEXIST) {
        rc = disk_fault(err, "place", sha512);
    } else if (fsync(fd) < 0 || fsync(store->blobs_fd) < 0) {
        rc = disk_fault(err, "sync", sha512);
    }
    close(fd);
    return rc;
}

enum rc
store_blob_open(struct store *store, const char *sha512, int *ret_fd, struct err *err)
{
    g_autofree char *name = g_strdup_printf("%.2s/%s", sha512, sha512);
    int fd = openat(store->blobs_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return fault(err, RC_INTERNAL, "cannot open blob '%.16s…': %s", sha512, g_strerror(errno));
    }
    *ret_fd = fd;
    return RC_OK;
}

enum rc
store_blob_remove(struct store *store, const char *sha512, struct err *err)
{
    g_autofree char *name = g_strdup_printf("%.2s/%s", sha512, sha512);
    if (unlinkat(store->blobs_fd, name, 0) < 0 && errno != ENOENT) {
        return disk_fault(err, "remove", sha512);
    }
    return RC_OK;
}

static void
each_in_shard(int fd, int64_t oldest, void (*fn)(const char *, int64_t, void *), void *context)
{
    DIR *directory = fdopendir(fd);
    struct dirent *entry;
    while (directory && (entry = readdir(directory))) {
        struct stat info;
        if (strlen(entry->d_name) == SHA512_LEN && fstatat(fd, entry->d_name, &info, 0) == 0 &&
            info.st_ctime <= oldest) {
            fn(entry->d_name, info.st_size, context);
        }
    }
    if (directory) {
        closedir(directory);
    } else {
        close(fd);
    }
}

void
store_blob_each(struct store *store, int64_t min_age_s, void (*fn)(const char *, int64_t, void *),
                void *context)
{
    for (unsigned i = 0; i < 256; i++) {
        char shard[3];
        g_snprintf(shard, sizeof shard, "%02x", i);
        int fd = openat(store->blobs_fd, shard, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd >= 0) {
            each_in_shard(fd, (int64_t)time(NULL) - min_age_s, fn, context);
        }
    }
}
