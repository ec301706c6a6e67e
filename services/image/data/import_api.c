// SPDX-License-Identifier: Apache-2.0
// Interoperable import: glance-direct makes staged data the image's at once, web-download fetches
// it from a URL, glance-download from another region. Tasks tell how it went.
#include "services/image/access.h"
#include "services/image/api.h"
#include "services/image/data/fetch.h"
#include "services/image/format/archive.h"

#include <string.h>

struct import_body {
    json_t *method, *stores;
    bool all_stores, all_stores_must_succeed;
};
static const struct field body_fields[] = {
    FIELD(struct import_body, method, "method", FIELD_OBJECT, FIELD_REQUIRED),
    FIELD(struct import_body, stores, "stores", FIELD_ARRAY, 0),
    FIELD(struct import_body, all_stores, "all_stores", FIELD_BOOL, 0),
    FIELD(struct import_body, all_stores_must_succeed, "all_stores_must_succeed", FIELD_BOOL, 0),
};
static const struct body_spec body_spec = {NULL, body_fields, N_ELEMENTS(body_fields),
                                           sizeof(struct import_body), BODY_ALLOW_UNKNOWN};

static enum rc
check_stores(const struct import_body *body, struct err *err)
{
    size_t i;
    json_t *store;
    json_array_foreach(body->stores, i, store)
    {
        const char *name = json_string_value(store);
        if (!name || strcmp(name, STORE_ID)) {
            return fault(err, RC_CONFLICT, "Store '%.60s' is not known", name ? name : "");
        }
    }
    return body->all_stores && json_array_size(body->stores)
               ? fault(err, RC_INVALID, "'all_stores' and 'stores' exclude each other")
               : RC_OK;
}

static struct task
task_of(const struct request *request, const image_row *image, json_t *input)
{
    return (struct task){.image_id = image->id,
                         .owner = image->owner,
                         .user_id = request_auth(request)->user_id,
                         .request_id = request_id(request),
                         .input = input};
}

static json_t *
input_of(const struct request *request, const image_row *image)
{
    return json_pack("{s:s, s:O, s:[s]}", "image_id", image->id, "import_req",
                     request_json(request), "backend", STORE_ID);
}

// Formats that were not known when the data was staged are claims now.
static enum rc
check_staged(const struct image_service *service, struct db *db, const image_row *image,
             struct err *err)
{
    struct staged_format staged = {0};
    char reason[256];
    enum rc rc = import_db_staged_format(db, image->id, &staged, err);
    g_autofree char *format = staged.format, *kind = staged.archive, *inside = staged.inside;
    if (rc != RC_OK || !format) {
        return rc;
    }
    const struct format_verdict verdict = {.format = disk_format_find(format)};
    const struct archive_verdict archive = {
        .kind = archive_kind_find(kind),
        .disk = {.format = inside ? disk_format_find(inside) : FORMAT_OTHER},
    };
    bool strict = service->require_format_match;
    return format_claim_holds(&verdict, image->disk_format, image->container_format, strict,
                              reason) &&
                   archive_claim_holds(&archive, verdict.format, image->disk_format,
                                       image->container_format, strict, reason)
               ? RC_OK
               : fault(err, RC_INVALID, "the image is refused: %s", reason);
}

static enum rc
import_direct(struct request *request, struct db *db, image_row **image, struct err *err)
{
    json_auto_t *input = input_of(request, *image);
    struct task task = task_of(request, *image, input);
    task.status = "success";
    enum rc rc = check_staged(image_service_of(request), db, *image, err);
    return rc == RC_OK ? import_db_direct(db, *image, &task, err) : rc;
}

static enum rc
check_queued(const image_row *image, const char *method, struct err *err)
{
    return strcmp(image->status, "queued")
               ? fault(err, RC_CONFLICT, "Image needs to be in 'queued' state to use '%s' method",
                       method)
               : RC_OK;
}

