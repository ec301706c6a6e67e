// SPDX-License-Identifier: Apache-2.0
// Interoperable import: glance-direct makes staged data the image's, web-download fetches it from a
// URL, glance-download from another region, copy-image brings it to more stores. Tasks tell how it
// went (tasks_api.c).
#include "services/image/access.h"
#include "services/image/api.h"
#include "services/image/data/import.h"
#include "services/image/data/job.h"
#include "services/image/data/turns.h"
#include "services/image/format/archive.h"
#include "services/image/store/location_db.h"

#include <string.h>

struct import_body {
    json_t *method, *stores;
    bool all_stores, all_stores_must_succeed;
};
#define MUST_SUCCEED_BIT (1u << 3)
static const struct field body_fields[] = {
    FIELD(struct import_body, method, "method", FIELD_OBJECT, FIELD_REQUIRED),
    FIELD(struct import_body, stores, "stores", FIELD_ARRAY, 0),
    FIELD(struct import_body, all_stores, "all_stores", FIELD_BOOL, 0),
    FIELD(struct import_body, all_stores_must_succeed, "all_stores_must_succeed", FIELD_BOOL, 0),
};
static const struct body_spec body_spec = {NULL, body_fields, N_ELEMENTS(body_fields),
                                           sizeof(struct import_body), BODY_ALLOW_UNKNOWN};

// What an import is about while it is judged.
struct import {
    struct request *request;
    struct db *db;
    const struct import_body *body;
    image_row *image;
    GPtrArray *stores; // names, sorted, each once; borrowed from the table of stores
    bool must_all;     // one store that fails fails all
    struct task task;  // id, type and, unless it is the request's body, input
};

static gint
compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static enum rc
add_store(struct import *import, const char *name, struct err *err)
{
    const struct store *store =
        stores_find(image_service_of(import->request)->stores, name ? name : "");
    if (!store) {
        return fault(err, RC_CONFLICT, "Unknown scheme '%.60s' found in URI", name ? name : "");
    }
    for (guint i = 0; i < import->stores->len; i++) {
        if (!strcmp(import->stores->pdata[i], name)) {
            return RC_OK;
        }
    }
    g_ptr_array_add(import->stores, (gpointer)store_name(store));
    return RC_OK;
}

static enum rc
choose_stores(struct import *import, struct err *err)
{
    const struct import_body *body = import->body;
    const struct stores *stores = image_service_of(import->request)->stores;
    const char *header = request_header(import->request, "X-Image-Meta-Store");
    size_t i;
    json_t *each;
    if (body->all_stores && (body->stores || header)) {
        return fault(err, RC_INVALID,
                     "All_stores parameter can't be used with x-image-meta-store header or stores "
                     "parameter");
    }
    if (body->stores && header) {
        return fault(err, RC_INVALID,
                     "Stores parameter and x-image-meta-store header can't be both specified");
    }
    if (body->stores && json_array_size(body->stores) == 0) {
        return fault(err, RC_INVALID, "'stores' names no store");
    }
    enum rc rc = RC_OK;
    for (guint n = 0; body->all_stores && n < stores_count(stores); n++) {
        g_ptr_array_add(import->stores, (gpointer)store_name(stores_at(stores, n)));
    }
    json_array_foreach(body->stores, i, each)
    {
        rc = rc == RC_OK ? add_store(import, json_string_value(each), err) : rc;
    }
    if (rc == RC_OK && import->stores->len == 0) {
        rc = add_store(import, header ? header : store_name(stores_default(stores)), err);
    }
    g_ptr_array_sort(import->stores, compare_names);
    return rc;
}

static json_t *
input_of(const struct import *import)
{
    json_t *stores = json_array();
    for (guint i = 0; i < import->stores->len; i++) {
        json_array_append_new(stores, json_string(import->stores->pdata[i]));
    }
    return json_pack("{s:s, s:O, s:o}", "image_id", import->image->id, "import_req",
                     request_json(import->request), "backend", stores);
}

