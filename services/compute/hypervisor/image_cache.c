// SPDX-License-Identifier: Apache-2.0
#include "services/compute/hypervisor/image_cache.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/base/digest.h"
#include "common/base/util.h"
#include "services/compute/hypervisor/files.h"

#define QCOW2 "qcow2"
#define CONVERTED "." QCOW2
#define CONNECT_TIMEOUT_S 10L
#define STALL_TIMEOUT_S 30L             // without a byte
#define RECENT_US (60 * G_USEC_PER_SEC) // a base that young may be about to be used

struct image_cache {
    struct image_cache_config config;
    char *dir;
    GMutex mutex;         // guards fetching
    GHashTable *fetching; // image ids being fetched
};

struct transfer {
    const struct order_image *image;
    const struct image_wait *wait;
    int fd;
    int64_t n_bytes;
    EVP_MD_CTX *digest;
    bool too_much, write_failed;
    int64_t asked_ms; // when is_cancelled was asked last
};

static enum rc fetch(struct image_cache *cache, const struct order_image *image,
                     const struct image_wait *wait, struct err *err) CHECKED;
static enum rc download(const struct order_image *image, const struct image_wait *wait,
                        const char *part, struct err *err) CHECKED;
static enum rc convert(struct image_cache *cache, const struct order_image *image, const char *part,
                       struct err *err) CHECKED;
static enum rc transfer_run(struct transfer *transfer, struct err *err) CHECKED;
static enum rc transfer_check(struct transfer *transfer, struct err *err) CHECKED;
static void partial_files_remove(const char *dir);

enum rc
image_cache_open(const struct image_cache_config *config, struct image_cache **ret_cache,
                 struct err *err)
{
    enum rc rc = file_dir_make(config->dir, 0711, err);
    if (rc) {
        return rc;
    }
    partial_files_remove(config->dir);
    struct image_cache *cache = g_new0(struct image_cache, 1);
    cache->config = *config;
    cache->config.dir = cache->dir = g_strdup(config->dir);
    g_mutex_init(&cache->mutex);
    cache->fetching = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    *ret_cache = cache;
    return RC_OK;
}

void
image_cache_free(struct image_cache *cache)
{
    if (cache) {
        g_hash_table_destroy(cache->fetching);
        g_mutex_clear(&cache->mutex);
        g_free(cache->dir);
        g_free(cache);
    }
}

// Guests read raw and qcow2; other formats are converted once, by a process with limits, so that no
// guest's QEMU parses them.
static bool
is_converted(const struct order_image *image)
{
    const char *format = image->disk_format ? order_qemu_format(image->disk_format) : NULL;
    return format && strcmp(format, "raw") != 0 && strcmp(format, QCOW2) != 0;
}

const char *
image_base_format(const struct order_image *image)
{
    return is_converted(image) ? QCOW2 : order_qemu_format(image->disk_format);
}

char *
image_cache_path(const struct image_cache *cache, const struct order_image *image)
{
    g_autofree char *name = g_strconcat(image->id, is_converted(image) ? CONVERTED : "", NULL);
    return g_build_filename(cache->dir, name, NULL);
}

bool
image_cache_has(const struct image_cache *cache, const struct order_image *image)
{
    g_autofree char *path = image_cache_path(cache, image);
    return file_exists(path);
}

enum rc
image_cache_fetch(struct image_cache *cache, const struct order_image *image,
                  const struct image_wait *wait, struct err *err)
{
    g_mutex_lock(&cache->mutex);
    bool present = image_cache_has(cache, image);
    bool mine = !present && g_hash_table_add(cache->fetching, g_strdup(image->id));
    g_mutex_unlock(&cache->mutex);
    if (present) {
        return RC_OK;
    }
    if (!mine) {
        return fault(err, RC_CONFLICT, "image '%s' is being fetched", image->id);
    }
    enum rc rc = fetch(cache, image, wait, err);
    g_mutex_lock(&cache->mutex);
    g_hash_table_remove(cache->fetching, image->id);
    g_mutex_unlock(&cache->mutex);
    return rc;
}

static void
partial_files_remove(const char *dir)
{
    g_autoptr(GDir) listing = g_dir_open(dir, 0, NULL);
    for (const char *name = listing ? g_dir_read_name(listing) : NULL; name;
         name = g_dir_read_name(listing)) {
        if (g_str_has_suffix(name, ".part")) {
            g_autofree char *path = g_build_filename(dir, name, NULL);
            g_unlink(path);
        }
    }
}