// Takes the fetch over.
static enum rc
start_fetch(struct request *request, struct db *db, image_row **image, struct fetch *fetch,
            struct err *err)
{
    struct image_service *service = image_service_of(request);
    json_auto_t *input = input_of(request, *image);
    enum rc rc = upload_new(service, UPLOAD_FETCH, &fetch->upload, err);
    if (rc == RC_OK) {
        struct task task = task_of(request, *image, input);
        task.status = "processing";
        task.upload_id = fetch->upload->row.upload_id;
        g_autofree char *owner = g_strdup((*image)->owner), *id = g_strdup((*image)->id);
        task.owner = owner;
        task.image_id = id;
        rc = upload_start(fetch->upload, db, image, &task, fetch_wake, fetch, err);
    }
    if (rc != RC_OK) {
        if (fetch->upload) {
            upload_settle_failed(fetch->upload, db, err->message);
        }
        fetch_free(fetch);
        return rc;
    }
    g_thread_pool_push(service->fetchers, fetch, NULL);
    return RC_OK;
}

static enum rc
import_from_url(struct request *request, struct db *db, image_row **image, struct err *err)
{
    const struct import_body *body = request_body(request);
    const char *url = json_string_value(json_object_get(body->method, "uri"));
    enum rc rc = fetch_check_url(image_service_of(request), url ? url : "", err);
    if (rc == RC_OK) {
        rc = check_queued(*image, "web-download", err);
    }
    return rc == RC_OK ? start_fetch(request, db, image, fetch_new(url), err) : rc;
}

static enum rc
import_from_region(struct request *request, struct db *db, image_row **image, struct err *err)
{
    const struct import_body *body = request_body(request);
    struct remote *remote = NULL;
    enum rc rc = check_queued(*image, "glance-download", err);
    if (rc == RC_OK) {
        rc = remote_new(request_header(request, "X-Auth-Token"), body->method, &remote, err);
    }
    if (rc != RC_OK) {
        return rc;
    }
    struct fetch *fetch = fetch_new(NULL);
    fetch->remote = remote;
    return start_fetch(request, db, image, fetch, err);
}

static const struct {
    const char *name;
    enum rc (*import)(struct request *request, struct db *db, image_row **image, struct err *err);
} methods[] = {{"glance-direct", import_direct},
               {"web-download", import_from_url},
               {"glance-download", import_from_region}};

static enum rc
run_method(struct request *request, struct db *db, image_row **image, struct err *err)
{
    const struct import_body *body = request_body(request);
    const char *name = json_string_value(json_object_get(body->method, "name"));
    for (size_t i = 0; name && i < N_ELEMENTS(methods); i++) {
        if (!strcmp(methods[i].name, name)) {
            return methods[i].import(request, db, image, err);
        }
    }
    return fault(err, RC_INVALID, "Unknown import method name '%.60s'.", name ? name : "");
}

static enum rc
images_import(struct request *request, struct reply *reply, struct err *err)
{
    g_autoptr(image_row) image = NULL;
    struct db *db;
    enum rc rc = check_stores(request_body(request), err);
    if (rc == RC_OK) {
        rc = request_db(request, &db, err);
    }
    if (rc == RC_OK) {
        rc = image_load(request, db, "modify_image", &image, err);
    }
    if (rc == RC_OK && !strcmp(image->status, "active")) {
        return fault(err, RC_CONFLICT, "Image with status active cannot be target for import");
    }
    if (rc == RC_OK && (!image->container_format || !image->disk_format)) {
        return fault(err, RC_CONFLICT, "'%s' needs to be set before import",
                     image->container_format ? "disk_format" : "container_format");
    }
    return rc == RC_OK ? run_method(request, db, &image, err) : rc;
}

static enum rc
tasks_list(struct request *request, struct reply *reply, struct err *err)
{
    g_autoptr(image_row) image = NULL;
    g_autofree char *items = NULL;
    struct db *db;
    enum rc rc = request_db(request, &db, err);
    if (rc == RC_OK) {
        rc = image_load(request, db, "get_image", &image, err);
    }
    if (rc == RC_OK) {
        rc = task_db_list(db, image->id, &items, err);
    }
    if (rc == RC_OK) {
        reply->text = g_strdup_printf("{\"tasks\": %s}", items);
    }
    return rc;
}

// clang-format off
const struct route import_routes[] = {
    {.method = "POST", .path = "/v2/images/{image_id}/import", .handle = images_import, .status = 202, .body = &body_spec,
     .summary = "import staged data, or data from a URL"},
    {.method = "GET", .path = "/v2/images/{image_id}/tasks", .handle = tasks_list, .status = 200, .summary = "list an image's imports"},
    {0},
};
// clang-format on
