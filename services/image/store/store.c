// SPDX-License-Identifier: Apache-2.0
#include "services/image/store/store.h"

#include "common/base/digest.h"
#include "services/image/store/driver.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_SIZE (256 * 1024)

static const struct store_driver *const drivers[] = {&file_driver, &s3_driver};

struct store {
    const struct store_driver *driver;
    char *name;
    const char *description;
    void *self;
};
struct stores {
    GPtrArray *all; // of struct store
    struct store *standard;
    char *ids;
    int temp_fd;
};

static void
store_free(void *data)
{
    struct store *store = data;
    if (store->self) {
        store->driver->done(store->self);
    }
    g_free(store->name);
    g_free(store);
}

void
stores_free(struct stores *stores)
{
    if (stores) {
        g_ptr_array_unref(stores->all);
        if (stores->temp_fd >= 0) {
            close(stores->temp_fd);
        }
        g_free(stores->ids);
        g_free(stores);
    }
}

static enum rc
open_temp(struct stores *stores, const char *path, struct err *err)
{
    if (g_mkdir_with_parents(path, 0750) == 0) {
        stores->temp_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    }
    if (stores->temp_fd < 0) {
        return fault(err, RC_UNAVAILABLE, "cannot make '%s': %s", path, g_strerror(errno));
    }
    return RC_OK;
}

static const struct store_driver *
find_driver(const char *kind)
{
    for (size_t i = 0; i < G_N_ELEMENTS(drivers); i++) {
        if (!strcmp(drivers[i]->kind, kind)) {
            return drivers[i];
        }
    }
    return NULL;
}

static bool
name_is_valid(const char *name)
{
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");
    return len > 0 && len <= 64 && !name[len] && !g_str_has_prefix(name, "os_glance_");
}

// text: "name:kind".
static enum rc
add_store(struct stores *stores, const struct conf *conf, const char *temp_path, char *text,
          struct err *err)
{
    g_auto(GStrv) parts = g_strsplit(g_strstrip(text), ":", 2);
    const struct store_driver *driver = g_strv_length(parts) == 2 ? find_driver(parts[1]) : NULL;
    if (!driver || !name_is_valid(parts[0]) || stores_find(stores, parts[0])) {
        return fault(err, RC_INVALID,
                     "setting [stores] enabled: '%.80s' is not NAME:KIND with a new name and a "
                     "kind of file or s3",
                     text);
    }
    g_autofree char *group = g_strconcat("store:", parts[0], NULL);
    struct store *store = g_new0(struct store, 1);
    store->driver = driver;
    store->name = g_strdup(parts[0]);
    store->description = conf_text(conf, group, "description");
    g_ptr_array_add(stores->all, store);
    return driver->init(conf, group, temp_path, &store->self, err);
}

static enum rc
add_all(struct stores *stores, const struct conf *conf, const char *temp_path, struct err *err)
{
    g_auto(GStrv) texts = g_strsplit(conf_text(conf, "stores", "enabled"), ",", -1);
    enum rc rc = RC_OK;
    for (char **each = texts; rc == RC_OK && *each; each++) {
        rc = add_store(stores, conf, temp_path, *each, err);
    }
    if (rc != RC_OK) {
        return rc;
    }
    g_autoptr(GString) ids = g_string_new(NULL);
    for (guint i = 0; i < stores->all->len; i++) {
        g_string_append_printf(ids, "%s%s", i ? "," : "", store_name(stores->all->pdata[i]));
    }
    stores->ids = g_strdup(ids->str);
    const char *standard = conf_text(conf, "stores", "default");
    stores->standard = *standard          ? stores_find(stores, standard)
                       : stores->all->len ? stores->all->pdata[0]
                                          : NULL;
    return stores->standard ? RC_OK
                            : fault(err, RC_INVALID,
                                    "setting [stores] default: '%s' is not one of [stores] "
                                    "enabled",
                                    standard);
}

