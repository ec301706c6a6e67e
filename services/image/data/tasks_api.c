// SPDX-License-Identifier: Apache-2.0
// Tasks: those of an image to whoever may see it, all of them by the tasks API, which is for
// administrators unless a policy says otherwise. A task of type import makes an image and fetches
// its data from a URL.
#include "services/image/access.h"
#include "services/image/api.h"
#include "services/image/catalog/images.h"
#include "services/image/catalog/task_db.h"
#include "services/image/data/fetch.h"
#include "services/image/data/import.h"
#include "services/image/page.h"

#include <string.h>

#define DEFAULT_LIMIT 25
#define MAX_LIMIT 1000

static const char *const types[] = {"import", NULL};
static const char *const filter_types[] = {"import", "api_image_import", "location_import", NULL};
static const char *const statuses[] = {"pending", "processing", "success", "failure", NULL};
static const char *const directions[] = {"asc", "desc", NULL};

struct task_body {
    const char *type;
    json_t *input;
};
static const struct field body_fields[] = {
    {"type", FIELD_TEXT, FIELD_REQUIRED, offsetof(struct task_body, type), 0, 0, types, NULL},
    FIELD(struct task_body, input, "input", FIELD_OBJECT, FIELD_REQUIRED),
};
static const struct body_spec body_spec = {NULL, body_fields, N_ELEMENTS(body_fields),
                                           sizeof(struct task_body), BODY_ALLOW_UNKNOWN};

// Whose tasks: NULL is everybody's.
static const char *
owner_of(const struct request *request)
{
    struct viewer viewer = viewer_of(request);
    return viewer.is_admin ? NULL : viewer.project_id;
}

static enum rc
tasks_of_image(struct request *request, struct reply *reply, struct err *err)
{
    g_autoptr(image_row) image = NULL;
    g_autofree char *items = NULL;
    struct db *db;
    enum rc rc = image_open(request, "get_image", &db, &image, err);
    if (rc == RC_OK) {
        // What was imported from where, its URL and the keys in it, is the owner's business.
        rc = task_db_of_image(db, image->id, owner_of(request), &items, err);
    }
    if (rc == RC_OK) {
        reply->text = g_strdup_printf("{\"tasks\": %s}", items);
    }
    return rc;
}

// Parameters whose value is one of a few.
static const struct choice {
    const char *name;
    const char *const *values;
    size_t offset; // in struct task_query
} choices[] = {
    {"status", statuses, offsetof(struct task_query, status)},
    {"type", filter_types, offsetof(struct task_query, type)},
};

static enum rc
read_sort_key(struct task_query *query, const char *value, struct err *err)
{
    for (unsigned i = 0; task_sort_keys[i]; i++) {
        if (!strcmp(task_sort_keys[i], value)) {
            query->sort = i;
            return RC_OK;
        }
    }
    g_autofree char *all = g_strjoinv(", ", (char **)task_sort_keys);
    return fault(err, RC_INVALID, "Invalid sort key: %.50s. It must be one of the following: %s.",
                 value, all);
}

static enum rc
read_limit(struct task_query *query, const char *value, struct err *err)
{
    int64_t limit;
    if (!parse_int64(value, 0, INT64_MAX, &limit)) {
        return fault(err, RC_INVALID, "limit param must be an integer that is not negative");
    }
    query->limit = (int)MIN(limit, MAX_LIMIT);
    return RC_OK;
}

static enum rc
read_uuid(const char *name, const char *value, const char **ret_id, struct err *err)
{
    *ret_id = value;
    return uuid_is_valid(value) ? RC_OK : fault(err, RC_INVALID, "Invalid %s format", name);
}

static enum rc
read_parameter(struct task_query *query, const char *name, const char *value, struct err *err)
{
    for (size_t i = 0; i < N_ELEMENTS(choices); i++) {
        if (!strcmp(choices[i].name, name)) {
            const char **target = (const char **)(void *)((char *)query + choices[i].offset);
            *target = value;
            return g_strv_contains(choices[i].values, value)
                       ? RC_OK
                       : fault(err, RC_INVALID, "Invalid %s value: %.50s", name, value);
        }
    }
    if (!strcmp(name, "sort_dir")) {
        query->descending = !strcmp(value, "desc");
        return g_strv_contains(directions, value)
                   ? RC_OK
                   : fault(err, RC_INVALID, "Invalid sort direction: %.50s", value);
    }
    if (!strcmp(name, "marker")) {
        return read_uuid(name, value, &query->marker, err);
    }
    if (!strcmp(name, "image_id")) {
        return read_uuid(name, value, &query->image_id, err);
    }
    return !strcmp(name, "sort_key") ? read_sort_key(query, value, err)
           : !strcmp(name, "limit")  ? read_limit(query, value, err)
                                     : RC_OK;
}

static enum rc
tasks_list(struct request *request, struct reply *reply, struct err *err)
{
    struct task_query query = {
        .owner = owner_of(request), .descending = true, .limit = DEFAULT_LIMIT};
    g_autofree char *items = NULL, *last = NULL;
    const char *name, *value;
    struct db *db;
    enum rc rc = request_db(request, &db, err);
    for (unsigned i = 0; rc == RC_OK && request_query_at(request, i, &name, &value); i++) {
        rc = read_parameter(&query, name, value, err);
    }
    if (rc == RC_OK) {
        rc = task_db_list(db, &query, &items, &last, err);
    }
    if (rc == RC_OK) {
        g_autofree char *links = page_links(request, "/v2/tasks", last);
        reply->text =
            g_strdup_printf("{\"tasks\": %s, %s, \"schema\": \"/v2/schemas/tasks\"}", items, links);
    }
    return rc;
}