static char **
names_of(const GPtrArray *stores)
{
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    for (guint i = 0; i < stores->len; i++) {
        g_strv_builder_add(builder, stores->pdata[i]);
    }
    return g_strv_builder_end(builder);
}

// Begins in the database, opens what the bytes need.
static enum rc
begin_job(struct import *import, struct job *job, const struct task *task, struct err *err)
{
    struct upload *upload = job->upload;
    int64_t room;
    upload->location = g_steal_pointer(&job->location);
    if (job->fetch) {
        job->fetch->upload = upload;
        return upload_start(upload, import->db, &import->image, task, fetch_wake, job->fetch, err);
    }
    return upload_begin(upload, import->db, &import->image, task, &room, err);
}

// True when the bytes only change their name: the client need not wait for that twice. Image
// archives are cut.
static bool
is_instant(const struct import *import, enum upload_kind kind, const struct staged *staged)
{
    const struct stores *stores = image_service_of(import->request)->stores;
    enum archive_kind archive = archive_kind_find(staged->archive);
    return kind == UPLOAD_DIRECT && import->stores->len == 1 && archive != ARCHIVE_DOCKER &&
           archive != ARCHIVE_OCI &&
           store_takes_temps(stores_find(stores, import->stores->pdata[0]));
}

// Takes the job over.
static enum rc
start_job(struct import *import, enum upload_kind kind, struct job *job, int64_t size,
          struct err *err)
{
    struct image_service *service = image_service_of(import->request);
    const image_row *image = import->image;
    json_auto_t *input = import->task.input ? json_incref(import->task.input) : input_of(import);
    job->upload = upload_new(service, kind, names_of(import->stores));
    job->upload->row.size = size;
    job->upload->must_all = import->must_all;
    struct task task = import->task;
    task.image_id = image->id;
    task.owner = image->owner;
    task.user_id = request_auth(import->request)->user_id;
    task.request_id = request_id(import->request);
    task.input = input;
    enum rc rc = begin_job(import, job, &task, err);
    if (rc != RC_OK) {
        upload_settle_failed(job->upload, import->db, err->message);
        job_free(job);
        return rc;
    }
    if (is_instant(import, kind, &job->staged)) {
        job_run(job, NULL);
    } else {
        turns_push(service->fetchers, job->upload->image->owner, job);
    }
    return RC_OK;
}

// Formats that were not known when the data was staged are claims now.
static enum rc
check_claim(const struct import *import, const struct staged *staged, struct err *err)
{
    const image_row *image = import->image;
    const struct format_verdict verdict = {.format = disk_format_find(staged->format)};
    const struct archive_verdict archive = {
        .kind = archive_kind_find(staged->archive),
        .disk = {.format = staged->inside ? disk_format_find(staged->inside) : FORMAT_OTHER},
    };
    char reason[256];
    bool strict = image_service_of(import->request)->require_format_match;
    return format_claim_holds(&verdict, image->disk_format, image->container_format, strict,
                              reason) &&
                   archive_claim_holds(&archive, verdict.format, image->disk_format,
                                       image->container_format, strict, reason)
               ? RC_OK
               : fault(err, RC_INVALID, "the image is refused: %s", reason);
}

static enum rc
import_direct(struct import *import, struct err *err)
{
    struct job *job = job_new();
    enum rc rc = import_db_staged(import->db, import->image->id, &job->staged, err);
    if (rc == RC_OK && (strcmp(import->image->status, "uploading") || !job->staged.file)) {
        rc = fault(err, RC_CONFLICT,
                   "Image needs to be staged before 'glance-direct' method can be used");
    }
    if (rc == RC_OK) {
        rc = check_claim(import, &job->staged, err);
    }
    if (rc != RC_OK) {
        job_free(job);
        return rc;
    }
    return start_job(import, UPLOAD_DIRECT, job, job->staged.size, err);
}

