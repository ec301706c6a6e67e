// SPDX-License-Identifier: Apache-2.0
// PUT file: the row goes to saving under a lease, the bytes through the pipeline into a temporary
// file, and one transaction makes the file the image's blob. Whatever breaks off puts the row back
// to queued: at once when we notice, by the sweeper when we die.
#include "common/log/log.h"
#include "services/image/access.h"
#include "services/image/api.h"
#include "services/image/pipeline.h"

#include <string.h>
#include <unistd.h>

struct upload {
    struct image_service *service;
    struct upload_row row;
    image_row *image;
    int fd;
    struct pipeline *pipeline;
    bool is_settled; // the row says how it ended
};

static void upload_free(struct upload *upload);
static void settle_failed(struct upload *upload, struct db *db);

static enum rc
check_request(const struct request *request, const image_row *image, struct err *err)
{
    const char *type = request_header(request, "Content-Type");
    const char *store = request_header(request, "X-Image-Meta-Store");
    if (!type || g_ascii_strncasecmp(type, OPENSTACK_STREAM, strlen(OPENSTACK_STREAM))) {
        return fault(err, RC_MEDIA_TYPE, "Invalid content type: must be " OPENSTACK_STREAM);
    }
    if (store && strcmp(store, STORE_ID)) {
        return fault(err, RC_INVALID, "Store '%.60s' is not known", store);
    }
    if (!image->disk_format || !image->container_format) {
        return fault(err, RC_INVALID, "Properties %s%s%s must be set prior to saving data.",
                     image->disk_format ? "" : "disk_format",
                     image->disk_format || image->container_format ? "" : ", ",
                     image->container_format ? "" : "container_format");
    }
    return RC_OK;
}

static enum rc
announced_size(const struct request *request, int64_t *ret_size, struct err *err)
{
    const char *length = request_header(request, "Content-Length");
    *ret_size = -1;
    if (length && !parse_int64(length, 0, INT64_MAX, ret_size)) {
        return fault(err, RC_INVALID, "Content-Length is malformed");
    }
    int64_t cap = image_service_of(request)->size_cap;
    return *ret_size <= cap
               ? RC_OK
               : fault(err, RC_TOO_LARGE, "The incoming image is too large: more than %lld bytes",
                       (long long)cap);
}

static enum rc
register_upload(struct upload *upload, struct err *err)
{
    struct image_service *service = upload->service;
    g_mutex_lock(&service->mutex);
    bool full = g_hash_table_size(service->uploads) >= (guint)service->n_uploads_max;
    if (!full) {
        g_hash_table_add(service->uploads, g_strdup(upload->row.upload_id));
    }
    g_mutex_unlock(&service->mutex);
    if (full) {
        rc_ignore(fault(err, RC_UNAVAILABLE, "too many uploads at once, try again"));
        err->retry_after_s = 5;
        return RC_UNAVAILABLE;
    }
    return RC_OK;
}

static void
wake_request(void *request)
{
    http_stream_resume(request);
}

static enum rc
start_pipeline(struct upload *upload, struct request *request, int64_t room, struct err *err)
{
    enum rc rc = store_temp_create(upload->service->store, upload->row.upload_id, &upload->fd, err);
    if (rc == RC_OK) {
        const struct pipeline_config config = {
            .fd = upload->fd,
            .max_size = MIN(room, upload->service->size_cap),
            .wake = wake_request,
            .context = request,
        };
        upload->pipeline = pipeline_new(&config);
    }
    return rc;
}

static enum rc
prepare_row(struct upload *upload, struct request *request, struct db *db, int64_t *ret_room,
            struct err *err)
{
    enum rc rc = image_load(request, db, "upload_image", &upload->image, err);
    if (rc == RC_OK) {
        rc = check_request(request, upload->image, err);
    }
    if (rc == RC_OK) {
        rc = announced_size(request, &upload->row.size, err);
    }
    if (rc == RC_OK) {
        upload->row.image_id = upload->image->id;
        rc = upload_db_begin(db, upload->image, &upload->row, ret_room, err);
    }
    return rc;
}

