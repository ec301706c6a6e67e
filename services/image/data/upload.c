// SPDX-License-Identifier: Apache-2.0
#include "services/image/data/upload.h"

#include "common/log/log.h"
#include "services/image/catalog/layer_db.h"
#include "services/image/data/places.h"

#include <string.h>
#include <unistd.h>

#define MAX_ARCHIVE_MEMBERS 200000 // takes up to 6 MiB while the archive comes

enum rc
upload_check_image(const image_row *image, struct err *err)
{
    if (!image->disk_format || !image->container_format) {
        return fault(err, RC_INVALID, "Properties %s%s%s must be set prior to saving data.",
                     image->disk_format ? "" : "disk_format",
                     image->disk_format || image->container_format ? "" : ", ",
                     image->container_format ? "" : "container_format");
    }
    return RC_OK;
}

// Clients that send a byte a minute, and imports that wait for their turn, take places from their
// own project only. Who has one has its lease renewed.
static enum rc
take_place(struct upload *upload, struct err *err)
{
    struct image_service *service = upload->service;
    enum rc rc = places_take(service->places, upload->image->owner, err);
    if (rc == RC_OK) {
        upload->has_place = true;
        g_mutex_lock(&service->mutex);
        g_hash_table_add(service->uploads, g_strdup(upload->row.upload_id));
        g_mutex_unlock(&service->mutex);
    }
    return rc;
}

static void
give_place(struct upload *upload)
{
    struct image_service *service = upload->service;
    if (upload->has_place) {
        g_mutex_lock(&service->mutex);
        g_hash_table_remove(service->uploads, upload->row.upload_id);
        g_mutex_unlock(&service->mutex);
        places_give(service->places, upload->image->owner);
    }
}

struct upload *
upload_new(struct image_service *service, enum upload_kind kind, char **stores)
{
    struct upload *upload = g_new0(struct upload, 1);
    const char *standard[] = {store_name(stores_default(service->stores)), NULL};
    upload->stores = stores ? stores : g_strdupv((char **)standard);
    upload->service = service;
    upload->row.kind = kind;
    upload->row.size = -1;
    upload->fd = -1;
    upload->is_settled = true; // nothing to undo yet
    uuid_new(upload->row.upload_id);
    return upload;
}

enum rc
upload_begin(struct upload *upload, struct db *db, image_row **image, const struct task *task,
             int64_t *ret_room, struct err *err)
{
    upload->image = g_steal_pointer(image);
    upload->row.image_id = upload->image->id;
    g_autofree char *stores = g_strjoinv(",", upload->stores);
    const struct upload_begin begin = {
        .image = upload->image,
        .upload = &upload->row,
        .task = task,
        .stores = stores,
        .n_stores = (int)g_strv_length(upload->stores),
    };
    enum rc rc = take_place(upload, err);
    rc = rc ? rc : upload_db_begin(db, &begin, ret_room, err);
    if (rc == RC_OK) {
        upload->is_settled = false;
    }
    return rc;
}

enum rc
upload_start(struct upload *upload, struct db *db, image_row **image, const struct task *task,
             void (*wake)(void *context), void *context, struct err *err)
{
    int64_t room = 0;
    enum rc rc = upload_begin(upload, db, image, task, &room, err);
    if (rc == RC_OK) {
        rc = stores_temp_create(upload->service->stores, upload->row.upload_id, &upload->fd, err);
    }
    if (rc == RC_OK) {
        const struct archive_limits limits = {upload->service->unpacked_cap, MAX_ARCHIVE_MEMBERS};
        const struct pipeline_config config = {
            .all = upload->service->pipelines,
            .hash = upload->location && upload->location->algo ? upload->location->algo
                                                               : upload->service->hash,
            .fd = upload->fd,
            .max_size = MIN(room, upload->service->size_cap),
            .archive = archive_is_expected(upload->image->container_format) ? &limits : NULL,
            .wake = wake,
            .context = context,
        };
        upload->pipeline = pipeline_new(&config);
    }
    return rc;
}

// What a guest would see: of something packed, its inside.
static int64_t
upload_virtual_size(const struct pipeline_result *result)
{
    switch (result->archive.kind) {
    case ARCHIVE_NONE:
        return result->verdict.virtual_size;
    case ARCHIVE_DISK:
        return result->archive.disk.virtual_size;
    default:
        return -1;
    }
}

static enum rc
check_location(const struct location *location, const struct pipeline_result *result,
               struct err *err)
{
    if (!location) {
        return RC_OK;
    }
    if (location->hash && strcmp(location->hash, result->hash)) {
        return fault(err, RC_INVALID,
                     "os_hash_value: the data at the location has %s, %s was expected",
                     result->hash, location->hash);
    }
    return !location->md5 || !strcmp(location->md5, result->md5)
               ? RC_OK
               : fault(err, RC_INVALID,
                       "checksum: the data at the location has %s, %s was expected", result->md5,
                       location->md5);
}

