// SPDX-License-Identifier: Apache-2.0
// Blobs as files: blobs/<first two digits>/<digest>, written as part/<digest>.<random> and renamed.
// The store that has the directory of temporary files takes them over by a link; every other one
// copies, so that two stores never share an inode.
#include "services/image/store/driver.h"

#include "common/base/util.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct file_store {
    char *path;
    int blobs_fd, parts_fd;
    bool has_temps;
    GThreadPool *closers;
};

static enum rc
disk_fault(struct err *err, const char *attempt, const char *name)
{
    int number = errno;
    enum rc rc = number == ENOSPC || number == EDQUOT ? RC_TOO_LARGE
                 : number == ENOENT                   ? RC_NOT_FOUND
                                                      : RC_UNAVAILABLE;
    return fault(err, rc, "cannot %s '%.40s' in the image store: %s", attempt, name,
                 g_strerror(number));
}

static int
open_directory(int parent, const char *name)
{
    if (mkdirat(parent, name, 0750) < 0 && errno != EEXIST) {
        return -1;
    }
    return openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

// A file that lost its name keeps its blocks until it is closed: to free a large one's takes long,
// and would tell who uploads that the bytes were here.
static void
close_later(gpointer fd_plus_1, gpointer context)
{
    close(GPOINTER_TO_INT(fd_plus_1) - 1);
}

static void
file_done(void *self)
{
    struct file_store *store = self;
    g_thread_pool_free(store->closers, FALSE, TRUE);
    if (store->blobs_fd >= 0) {
        close(store->blobs_fd);
    }
    if (store->parts_fd >= 0) {
        close(store->parts_fd);
    }
    g_free(store->path);
    g_free(store);
}

static enum rc
file_init(const struct conf *conf, const char *group, const char *temp_path, void **ret_self,
          struct err *err)
{
    const char *path = conf_text(conf, group, "path");
    g_autofree char *base = g_path_get_dirname(temp_path);
    const char *name = group + strlen("store:");
    struct file_store *store = g_new0(struct file_store, 1);
    store->path = *path                    ? g_strdup(path)
                  : !strcmp(name, "local") ? g_strdup(base)
                                           : g_build_filename(base, name, NULL);
    store->blobs_fd = store->parts_fd = -1;
    store->closers = g_thread_pool_new(close_later, NULL, 1, TRUE, NULL);
    int fd = g_mkdir_with_parents(store->path, 0750) == 0
                 ? open(store->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
                 : -1;
    if (fd >= 0) {
        store->blobs_fd = open_directory(fd, "blobs");
        store->parts_fd = open_directory(fd, "part");
        close(fd);
    }
    if (store->blobs_fd < 0 || store->parts_fd < 0) {
        enum rc rc = fault(err, RC_UNAVAILABLE, "cannot make the image store '%s': %s", store->path,
                           g_strerror(errno));
        file_done(store);
        return rc;
    }
    struct stat own, temps;
    store->has_temps = stat(store->path, &own) == 0 && stat(base, &temps) == 0 &&
                       own.st_ino == temps.st_ino && own.st_dev == temps.st_dev;
    *ret_self = store;
    return RC_OK;
}

static bool
file_is_usable(void *self)
{
    struct file_store *store = self;
    return faccessat(store->blobs_fd, ".", W_OK | X_OK, 0) == 0 &&
           faccessat(store->parts_fd, ".", W_OK | X_OK, 0) == 0;
}

static bool
file_takes_temps(const void *self)
{
    return ((const struct file_store *)self)->has_temps;
}

static json_t *
file_describe(const void *self)
{
    const struct file_store *store = self;
    return json_pack("{s:s, s:i, s:b}", "data_dir", store->path, "chunk_size", 65536,
                     "thin_provisioning", 0);
}

static char *
file_url(const void *self, const char *digest)
{
    const struct file_store *store = self;
    return g_strdup_printf("file://%s/blobs/%.2s/%s", store->path, digest, digest);
}

static enum rc
write_piece(void *context, const void *data, size_t size, struct err *err)
{
    const int *fd = context;
    const char *next = data;
    while (size > 0) {
        ssize_t n = write(*fd, next, size);
        if (n < 0 && errno != EINTR) {
            return disk_fault(err, "write", "part");
        }
        n = MAX(n, 0);
        next += n;
        size -= (size_t)n;
    }
    return RC_OK;
}

static enum rc
copy_part(struct file_store *store, const char *part, const struct blob_source *source,
          struct err *err)
{
    int fd =
        openat(store->parts_fd, part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (fd < 0) {
        return disk_fault(err, "create", part);
    }
    enum rc rc = blob_source_read(source, write_piece, &fd, err);
    if (rc == RC_OK && fsync(fd) < 0) {
        rc = disk_fault(err, "sync", part);
    }
    close(fd);
    return rc;
}

static enum rc
make_part(struct file_store *store, const char *part, const struct blob_source *source,
          struct err *err)
{
    if (source->is_temp && store->has_temps) {
        char path[40];
        g_snprintf(path, sizeof path, "/proc/self/fd/%d", source->fd);
        if (linkat(AT_FDCWD, path, store->parts_fd, part, AT_SYMLINK_FOLLOW) == 0) {
            return RC_OK;
        }
        // Its name is gone already: the bytes are not.
    }
    return copy_part(store, part, source, err);
}

static enum rc
publish_part(struct file_store *store, const char *part, const char *digest, struct err *err)
{
    char shard[3];
    g_strlcpy(shard, digest, sizeof shard);
    int fd = open_directory(store->blobs_fd, shard);
    if (fd < 0) {
        return disk_fault(err, "make", shard);
    }
    int replaced = openat(fd, digest, O_PATH | O_CLOEXEC | O_NOFOLLOW);
    enum rc rc = RC_OK;
    if (renameat(store->parts_fd, part, fd, digest) < 0) {
        rc = disk_fault(err, "place", digest);
    } else if (fsync(fd) < 0 || fsync(store->blobs_fd) < 0) {
        rc = disk_fault(err, "sync", digest);
    }
    close(fd);
    if (replaced >= 0) {
        g_thread_pool_push(store->closers, GINT_TO_POINTER(replaced + 1), NULL);
    }
    return rc;
}

static enum rc
file_put(void *self, const struct blob_source *source, struct err *err)
{
    struct file_store *store = self;
    char id[UUID_SIZE];
    uuid_new(id);
    g_autofree char *part = g_strdup_printf("%s.%s", source->digest, id);
    enum rc rc = make_part(store, part, source, err);
    if (rc == RC_OK) {
        rc = publish_part(store, part, source->digest, err);
    }
    // Also after success: a rename between two links of one file removes neither.
    unlinkat(store->parts_fd, part, 0);
    return rc;
}

static enum rc
file_open(void *self, const char *digest, int *ret_fd, struct err *err)
{
    struct file_store *store = self;
    g_autofree char *name = g_strdup_printf("%.2s/%s", digest, digest);
    int fd = openat(store->blobs_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return disk_fault(err, "open", digest);
    }
    *ret_fd = fd;
    return RC_OK;
}

static enum rc
file_get(void *self, const char *digest, int64_t first, int64_t last, blob_sink sink, void *context,
         struct err *err)
{
    enum { SIZE = 256 * 1024 };
    g_autofree char *buffer = g_malloc(SIZE);
    int fd = -1;
    enum rc rc = file_open(self, digest, &fd, err);
    while (rc == RC_OK && first <= last) {
        ssize_t n = pread(fd, buffer, (size_t)MIN(SIZE, last - first + 1), first);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        rc = n > 0   ? sink(context, buffer, (size_t)n, err)
             : n < 0 ? disk_fault(err, "read", digest)
                     : fault(err, RC_NOT_FOUND, "blob '%.16s…' is cut off", digest);
        first += MAX(n, 0);
    }
    if (fd >= 0) {
        close(fd);
    }
    return rc;
}

// Calls fn for every name in the directory until it returns false; takes the descriptor.
static void
each_name(int fd, bool (*fn)(void *context, int fd, const char *name), void *context)
{
    DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *entry;
    while (directory && (entry = readdir(directory))) {
        if (entry->d_name[0] != '.' && !fn(context, dirfd(directory), entry->d_name)) {
            break;
        }
    }
    if (directory) {
        closedir(directory);
    } else if (fd >= 0) {
        close(fd);
    }
}

static int
again(int fd)
{
    return openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static bool
remove_part_of(void *context, int fd, const char *name)
{
    const char *digest = context;
    size_t len = strlen(digest);
    if (!strncmp(name, digest, len) && name[len] == '.') {
        unlinkat(fd, name, 0);
    }
    return true;
}

static enum rc
file_partial_remove(void *self, const char *digest, struct err *err)
{
    struct file_store *store = self;
    each_name(again(store->parts_fd), remove_part_of, (void *)digest);
    return RC_OK;
}

static enum rc
file_remove(void *self, const char *digest, struct err *err)
{
    struct file_store *store = self;
    g_autofree char *name = g_strdup_printf("%.2s/%s", digest, digest);
    rc_ignore(file_partial_remove(self, digest, err));
    if (unlinkat(store->blobs_fd, name, 0) < 0 && errno != ENOENT) {
        return disk_fault(err, "remove", digest);
    }
    return RC_OK;
}

struct walk {
    int64_t oldest;
    void (*fn)(void *context, const char *digest, int64_t size);
    void *context;
};

static bool
walk_file(void *context, int fd, const char *name)
{
    struct walk *walk = context;
    struct stat info;
    if (blob_name_is_valid(name) && fstatat(fd, name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
        info.st_ctime <= walk->oldest) {
        walk->fn(walk->context, name, info.st_size);
    }
    return true;
}

static enum rc
file_each(void *self, int64_t min_age_s,
          void (*fn)(void *context, const char *digest, int64_t size), void *context,
          struct err *err)
{
    struct file_store *store = self;
    // time() may be a tick behind the clock that dates files.
    struct walk walk = {g_get_real_time() / G_USEC_PER_SEC - min_age_s, fn, context};
    for (unsigned i = 0; i < 256; i++) {
        char shard[3];
        g_snprintf(shard, sizeof shard, "%02x", i);
        each_name(openat(store->blobs_fd, shard, O_RDONLY | O_DIRECTORY | O_CLOEXEC), walk_file,
                  &walk);
    }
    return RC_OK;
}

static bool
note_part(void *names, int fd, const char *name)
{
    const char *end = strchr(name, '.');
    g_autofree char *digest = end ? g_strndup(name, (gsize)(end - name)) : NULL;
    if (digest && blob_name_is_valid(digest)) {
        g_hash_table_add(names, g_steal_pointer(&digest));
    }
    return true;
}

static enum rc
file_partials(void *self, GHashTable *ret_names, struct err *err)
{
    struct file_store *store = self;
    each_name(again(store->parts_fd), note_part, ret_names);
    return RC_OK;
}

const struct store_driver file_driver = {
    .kind = "file",
    .is_remote = false,
    .init = file_init,
    .done = file_done,
    .is_usable = file_is_usable,
    .takes_temps = file_takes_temps,
    .describe = file_describe,
    .url = file_url,
    .put = file_put,
    .get = file_get,
    .open = file_open,
    .remove = file_remove,
    .each = file_each,
    .partials = file_partials,
    .partial_remove = file_partial_remove,
};