static enum rc
upload_begin(struct request *request, void **ret_state, struct err *err)
{
    struct db *db;
    int64_t room = 0;
    enum rc rc = request_db(request, &db, err);
    if (rc != RC_OK) {
        return rc;
    }
    struct upload *upload = g_new0(struct upload, 1);
    upload->service = image_service_of(request);
    upload->fd = -1;
    upload->is_settled = true; // nothing to undo yet
    uuid_new(upload->row.upload_id);
    rc = register_upload(upload, err);
    if (rc == RC_OK) {
        rc = prepare_row(upload, request, db, &room, err);
    }
    if (rc == RC_OK) {
        upload->is_settled = false;
        rc = start_pipeline(upload, request, room, err);
    }
    if (rc != RC_OK) {
        settle_failed(upload, db);
        upload_free(upload);
        return rc;
    }
    *ret_state = upload;
    return RC_OK;
}

static enum rc
upload_chunk(void *state, const void *data, size_t size, size_t *ret_taken, struct err *err)
{
    struct upload *upload = state;
    struct db *db;
    enum rc rc = pipeline_put(upload->pipeline, data, size, ret_taken, err);
    if (rc != RC_OK && db_get(service_db(upload->service->service), &db, NULL) == RC_OK) {
        settle_failed(upload, db); // before the client hears of it, so that it may try again
    }
    return rc;
}

static enum rc
store_result(struct upload *upload, struct db *db, const struct pipeline_result *result,
             struct err *err)
{
    const image_row *image = upload->image;
    char reason[256];
    if (upload->row.size >= 0 && upload->row.size != result->size) {
        return fault(err, RC_INVALID, "%lld bytes came, but %lld were announced",
                     (long long)result->size, (long long)upload->row.size);
    }
    if (!format_claim_holds(&result->verdict, image->disk_format, image->container_format,
                            upload->service->require_format_match, reason)) {
        return fault(err, RC_INVALID, "the image is refused: %s", reason);
    }
    const struct upload_facts facts = {
        .upload = &upload->row,
        .owner = image->owner,
        .name = image->name,
        .md5 = result->md5,
        .sha512 = result->sha512,
        .size = result->size,
        .virtual_size = result->verdict.virtual_size,
        .store = upload->service->store,
    };
    enum rc rc = upload_db_announce(db, &facts, err);
    return rc == RC_OK ? upload_db_store(db, &facts, err) : rc;
}

static enum rc
upload_end(void *state, struct request *request, struct reply *reply, struct err *err)
{
    struct upload *upload = state;
    struct pipeline_result result;
    struct db *db = NULL;
    enum rc rc = pipeline_finish(upload->pipeline, &result, err);
    struct err connection;
    enum rc connected = request_db(request, &db, rc == RC_OK ? err : &connection);
    if (rc == RC_OK) {
        rc = connected;
    }
    if (rc == RC_OK) {
        rc = store_result(upload, db, &result, err);
        upload->is_settled = rc == RC_OK || rc == RC_GONE;
    }
    if (rc == RC_OK) {
        log_info("stored an image", kv("image", upload->row.image_id), kv_int("size", result.size),
                 kv("format", disk_format_name(result.verdict.format)));
    }
    if (db) {
        settle_failed(upload, db);
    }
    upload_free(upload);
    return rc;
}

// The client went away, or heard of an error. The threads may still be at their last buffer:
// waiting for them is not for here.
static void
upload_abort(void *state)
{
    struct upload *upload = state;
    pipeline_cancel(upload->pipeline);
    g_thread_pool_push(upload->service->cleaners, upload, NULL);
}

const struct stream_ops upload_ops = {upload_begin, upload_chunk, upload_end, upload_abort};

void
upload_clean(void *data, void *context)
{
    struct upload *upload = data;
    struct db *db;
    struct err err;
    if (!upload->is_settled && db_get(service_db(upload->service->service), &db, &err) == RC_OK) {
        settle_failed(upload, db);
    }
    upload_free(upload);
}

// When even this fails, the lease runs out and the sweeper does the same.
static void
settle_failed(struct upload *upload, struct db *db)
{
    struct err err;
    if (!upload->is_settled) {
        upload->is_settled = upload_db_fail(db, &upload->row, &err) == RC_OK;
    }
}

static void
upload_free(struct upload *upload)
{
    struct image_service *service = upload->service;
    pipeline_free(upload->pipeline);
    if (upload->fd >= 0) {
        close(upload->fd);
        store_temp_remove(service->store, upload->row.upload_id);
    }
    g_mutex_lock(&service->mutex);
    g_hash_table_remove(service->uploads, upload->row.upload_id);
    g_mutex_unlock(&service->mutex);
    image_row_free(upload->image);
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