static enum rc
check_queued(const image_row *image, const char *method, struct err *err)
{
    return strcmp(image->status, "queued")
               ? fault(err, RC_CONFLICT, "Image needs to be in 'queued' state to use '%s' method",
                       method)
               : RC_OK;
}

static enum rc
fetch_url(struct import *import, const char *url, struct err *err)
{
    enum rc rc = fetch_check_url(image_service_of(import->request), url ? url : "", err);
    if (rc == RC_OK) {
        rc = check_queued(import->image, "web-download", err);
    }
    if (rc != RC_OK) {
        return rc;
    }
    struct job *job = job_new();
    job->fetch = fetch_new(url);
    return start_job(import, UPLOAD_FETCH, job, -1, err);
}

static enum rc
import_from_url(struct import *import, struct err *err)
{
    return fetch_url(import, json_string_value(json_object_get(import->body->method, "uri")), err);
}

enum rc
import_begin_url(const struct import_order *order, image_row **image, char ret_task_id[UUID_SIZE],
                 struct err *err)
{
    struct image_service *service = image_service_of(order->request);
    g_autoptr(GPtrArray) stores = g_ptr_array_new();
    g_ptr_array_add(stores, (gpointer)store_name(stores_default(service->stores)));
    struct import import = {.request = order->request,
                            .db = order->db,
                            .image = g_steal_pointer(image),
                            .stores = stores,
                            .must_all = true,
                            .task = {.type = "import", .input = order->input}};
    uuid_new(import.task.id);
    enum rc rc = fetch_url(&import, order->url, err);
    image_row_free(import.image);
    if (rc == RC_OK) {
        g_strlcpy(ret_task_id, import.task.id, UUID_SIZE);
    }
    return rc;
}

enum rc
import_begin_location(const struct import_order *order, struct location *location,
                      image_row **image, struct job_end **ret_end, struct err *err)
{
    struct image_service *service = image_service_of(order->request);
    g_autoptr(GPtrArray) stores = g_ptr_array_new();
    struct import import = {.request = order->request,
                            .db = order->db,
                            .image = g_steal_pointer(image),
                            .stores = stores,
                            .must_all = true,
                            .task = {.type = "location_import", .input = order->input}};
    bool is_new = !import.image->has_data;
    if (is_new) {
        g_ptr_array_add(stores, (gpointer)store_name(stores_default(service->stores)));
    }
    uuid_new(import.task.id);
    struct job *job = job_new();
    struct job_end *end = job_end_new();
    job->fetch = fetch_new(order->url);
    job->location = location;
    job->end = g_atomic_rc_box_acquire(end);
    enum rc rc = start_job(&import, is_new ? UPLOAD_FETCH : UPLOAD_LOCATION, job,
                           is_new ? -1 : import.image->size, err);
    image_row_free(import.image);
    if (rc != RC_OK) {
        job_end_unref(end);
        return rc;
    }
    *ret_end = end;
    return RC_OK;
}

static enum rc
import_from_region(struct import *import, struct err *err)
{
    struct remote *remote = NULL;
    enum rc rc = check_queued(import->image, "glance-download", err);
    if (rc == RC_OK) {
        rc = remote_new(request_header(import->request, "X-Auth-Token"), import->body->method,
                        &remote, err);
    }
    if (rc != RC_OK) {
        return rc;
    }
    struct job *job = job_new();
    job->fetch = fetch_new(NULL);
    job->fetch->remote = remote;
    return start_job(import, UPLOAD_FETCH, job, -1, err);
}