static enum rc
fetch(struct image_cache *cache, const struct order_image *image, const struct image_wait *wait,
      struct err *err)
{
    if (image->size > cache->config.max_image_bytes) {
        return fault(err, RC_TOO_LARGE, "image '%s' has %" G_GINT64_FORMAT " bytes, too many here",
                     image->id, image->size);
    }
    g_autofree char *path = image_cache_path(cache, image);
    g_autofree char *part = g_strconcat(path, ".part", NULL);
    enum rc rc = download(image, wait, part, err);
    if (rc == RC_OK && is_converted(image)) {
        rc = convert(cache, image, part, err);
    }
    if (rc == RC_OK) {
        rc = file_publish(part, path, err);
    }
    if (rc) {
        g_unlink(part);
    }
    return rc;
}

static enum rc
download(const struct order_image *image, const struct image_wait *wait, const char *part,
         struct err *err)
{
    struct transfer transfer = {.image = image, .wait = wait};
    transfer.fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (transfer.fd < 0) {
        return fault(err, RC_INTERNAL, "cannot write '%s': %s", part, g_strerror(errno));
    }
    transfer.digest = digest_new(digest_algo_find(image->hash_algo)->evp());
    enum rc rc = transfer_run(&transfer, err);
    if (rc == RC_OK) {
        rc = transfer_check(&transfer, err);
    }
    if (rc == RC_OK && (fchmod(transfer.fd, 0444) || fsync(transfer.fd))) {
        rc = fault(err, RC_INTERNAL, "cannot write '%s': %s", part, g_strerror(errno));
    }
    close(transfer.fd);
    EVP_MD_CTX_free(transfer.digest);
    return rc;
}

// What came is replaced by what it is converted to.
static enum rc
convert(struct image_cache *cache, const struct order_image *image, const char *part,
        struct err *err)
{
    g_autofree char *made = g_strconcat(part, ".part", NULL);
    const struct conversion conversion = {
        .from = part,
        .from_format = order_qemu_format(image->disk_format),
        .to = made,
        .max_bytes = cache->config.max_image_bytes,
    };
    g_unlink(made);
    enum rc rc = base_convert(&conversion, err);
    if (rc == RC_OK && chmod(made, 0444)) {
        rc = fault(err, RC_INTERNAL, "cannot protect '%s': %s", made, g_strerror(errno));
    }
    if (rc == RC_OK) {
        rc = file_publish(made, part, err);
    }
    if (rc) {
        g_unlink(made);
    }
    return rc;
}

static size_t
on_bytes(char *data, size_t size, size_t n_members, void *context)
{
    struct transfer *transfer = context;
    size_t left = size * n_members;
    transfer->n_bytes += (int64_t)left;
    if (transfer->n_bytes > transfer->image->size) {
        transfer->too_much = true;
        return 0;
    }
    EVP_DigestUpdate(transfer->digest, data, left);
    while (left > 0) {
        ssize_t n = write(transfer->fd, data, left);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            transfer->write_failed = true;
            return 0;
        }
        data += n;
        left -= (size_t)n;
    }
    return size * n_members;
}

static int
on_progress(void *context, curl_off_t total, curl_off_t now, curl_off_t up_total, curl_off_t up_now)
{
    struct transfer *transfer = context;
    int64_t now_ms = monotonic_ms();
    if (!transfer->wait->is_cancelled || now_ms - transfer->asked_ms < 1000) {
        return 0;
    }
    transfer->asked_ms = now_ms;
    return transfer->wait->is_cancelled(transfer->wait->context);
}

static enum rc
http_fault(long status, const char *image_id, struct err *err)
{
    static const struct {
        long status;
        enum rc rc;
    } TABLE[] = {{401, RC_UNAUTHORIZED}, {403, RC_FORBIDDEN}, {404, RC_NOT_FOUND}, {410, RC_GONE}};
    enum rc rc = RC_UNAVAILABLE;
    for (size_t i = 0; i < N_ELEMENTS(TABLE); i++) {
        rc = TABLE[i].status == status ? TABLE[i].rc : rc;
    }
    return fault(err, rc, "cannot fetch image '%s': the image service answered %ld", image_id,
                 status);
}

static CURL *
curl_make(struct transfer *transfer)
{
    CURL *curl = curl_easy_init();
    curl_easy_setopt(curl, CURLOPT_URL, transfer->image->url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, 512L * 1024);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT_S);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, STALL_TIMEOUT_S);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, transfer);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, transfer);
    return curl;
}

