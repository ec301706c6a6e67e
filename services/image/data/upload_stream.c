// SPDX-License-Identifier: Apache-2.0
// PUT file and PUT stage: an upload fed by the HTTP server's threads, which never wait for it.
#include "services/image/access.h"
#include "services/image/api.h"
#include "services/image/data/upload.h"

#include <assert.h>
#include <string.h>

static enum rc
check_headers(const struct request *request, struct err *err)
{
    const char *type = request_header(request, "Content-Type");
    if (!type || g_ascii_strncasecmp(type, OPENSTACK_STREAM, strlen(OPENSTACK_STREAM))) {
        return fault(err, RC_MEDIA_TYPE, "Invalid content type: must be " OPENSTACK_STREAM);
    }
    // A part of the data would become the whole (RFC 9110, section 14.5).
    return request_header(request, "Content-Range")
               ? fault(err, RC_INVALID, "Content-Range: data is uploaded whole")
               : RC_OK;
}

// ret_stores: NULL when the client does not choose.
static enum rc
choose_store(const struct request *request, char ***ret_stores, struct err *err)
{
    const char *name = request_header(request, "X-Image-Meta-Store");
    if (name && !stores_find(image_service_of(request)->stores, name)) {
        return fault(err, RC_INVALID, "Store '%.60s' is not known", name);
    }
    const char *names[] = {name, NULL};
    *ret_stores = name ? g_strdupv((char **)names) : NULL;
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

static void
wake_request(void *request)
{
    http_stream_resume(request);
}

// Everything that can be refused before a byte is taken.
static enum rc
prepare(struct upload *upload, struct request *request, struct db *db, struct err *err)
{
    bool is_stage = upload->row.kind == UPLOAD_STAGE;
    g_autoptr(image_row) image = NULL;
    enum rc rc = image_load(request, db, is_stage ? "modify_image" : "upload_image", &image, err);
    if (rc == RC_OK) {
        rc = check_headers(request, err);
    }
    if (rc == RC_OK && !is_stage) {
        rc = upload_check_image(image, err);
    }
    if (rc == RC_OK) {
        rc = announced_size(request, &upload->row.size, err);
    }
    return rc == RC_OK ? upload_start(upload, db, &image, NULL, wake_request, request, err) : rc;
}

static enum rc
begin(struct request *request, enum upload_kind kind, void **ret_state, struct err *err)
{
    struct db *db;
    char **stores = NULL;
    enum rc rc = request_db(request, &db, err);
    if (rc == RC_OK) {
        rc = choose_store(request, &stores, err);
    }
    if (rc != RC_OK) {
        return rc;
    }
    struct upload *upload = upload_new(image_service_of(request), kind, stores);
    rc = prepare(upload, request, db, err);
    if (rc != RC_OK) {
        upload_settle_failed(upload, db, err->message);
        upload_free(upload);
        return rc;
    }
    *ret_state = upload;
    return RC_OK;
}

static enum rc
begin_file(struct request *request, void **ret_state, struct err *err)
{
    return begin(request, UPLOAD_FILE, ret_state, err);
}

static enum rc
begin_stage(struct request *request, void **ret_state, struct err *err)
{
    return begin(request, UPLOAD_STAGE, ret_state, err);
}

// Before the client hears of it, so that it may try again.
static enum rc
settle_if_failed(struct upload *upload, enum rc rc, const struct err *err)
{
    struct db *db;
    struct err ignored;
    if (rc != RC_OK && db_get(service_db(upload->service->service), &db, &ignored) == RC_OK) {
        upload_settle_failed(upload, db, err->message);
    }
    return rc;
}

static enum rc
take_chunk(void *state, const void *data, size_t size, size_t *ret_taken, struct err *err)
{
    struct upload *upload = state;
    return settle_if_failed(upload, pipeline_put(upload->pipeline, data, size, ret_taken, err),
                            err);
}

static_assert(PIPELINE_PARTS == ROOM_PARTS, "one array for both");

static enum rc
find_room(void *state, size_t wanted, struct iovec ret_parts[ROOM_PARTS], int *ret_n,
          struct err *err)
{
    struct upload *upload = state;
    return settle_if_failed(upload, pipeline_room(upload->pipeline, wanted, ret_parts, ret_n, err),
                            err);
}

static enum rc
take_filled(void *state, size_t size, struct err *err)
{
    struct upload *upload = state;
    return settle_if_failed(upload, pipeline_filled(upload->pipeline, size, err), err);
}

static enum rc
end(void *state, struct request *request, struct reply *reply, struct err *err)
{
    struct upload *upload = state;
    struct db *db = NULL;
    enum rc rc = request_db(request, &db, err);
    if (rc == RC_OK) {
        rc = upload_finish(upload, db, err);
        upload_settle_failed(upload, db, err->message);
    }
    upload_free(upload);
    return rc;
}

// The client went away, or heard of an error. The threads may still be at their last buffer:
// waiting for them is not for here.
static void
give_up(void *state)
{
    struct upload *upload = state;
    pipeline_cancel(upload->pipeline);
    g_thread_pool_push(upload->service->cleaners, upload, NULL);
}

static void
pause_pipeline(void *state)
{
    struct upload *upload = state;
    pipeline_pause(upload->pipeline);
}

// clang-format off
const struct stream_ops upload_ops = {begin_file, take_chunk, end, give_up, find_room, take_filled, pause_pipeline};
const struct stream_ops stage_ops = {begin_stage, take_chunk, end, give_up, find_room, take_filled, pause_pipeline};
// clang-format on

void
upload_clean(void *data, void *context)
{
    struct upload *upload = data;
    struct db *db;
    struct err err;
    if (!upload->is_settled && db_get(service_db(upload->service->service), &db, &err) == RC_OK) {
        upload_settle_failed(upload, db, "the client went away");
    }
    upload_free(upload);
}