// Stores that have the image already: asked for by name they are a mistake, by "all" they are not.
static enum rc
drop_present(struct import *import, struct err *err)
{
    g_autoptr(GPtrArray) present = NULL;
    enum rc rc = location_db_list(import->db, import->image->id, false, &present, err);
    for (guint i = 0; rc == RC_OK && i < present->len; i++) {
        for (guint j = 0; j < import->stores->len; j++) {
            if (strcmp(import->stores->pdata[j], present->pdata[i])) {
                continue;
            }
            if (!import->body->all_stores) {
                return fault(err, RC_INVALID, "Image is already present at store '%s'",
                             (const char *)present->pdata[i]);
            }
            g_ptr_array_remove_index(import->stores, j);
            break;
        }
    }
    return rc;
}

static enum rc
import_copy(struct import *import, struct err *err)
{
    enum rc rc = drop_present(import, err);
    return rc == RC_OK && import->stores->len > 0
               ? start_job(import, UPLOAD_COPY, job_new(), import->image->size, err)
               : rc;
}

struct method {
    const char *name, *rule;
    enum rc (*import)(struct import *import, struct err *err);
};
static const struct method methods[] = {{"glance-direct", "modify_image", import_direct},
                                        {"web-download", "modify_image", import_from_url},
                                        {"glance-download", "modify_image", import_from_region},
                                        {"copy-image", "copy_image", import_copy}};

static enum rc
find_method(const struct import_body *body, const struct method **ret_method, struct err *err)
{
    const char *name = json_string_value(json_object_get(body->method, "name"));
    for (size_t i = 0; name && i < N_ELEMENTS(methods); i++) {
        if (!strcmp(methods[i].name, name)) {
            *ret_method = &methods[i];
            return RC_OK;
        }
    }
    return fault(err, RC_INVALID, "Unknown import method name '%.60s'.", name ? name : "");
}

static enum rc
check_image(const image_row *image, bool is_copy, struct err *err)
{
    bool is_active = !strcmp(image->status, "active");
    if (is_active && !is_copy) {
        return fault(err, RC_CONFLICT, "Image with status active cannot be target for import");
    }
    if (!is_active && is_copy) {
        return fault(err, RC_CONFLICT,
                     "Only images with status active can be targeted for copying");
    }
    return image->container_format && image->disk_format
               ? RC_OK
               : fault(err, RC_CONFLICT, "'%s' needs to be set before import",
                       image->container_format ? "disk_format" : "container_format");
}

static enum rc
images_import(struct request *request, struct reply *reply, struct err *err)
{
    g_autoptr(GPtrArray) stores = g_ptr_array_new();
    const struct method *method = NULL;
    const struct import_body *body = request_body(request);
    struct import import = {.request = request,
                            .body = body,
                            .stores = stores,
                            // True unless said otherwise.
                            .must_all = body->all_stores_must_succeed ||
                                        !(request_body_present(request) & MUST_SUCCEED_BIT),
                            .task = {.type = "api_image_import"}};
    uuid_new(import.task.id);
    enum rc rc = find_method(import.body, &method, err);
    if (rc == RC_OK) {
        rc = request_db(request, &import.db, err);
    }
    if (rc == RC_OK) {
        rc = image_load(request, import.db, "get_image", &import.image, err);
    }
    g_autoptr(image_row) image = import.image;
    bool is_copy = rc == RC_OK && method->import == import_copy;
    if (rc == RC_OK) {
        rc = check_image(image, is_copy, err);
    }
    if (rc == RC_OK) {
        rc = image_allow(request, method->rule, image, NULL, err);
    }
    if (rc == RC_OK) {
        rc = choose_stores(&import, err);
    }
    if (rc == RC_OK) {
        rc = method->import(&import, err);
    }
    // An upload that began has taken the row over.
    if (!import.image) {
        g_steal_pointer(&image);
    }
    return rc;
}

// clang-format off
const struct route import_routes[] = {
    {.method = "POST", .path = "/v2/images/{image_id}/import", .handle = images_import, .status = 202, .flags = ROUTE_SLOW, .body = &body_spec,
     .summary = "import staged data, or data from a URL"},
    {0},
};
// clang-format on