static enum rc
transfer_run(struct transfer *transfer, struct err *err)
{
    CURL *curl = curl_make(transfer);
    CURLcode code = curl_easy_perform(curl);
    long status = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(curl);
    const char *id = transfer->image->id;
    if (transfer->too_much) {
        return fault(err, RC_BAD_GATEWAY, "image '%s' is longer than ordered", id);
    }
    if (transfer->write_failed) {
        return fault(err, RC_INTERNAL, "cannot store image '%s': the disk is full or failed", id);
    }
    if (code == CURLE_HTTP_RETURNED_ERROR) {
        return http_fault(status, id, err);
    }
    return code == CURLE_OK ? RC_OK
                            : fault(err, RC_UNAVAILABLE, "cannot fetch image '%s': %s", id,
                                    curl_easy_strerror(code));
}

static enum rc
transfer_check(struct transfer *transfer, struct err *err)
{
    const struct order_image *image = transfer->image;
    if (transfer->n_bytes != image->size) {
        return fault(err, RC_BAD_GATEWAY,
                     "image '%s' has %" G_GINT64_FORMAT " bytes, not %" G_GINT64_FORMAT, image->id,
                     transfer->n_bytes, image->size);
    }
    char hex[2 * EVP_MAX_MD_SIZE + 1];
    digest_to_hex(transfer->digest, hex);
    return strcmp(hex, image->hash_value) == 0
               ? RC_OK
               : fault(err, RC_BAD_GATEWAY, "image '%s' does not have the %s ordered", image->id,
                       image->hash_algo);
}

// ---- eviction

struct candidate {
    char *path;
    int64_t used_us;
};

static void
candidate_clear(gpointer data)
{
    g_free(((struct candidate *)data)->path);
}

static int
by_age(gconstpointer a, gconstpointer b)
{
    int64_t a_us = ((const struct candidate *)a)->used_us,
            b_us = ((const struct candidate *)b)->used_us;
    return a_us < b_us ? -1 : a_us > b_us;
}

static size_t
base_name_len(const char *name)
{
    size_t len = strlen(name);
    return g_str_has_suffix(name, CONVERTED) ? len - strlen(CONVERTED) : len;
}

static GArray *
candidates_list(const struct image_cache *cache, GHashTable *used)
{
    GArray *list = g_array_new(FALSE, FALSE, sizeof(struct candidate));
    g_array_set_clear_func(list, candidate_clear);
    g_autoptr(GDir) listing = g_dir_open(cache->dir, 0, NULL);
    for (const char *name = listing ? g_dir_read_name(listing) : NULL; name;
         name = g_dir_read_name(listing)) {
        struct candidate candidate = {.path = g_build_filename(cache->dir, name, NULL)};
        struct stat info;
        g_autofree char *id = g_strndup(name, base_name_len(name));
        bool mine = order_id_is_safe(id) && !g_hash_table_contains(used, id);
        if (mine && stat(candidate.path, &info) == 0) {
            candidate.used_us = info.st_mtim.tv_sec * G_USEC_PER_SEC;
            g_array_append_val(list, candidate);
        } else {
            g_free(candidate.path);
        }
    }
    g_array_sort(list, by_age);
    return list;
}

static bool
space_is_short(const struct image_cache *cache)
{
    struct statvfs fs;
    return statvfs(cache->dir, &fs) == 0 &&
           (int64_t)(fs.f_bavail * fs.f_frsize) < cache->config.min_free_bytes;
}

size_t
image_cache_evict(struct image_cache *cache, GHashTable *used)
{
    int64_t now = now_us();
    GHashTableIter iter;
    gpointer id;
    g_hash_table_iter_init(&iter, used);
    while (g_hash_table_iter_next(&iter, &id, NULL)) {
        // Its age counts from the last time that it was seen in use.
        g_autofree char *path = g_build_filename(cache->dir, id, NULL);
        g_autofree char *converted = g_strconcat(path, CONVERTED, NULL);
        utimensat(AT_FDCWD, path, NULL, 0);
        utimensat(AT_FDCWD, converted, NULL, 0);
    }
    g_autoptr(GArray) list = candidates_list(cache, used);
    size_t n = 0;
    for (guint i = 0; i < list->len; i++) {
        const struct candidate *candidate = &g_array_index(list, struct candidate, i);
        int64_t age_us = now - candidate->used_us;
        bool old = age_us > cache->config.max_age_s * G_USEC_PER_SEC;
        if (old || (age_us > RECENT_US && space_is_short(cache))) {
            n += g_unlink(candidate->path) == 0;
        }
    }
    return n;
}