enum rc
stores_new(const struct conf *conf, struct stores **ret_stores, struct err *err)
{
    struct stores *stores = g_new0(struct stores, 1);
    stores->temp_fd = -1;
    stores->all = g_ptr_array_new_with_free_func(store_free);
    g_autofree char *temp_path = g_build_filename(conf_text(conf, "store", "path"), "tmp", NULL);
    const char *culprit;
    enum rc rc = open_temp(stores, temp_path, err);
    if (rc == RC_OK) {
        rc = add_all(stores, conf, temp_path, err);
    }
    if (rc == RC_OK && !stores_are_usable(stores, &culprit)) {
        rc = fault(err, RC_UNAVAILABLE, "cannot write to the image store '%s'", culprit);
    }
    if (rc != RC_OK) {
        stores_free(stores);
        return rc;
    }
    *ret_stores = stores;
    return RC_OK;
}

guint
stores_count(const struct stores *stores)
{
    return stores->all->len;
}

struct store *
stores_at(const struct stores *stores, guint i)
{
    return stores->all->pdata[i];
}

struct store *
stores_find(const struct stores *stores, const char *name)
{
    for (guint i = 0; i < stores->all->len; i++) {
        struct store *store = stores->all->pdata[i];
        if (!strcmp(store->name, name)) {
            return store;
        }
    }
    return NULL;
}

struct store *
stores_default(const struct stores *stores)
{
    return stores->standard;
}

const char *
stores_ids(const struct stores *stores)
{
    return stores->ids;
}

bool
stores_are_usable(struct stores *stores, const char **ret_culprit)
{
    if (faccessat(stores->temp_fd, ".", W_OK | X_OK, 0) < 0) {
        *ret_culprit = "tmp";
        return false;
    }
    for (guint i = 0; i < stores->all->len; i++) {
        struct store *store = stores->all->pdata[i];
        if (!store->driver->is_usable(store->self)) {
            *ret_culprit = store->name;
            return false;
        }
    }
    return true;
}

const char *
store_name(const struct store *store)
{
    return store->name;
}

const char *
store_description(const struct store *store)
{
    return store->description;
}

const char *
store_kind(const struct store *store)
{
    return store->driver->kind;
}

bool
store_is_remote(const struct store *store)
{
    return store->driver->is_remote;
}

bool
store_takes_temps(const struct store *store)
{
    return store->driver->takes_temps(store->self);
}

json_t *
store_describe(const struct store *store)
{
    return store->driver->describe(store->self);
}

char *
store_url(const struct store *store, const char *digest)
{
    return store->driver->url(store->self, digest);
}

// ---- temporary files