static enum rc
tasks_show(struct request *request, struct reply *reply, struct err *err)
{
    const char *id = request_param(request, "task_id");
    struct db *db;
    if (!uuid_is_valid(id)) {
        return fault(err, RC_NOT_FOUND, "No task found with ID %.64s", id);
    }
    enum rc rc = request_db(request, &db, err);
    return rc == RC_OK ? task_db_show(db, id, owner_of(request), &reply->text, err) : rc;
}

// What the image of an import is made of: its properties, and the formats where they are missing.
static enum rc
read_input(const struct request *request, json_t **ret_values, const char **ret_url,
           struct err *err)
{
    const struct task_body *body = request_body(request);
    json_t *properties = json_object_get(body->input, "image_properties");
    json_t *format = json_object_get(body->input, "import_from_format");
    json_t *url = json_object_get(body->input, "import_from");
    if (!json_is_string(url) || !json_is_string(format) || !json_is_object(properties)) {
        return fault(err, RC_INVALID, "Input does not contain '%s' field",
                     !json_is_string(url)      ? "import_from"
                     : !json_is_string(format) ? "import_from_format"
                                               : "image_properties");
    }
    json_auto_t *wanted = json_copy(properties);
    if (!json_object_get(wanted, "disk_format")) {
        json_object_set(wanted, "disk_format", format);
    }
    if (!json_object_get(wanted, "container_format")) {
        json_object_set_new(wanted, "container_format", json_string("bare"));
    }
    *ret_url = json_string_value(url);
    enum rc rc = fetch_check_url(image_service_of(request), *ret_url, err);
    if (rc != RC_OK) {
        return fault(err, rc, "import_from: URI for web-download does not pass filtering: %.200s",
                     *ret_url);
    }
    rc = image_values_from(request, wanted, ret_values, err);
    return rc ? rc : image_allow_create(request, *ret_values, err);
}

struct creation {
    char image_id[UUID_SIZE];
    json_t *values;
};

static enum rc
create_in_tx(struct db *db, void *argument, struct err *err)
{
    struct creation *creation = argument;
    return image_db_create(db, creation->image_id, creation->values, err);
}

static enum rc
undo_in_tx(struct db *db, void *argument, struct err *err)
{
    const struct viewer everybody = {.project_id = "", .is_admin = true};
    const struct creation *creation = argument;
    g_autoptr(image_row) image = NULL;
    enum rc rc = image_db_find(db, &everybody, creation->image_id, true, &image, err);
    return rc ? rc : image_db_set_status(db, image, "deleted", err);
}

static enum rc
begin(const struct import_order *order, struct creation *creation, char ret_task_id[UUID_SIZE],
      struct err *err)
{
    const struct viewer everybody = {.project_id = "", .is_admin = true};
    image_row *image = NULL;
    struct err ignored;
    enum rc rc = db_tx(order->db, create_in_tx, creation, err);
    if (rc != RC_OK) {
        return rc;
    }
    rc = image_db_find(order->db, &everybody, creation->image_id, false, &image, err);
    rc = rc ? rc : import_begin_url(order, &image, ret_task_id, err);
    if (rc != RC_OK) {
        rc_ignore(db_tx(order->db, undo_in_tx, creation, &ignored));
    }
    return rc;
}

static enum rc
tasks_create(struct request *request, struct reply *reply, struct err *err)
{
    const struct task_body *body = request_body(request);
    json_auto_t *values = NULL;
    char task_id[UUID_SIZE];
    struct import_order order = {.request = request, .input = body->input};
    struct creation creation = {{0}, NULL};
    enum rc rc = read_input(request, &values, &order.url, err);
    if (rc == RC_OK) {
        rc = request_db(request, &order.db, err);
    }
    if (rc == RC_OK) {
        const char *given = json_string_value(json_object_get(values, "id"));
        creation.values = values;
        uuid_new(creation.image_id);
        if (given) {
            g_autofree char *lower = g_ascii_strdown(given, -1);
            g_strlcpy(creation.image_id, lower, sizeof creation.image_id);
        }
        rc = begin(&order, &creation, task_id, err);
    }
    if (rc == RC_OK) {
        reply_header_format(reply, "Location", "/v2/tasks/%s", task_id);
        rc = task_db_show(order.db, task_id, NULL, &reply->text, err);
    }
    return rc;
}

#define ACCESS .policy = "tasks_api_access"
// clang-format off
const struct route tasks_routes[] = {
    {.method = "GET", .path = "/v2/images/{image_id}/tasks", .handle = tasks_of_image, .status = 200, .summary = "list an image's imports"},
    {.method = "GET", .path = "/v2/tasks", .handle = tasks_list, ACCESS, .status = 200, .summary = "list tasks"},
    {.method = "POST", .path = "/v2/tasks", .handle = tasks_create, ACCESS, .status = 201, .flags = ROUTE_SLOW, .body = &body_spec,
     .summary = "make an image of the data at a URL"},
    {.method = "GET", .path = "/v2/tasks/{task_id}", .handle = tasks_show, ACCESS, .status = 200, .summary = "show a task"},
    {0},
};
// clang-format on