static enum rc
check_result(const struct upload *upload, const struct pipeline_result *result, struct err *err)
{
    const image_row *image = upload->image;
    const struct image_service *service = upload->service;
    const struct archive_verdict *archive = &result->archive;
    char reason[256];
    if (upload->row.size >= 0 && upload->row.size != result->size) {
        return fault(err, RC_INVALID, "%lld bytes came, but %lld were announced",
                     (long long)result->size, (long long)upload->row.size);
    }
    // What is staged may get its formats later: then the import judges.
    bool strict = image->disk_format && image->container_format && service->require_format_match;
    if (!format_claim_holds(&result->verdict, image->disk_format, image->container_format, strict,
                            reason) ||
        !archive_claim_holds(archive, result->verdict.format, image->disk_format,
                             image->container_format, strict, reason)) {
        return fault(err, RC_INVALID, "the image is refused: %s", reason);
    }
    int64_t virtual_size = upload_virtual_size(result);
    return virtual_size <= service->virtual_size_cap
               ? check_location(upload->location, result, err)
               : fault(err, RC_INVALID,
                       "the image is refused: its virtual size of %lld bytes is over the limit of "
                       "%lld",
                       (long long)virtual_size, (long long)service->virtual_size_cap);
}

// The bytes are the image's own: only where they were is new.
static enum rc
store_location(struct upload *upload, struct db *db, struct upload_facts *facts, struct err *err)
{
    const struct upload_stored stored = {"{}", "", true};
    facts->layers = NULL;
    enum rc rc = upload_db_store(db, facts, &stored, err);
    upload->is_settled = rc == RC_OK || rc == RC_GONE;
    return rc;
}

static enum rc
store_result(struct upload *upload, struct db *db, const struct pipeline_result *result,
             struct err *err)
{
    const image_row *image = upload->image;
    enum rc rc = check_result(upload, result, err);
    if (rc != RC_OK) {
        return rc;
    }
    g_autofree char *layers = layers_to_json(&result->archive);
    struct upload_facts facts = {
        .upload = &upload->row,
        .owner = image->owner,
        .name = image->name,
        .md5 = result->md5,
        .digest = result->hash,
        .size = result->size,
        .virtual_size = upload_virtual_size(result),
        .format = disk_format_name(result->verdict.format),
        .adopted = upload->adopted,
        .location = upload->location ? upload->location->text : NULL,
        .archive = archive_kind_name(result->archive.kind),
        .inside = disk_format_name(result->archive.disk.format),
        .layers = layers,
    };
    if (upload->row.kind == UPLOAD_STAGE) {
        rc = upload_db_stage(db, &facts, err);
        upload->keeps_temp = rc == RC_OK;
        upload->is_settled = rc == RC_OK || rc == RC_GONE;
        return rc;
    }
    if (upload->row.kind == UPLOAD_LOCATION) {
        return store_location(upload, db, &facts, err);
    }
    const struct blob_source source = {
        .fd = upload->fd, .digest = result->hash, .size = result->size, .is_temp = true};
    g_autoptr(GArray) recipe = NULL;
    if (result->archive.layers && result->archive.compression == COMPRESSION_NONE) {
        rc = recipe_make(&source, result->archive.layers, &recipe, err);
        facts.recipe = recipe;
    }
    return rc == RC_OK ? upload_publish(upload, db, &facts, &source, err) : rc;
}

enum rc
upload_finish(struct upload *upload, struct db *db, struct err *err)
{
    struct pipeline_result result;
    enum rc rc = pipeline_finish(upload->pipeline, &result, err);
    if (rc == RC_OK) {
        rc = store_result(upload, db, &result, err);
    }
    if (rc == RC_OK) {
        log_info("stored an image", kv("image", upload->row.image_id), kv_int("size", result.size),
                 kv("format", disk_format_name(result.verdict.format)));
    }
    return rc;
}

void
upload_settle_failed(struct upload *upload, struct db *db, const char *reason)
{
    struct err err;
    if (!upload->is_settled) {
        upload->is_settled =
            upload_db_fail(db, &upload->row, upload->failed, reason, &err) == RC_OK;
    }
}

void
location_free(struct location *location)
{
    if (location) {
        g_free(location->text);
        g_free(location->md5);
        g_free(location->hash);
        g_free(location);
    }
}

void
upload_free(struct upload *upload)
{
    if (!upload) {
        return;
    }
    struct image_service *service = upload->service;
    pipeline_free(upload->pipeline);
    if (upload->fd >= 0) {
        close(upload->fd);
    }
    if (upload->fd >= 0 && !upload->keeps_temp) {
        stores_temp_remove(service->stores, upload->row.upload_id);
    }
    give_place(upload);
    image_row_free(upload->image);
    g_free(upload->adopted);
    location_free(upload->location);
    g_free(upload->failed);
    g_strfreev(upload->stores);
    g_free(upload);
}

void
upload_renew(void *context)
{
    struct image_service *service = context;
    g_autoptr(GString) ids = g_string_new("{");
    g_mutex_lock(&service->mutex);
    GHashTableIter iterator;
    gpointer id;
    g_hash_table_iter_init(&iterator, service->uploads);
    while (g_hash_table_iter_next(&iterator, &id, NULL)) {
        g_string_append_printf(ids, "%s%s", ids->len > 1 ? "," : "", (const char *)id);
    }
    g_mutex_unlock(&service->mutex);
    if (ids->len == 1) {
        return;
    }
    g_string_append_c(ids, '}');
    struct db *db;
    struct err err;
    enum rc rc = db_get(service_db(service->service), &db, &err);
    if (rc == RC_OK) {
        rc = upload_db_renew(db, ids->str, &err);
    }
    if (rc != RC_OK) {
        log_warn("cannot renew the leases of uploads", kv("message", err.message));
    }
}