static enum rc
open_temp_file(struct stores *stores, const char *upload_id, int flags, int *ret_fd,
               struct err *err)
{
    int fd = openat(stores->temp_fd, upload_id, flags | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (fd < 0) {
        enum rc rc = errno == ENOSPC || errno == EDQUOT ? RC_TOO_LARGE : RC_UNAVAILABLE;
        return fault(err, rc, "cannot open the temporary file '%.40s': %s", upload_id,
                     g_strerror(errno));
    }
    *ret_fd = fd;
    return RC_OK;
}

enum rc
stores_temp_create(struct stores *stores, const char *upload_id, int *ret_fd, struct err *err)
{
    return open_temp_file(stores, upload_id, O_RDWR | O_CREAT | O_EXCL, ret_fd, err);
}

enum rc
stores_temp_open(struct stores *stores, const char *upload_id, int *ret_fd, struct err *err)
{
    return open_temp_file(stores, upload_id, O_RDONLY, ret_fd, err);
}

void
stores_temp_remove(struct stores *stores, const char *upload_id)
{
    unlinkat(stores->temp_fd, upload_id, 0);
}

GPtrArray *
stores_temp_list(struct stores *stores)
{
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    int fd = openat(stores->temp_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *entry;
    while (directory && (entry = readdir(directory))) {
        if (entry->d_name[0] != '.') {
            g_ptr_array_add(names, g_strdup(entry->d_name));
        }
    }
    if (directory) {
        closedir(directory);
    } else if (fd >= 0) {
        close(fd);
    }
    return names;
}

// ---- blobs

bool
blob_name_is_valid(const char *name)
{
    return digest_is_valid(name);
}

static enum rc
check_digest(EVP_MD_CTX *digest, const struct blob_source *source, struct err *err)
{
    char name[2 * EVP_MAX_MD_SIZE + 1];
    digest_to_hex(digest, name);
    return !strcmp(name, source->digest)
               ? RC_OK
               : fault(err, RC_INTERNAL, "the bytes read are not those of blob '%.16s…'",
                       source->digest);
}

// Whoever wrote the file past the page cache may have left it so; reads here are not aligned.
static enum rc
leave_direct(int fd, struct err *err)
{
    int flags = fcntl(fd, F_GETFL);
    return flags < 0 || !(flags & O_DIRECT) || fcntl(fd, F_SETFL, flags & ~O_DIRECT) == 0
               ? RC_OK
               : fault(err, RC_UNAVAILABLE, "cannot read the image's bytes: %s", g_strerror(errno));
}

struct range_reader {
    int fd;
    uint8_t *buffer; // of READ_SIZE
    EVP_MD_CTX *digest;
    blob_sink sink;
    void *context;
};

static enum rc
read_range(const struct range_reader *reader, struct blob_range range, struct err *err)
{
    enum rc rc = RC_OK;
    while (rc == RC_OK && range.size > 0) {
        ssize_t n =
            pread(reader->fd, reader->buffer, (size_t)MIN(READ_SIZE, range.size), range.offset);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return fault(err, RC_UNAVAILABLE, "cannot read the image's bytes: %s",
                         n < 0 ? g_strerror(errno) : "the file is too short");
        }
        EVP_DigestUpdate(reader->digest, reader->buffer, (size_t)n);
        rc = reader->sink(reader->context, reader->buffer, (size_t)n, err);
        range.offset += n;
        range.size -= n;
    }
    return rc;
}

enum rc
blob_source_read(const struct blob_source *source, blob_sink sink, void *context, struct err *err)
{
    g_autofree uint8_t *buffer = g_malloc(READ_SIZE);
    const struct blob_range whole = {0, source->size};
    const struct blob_range *ranges = source->n_ranges ? source->ranges : &whole;
    const struct range_reader reader = {
        source->fd, buffer, digest_new(digest_algo_of(source->digest)->evp()), sink, context};
    enum rc rc = leave_direct(source->fd, err);
    for (unsigned i = 0; rc == RC_OK && i < MAX(source->n_ranges, 1); i++) {
        rc = read_range(&reader, ranges[i], err);
    }
    if (rc == RC_OK) {
        rc = check_digest(reader.digest, source, err);
    }
    EVP_MD_CTX_free(reader.digest);
    return rc;
}

enum rc
store_put(struct store *store, const struct blob_source *source, struct err *err)
{
    g_assert(blob_name_is_valid(source->digest));
    return store->driver->put(store->self, source, err);
}

enum rc
store_get(struct store *store, const char *digest, int64_t first, int64_t last, blob_sink sink,
          void *context, struct err *err)
{
    return store->driver->get(store->self, digest, first, last, sink, context, err);
}

enum rc
store_open(struct store *store, const char *digest, int *ret_fd, struct err *err)
{
    return store->driver->open
               ? store->driver->open(store->self, digest, ret_fd, err)
               : fault(err, RC_NOT_IMPLEMENTED, "store '%s' is not local", store->name);
}

enum rc
store_remove(struct store *store, const char *digest, struct err *err)
{
    return store->driver->remove(store->self, digest, err);
}

enum rc
store_each(struct store *store, int64_t min_age_s,
           void (*fn)(void *context, const char *digest, int64_t size), void *context,
           struct err *err)
{
    return store->driver->each(store->self, min_age_s, fn, context, err);
}

enum rc
store_partials(struct store *store, GHashTable *ret_names, struct err *err)
{
    return store->driver->partials(store->self, ret_names, err);
}

enum rc
store_partial_remove(struct store *store, const char *digest, struct err *err)
{
    return store->driver->partial_remove(store->self, digest, err);
}
