// SPDX-License-Identifier: Apache-2.0
#include "services/image/cache/cache.h"

#include "common/base/util.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum room { CACHED, HITS, QUEUE, PART, N_ROOMS };
static const char *const rooms[N_ROOMS] = {"cached", "hits", "queue", "part"};

struct cache {
    int fds[N_ROOMS];
    int lock_fd;  // of one process at a time
    GMutex leads; // of one thread in it
    int64_t max_size;
};
struct entry {
    char id[UUID_SIZE];
    int64_t size, read_ns, written_ns;
};

static enum rc
open_rooms(struct cache *cache, int fd, struct err *err)
{
    for (int i = 0; i < N_ROOMS; i++) {
        bool is_made = mkdirat(fd, rooms[i], 0750) == 0 || errno == EEXIST;
        cache->fds[i] = is_made ? openat(fd, rooms[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
        if (cache->fds[i] < 0) {
            return fault(err, RC_UNAVAILABLE, "cannot make the image cache: %s", g_strerror(errno));
        }
    }
    cache->lock_fd = openat(fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    return cache->lock_fd >= 0
               ? RC_OK
               : fault(err, RC_UNAVAILABLE, "cannot make the image cache: %s", g_strerror(errno));
}

enum rc
cache_new(const char *path, int64_t max_size, struct cache **ret_cache, struct err *err)
{
    int fd =
        g_mkdir_with_parents(path, 0750) == 0 ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd < 0) {
        return fault(err, RC_UNAVAILABLE, "cannot make the image cache '%s': %s", path,
                     g_strerror(errno));
    }
    struct cache *cache = g_new0(struct cache, 1);
    cache->max_size = max_size;
    g_mutex_init(&cache->leads);
    cache->lock_fd = -1;
    memset(cache->fds, -1, sizeof cache->fds);
    enum rc rc = open_rooms(cache, fd, err);
    close(fd);
    if (rc != RC_OK) {
        cache_free(cache);
        return rc;
    }
    *ret_cache = cache;
    return RC_OK;
}

void
cache_free(struct cache *cache)
{
    if (!cache) {
        return;
    }
    for (int i = 0; i < N_ROOMS; i++) {
        if (cache->fds[i] >= 0) {
            close(cache->fds[i]);
        }
    }
    if (cache->lock_fd >= 0) {
        close(cache->lock_fd);
    }
    g_mutex_clear(&cache->leads);
    g_free(cache);
}

static bool
is_in(const struct cache *cache, enum room room, const char *id)
{
    return faccessat(cache->fds[room], id, F_OK, 0) == 0;
}

// One byte longer; a lost race loses a hit.
static void
count_hit(struct cache *cache, const char *id)
{
    struct stat status;
    int fd = openat(cache->fds[HITS], id, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (fd >= 0 && fstat(fd, &status) == 0 && ftruncate(fd, status.st_size + 1) < 0) {
        errno = 0;
    }
    if (fd >= 0) {
        close(fd);
    }
}

int
cache_open(struct cache *cache, const char *image_id, int64_t size)
{
    const struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_OMIT}};
    struct stat status;
    int fd = openat(cache->fds[CACHED], image_id, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return -1;
    }
    if (fstat(fd, &status) < 0 || status.st_size != size) {
        close(fd);
        cache_remove(cache, image_id);
        return -1;
    }
    count_hit(cache, image_id);
    if (futimens(fd, times) < 0) {
        errno = 0; // it only looks older than it is
    }
    return fd;
}

enum rc
cache_queue(struct cache *cache, const char *image_id, struct err *err)
{
    if (is_in(cache, CACHED, image_id)) {
        return RC_OK;
    }
    int fd = openat(cache->fds[QUEUE], image_id, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (fd < 0 && errno != EEXIST) {
        return fault(err, RC_UNAVAILABLE, "cannot queue image %s for the cache: %s", image_id,
                     g_strerror(errno));
    }
    if (fd >= 0) {
        close(fd);
    }
    return RC_OK;
}

static int64_t
ns_of(struct timespec time)
{
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static gint
compare_read(gconstpointer a, gconstpointer b)
{
    int64_t x = ((const struct entry *)a)->read_ns, y = ((const struct entry *)b)->read_ns;
    return (x > y) - (x < y);
}

// Of struct entry, those that were read longest ago first.
static GArray *
entries_of(const struct cache *cache, enum room room)
{
    GArray *entries = g_array_new(FALSE, FALSE, sizeof(struct entry));
    int fd = openat(cache->fds[room], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *each;
    struct stat status;
    while (directory && (each = readdir(directory))) {
        if (!uuid_is_valid(each->d_name) || fstatat(cache->fds[room], each->d_name, &status, 0)) {
            continue;
        }
        struct entry entry = {.size = status.st_size,
                              .read_ns = ns_of(status.st_atim),
                              .written_ns = ns_of(status.st_mtim)};
        g_strlcpy(entry.id, each->d_name, sizeof entry.id);
        g_array_append_val(entries, entry);
    }
    if (directory) {
        closedir(directory);
    } else if (fd >= 0) {
        close(fd);
    }
    g_array_sort(entries, compare_read);
    return entries;
}

static int64_t
hits_of(const struct cache *cache, const char *id)
{
    struct stat status;
    return fstatat(cache->fds[HITS], id, &status, 0) == 0 ? status.st_size : 0;
}

json_t *
cache_list(struct cache *cache)
{
    json_t *cached = json_array(), *queued = json_array();
    g_autoptr(GArray) waiting = entries_of(cache, QUEUE);
    g_autoptr(GArray) present = entries_of(cache, CACHED);
    for (guint i = 0; i < present->len; i++) {
        const struct entry *entry = &g_array_index(present, struct entry, i);
        json_array_append_new(cached, json_pack("{s:s, s:I, s:f, s:f, s:I}", "image_id", entry->id,
                                                "hits", (json_int_t)hits_of(cache, entry->id),
                                                "last_accessed", (double)entry->read_ns / 1e9,
                                                "last_modified", (double)entry->written_ns / 1e9,
                                                "size", (json_int_t)entry->size));
    }
    for (guint i = 0; i < waiting->len; i++) {
        const struct entry *entry = &g_array_index(waiting, struct entry, i);
        if (!is_in(cache, CACHED, entry->id)) {
            json_array_append_new(queued, json_string(entry->id));
        }
    }
    return json_pack("{s:o, s:o}", "cached_images", cached, "queued_images", queued);
}

static bool
drop(const struct cache *cache, enum room room, const char *id)
{
    return unlinkat(cache->fds[room], id, 0) == 0;
}

bool
cache_remove(struct cache *cache, const char *image_id)
{
    bool was_queued = drop(cache, QUEUE, image_id);
    bool was_cached = drop(cache, CACHED, image_id);
    drop(cache, HITS, image_id);
    drop(cache, PART, image_id); // what did not fit on the disk, or is on its way
    return was_queued || was_cached;
}

static void
empty(const struct cache *cache, enum room room)
{
    g_autoptr(GArray) entries = entries_of(cache, room);
    for (guint i = 0; i < entries->len; i++) {
        drop(cache, room, g_array_index(entries, struct entry, i).id);
    }
}

void
cache_clear(struct cache *cache, bool cached, bool queued)
{
    if (queued) {
        empty(cache, QUEUE);
    }
    if (cached) {
        empty(cache, CACHED);
        empty(cache, HITS);
    }
}

struct cache_pruned
cache_prune(struct cache *cache, int64_t room)
{
    struct cache_pruned pruned = {0, 0};
    g_autoptr(GArray) entries = entries_of(cache, CACHED);
    int64_t total = room;
    for (guint i = 0; i < entries->len; i++) {
        total += g_array_index(entries, struct entry, i).size;
    }
    for (guint i = 0; i < entries->len && total > cache->max_size; i++) {
        const struct entry *entry = &g_array_index(entries, struct entry, i);
        total -= entry->size;
        if (drop(cache, CACHED, entry->id)) {
            drop(cache, HITS, entry->id);
            pruned.n_files++;
            pruned.n_bytes += entry->size;
        }
    }
    return pruned;
}

bool
cache_lead(struct cache *cache)
{
    if (!g_mutex_trylock(&cache->leads)) {
        return false;
    }
    bool leads = flock(cache->lock_fd, LOCK_EX | LOCK_NB) == 0;
    if (!leads) {
        g_mutex_unlock(&cache->leads);
    }
    return leads;
}

void
cache_follow(struct cache *cache)
{
    flock(cache->lock_fd, LOCK_UN);
    g_mutex_unlock(&cache->leads);
}

void
cache_clean(struct cache *cache)
{
    empty(cache, PART);
}

bool
cache_fits(const struct cache *cache, int64_t size)
{
    return size <= cache->max_size;
}

enum rc
cache_part(struct cache *cache, const char *image_id, int *ret_fd, struct err *err)
{
    int fd = openat(cache->fds[PART], image_id, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
                    0640);
    if (fd < 0) {
        return fault(err, RC_UNAVAILABLE, "cannot write to the image cache: %s", g_strerror(errno));
    }
    *ret_fd = fd;
    return RC_OK;
}

enum rc
cache_keep(struct cache *cache, const char *image_id, struct err *err)
{
    if (renameat(cache->fds[PART], image_id, cache->fds[CACHED], image_id) < 0) {
        return fault(err, RC_UNAVAILABLE, "cannot write to the image cache: %s", g_strerror(errno));
    }
    drop(cache, QUEUE, image_id);
    return RC_OK;
}
