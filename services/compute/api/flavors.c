// SPDX-License-Identifier: Apache-2.0
// /flavors: list, show, and the administrator's create, describe and delete.
#include <string.h>

#include "common/base/util.h"
#include "services/compute/api/api.h"
#include "services/compute/api/flavor_db.h"

struct flavor_body {
    const char *name, *description;
    int64_t vcpus, ram, disk, ephemeral, swap;
    json_t *id, *rxtx_factor;
    bool is_public;
};
enum { F_NAME, F_VCPUS, F_RAM, F_DISK, F_ID, F_EPHEMERAL, F_SWAP, F_RXTX, F_PUBLIC, F_DESCRIPTION };

// clang-format off
static const struct field flavor_fields[] = {
    [F_NAME] = FIELD(struct flavor_body, name, "name", FIELD_TEXT, FIELD_REQUIRED, 1, 255),
    [F_VCPUS] = FIELD(struct flavor_body, vcpus, "vcpus", FIELD_INT, FIELD_REQUIRED | FIELD_LAX, 1, INT32_MAX),
    [F_RAM] = FIELD(struct flavor_body, ram, "ram", FIELD_INT, FIELD_REQUIRED | FIELD_LAX, 1, INT32_MAX),
    [F_DISK] = FIELD(struct flavor_body, disk, "disk", FIELD_INT, FIELD_REQUIRED | FIELD_LAX, 0, INT32_MAX),
    [F_ID] = FIELD(struct flavor_body, id, "id", FIELD_ANY, 0),
    [F_EPHEMERAL] = FIELD(struct flavor_body, ephemeral, "OS-FLV-EXT-DATA:ephemeral", FIELD_INT, FIELD_LAX, 0, INT32_MAX),
    [F_SWAP] = FIELD(struct flavor_body, swap, "swap", FIELD_INT, FIELD_LAX, 0, INT32_MAX),
    [F_RXTX] = FIELD(struct flavor_body, rxtx_factor, "rxtx_factor", FIELD_ANY, 0),
    [F_PUBLIC] = FIELD(struct flavor_body, is_public, "os-flavor-access:is_public", FIELD_BOOL, FIELD_LAX),
    [F_DESCRIPTION] = FIELD(struct flavor_body, description, "description", FIELD_TEXT, FIELD_NULLABLE, 0, 65535),
};
static const struct body_spec flavor_body = {
    .envelope = "flavor", .fields = flavor_fields, .n_fields = N_ELEMENTS(flavor_fields), .struct_size = sizeof(struct flavor_body),
};
// clang-format on

static struct flavor_query
query_of(struct request *request, bool is_detailed)
{
    return (struct flavor_query){
        .base_url = request_base_url(request),
        .version = request_version(request),
        .is_detailed = is_detailed,
        .project_id = request_project(request),
        .is_admin = request_is_admin(request),
        .limit = MAX_LIMIT,
    };
}

static enum rc
read_visibility(struct request *request, struct flavor_query *query, struct err *err)
{
    const char *text = request_query(request, "is_public");
    bool is_public = true;
    if (!query->is_admin || !text) { // everybody sees public flavors and those shared with them
        query->is_public = query->is_admin ? "true" : NULL;
        return RC_OK;
    }
    if (g_ascii_strcasecmp(text, "none") == 0) {
        query->is_public = NULL;
        return RC_OK;
    }
    if (!parse_bool(text, &is_public)) {
        return fault(err, RC_INVALID, "Invalid is_public filter [%.100s]", text);
    }
    query->is_public = is_public ? "true" : "false";
    return RC_OK;
}

static enum rc
read_sort(struct request *request, struct flavor_query *query, struct err *err)
{
    query->sort_key = request_query(request, "sort_key");
    const char *direction = request_query(request, "sort_dir");
    query->is_descending = direction && strcmp(direction, "desc") == 0;
    if (direction && !query->is_descending && strcmp(direction, "asc") != 0) {
        return fault(err, RC_INVALID, "Unknown sort direction, must be 'desc' or 'asc'");
    }
    for (size_t i = 0; query->sort_key; i++) {
        if (!flavor_sort_keys[i][0]) {
            return fault(err, RC_INVALID,
                         "Invalid input for query parameters sort_key. Value: %.100s.",
                         query->sort_key);
        }
        if (strcmp(flavor_sort_keys[i][0], query->sort_key) == 0) {
            break;
        }
    }
    return RC_OK;
}

static enum rc
flavor_list(struct request *request, struct reply *reply, struct err *err)
{
    struct flavor_query query = query_of(request, request_route(request)->data != NULL);
    struct page page;
    struct db *db;
    g_autoptr(db_result) rows = NULL;
    enum rc rc = page_from_request(request, &page, err);
    if (rc != RC_OK || (rc = read_visibility(request, &query, err)) != RC_OK ||
        (rc = read_sort(request, &query, err)) != RC_OK ||
        (rc = query_int(request, "minRam", 0, INT32_MAX, &query.min_ram, err)) != RC_OK ||
        (rc = query_int(request, "minDisk", 0, INT32_MAX, &query.min_disk, err)) != RC_OK ||
        (rc = request_db(request, &db, err)) != RC_OK) {
        return rc;
    }
    query.limit = page.limit;
    query.marker = page.marker;
    rc = flavor_db_list(db, &query, &rows, err);
    if (rc == RC_OK) {
        page_reply(request, reply, "flavors", &page, rows);
    }
    return rc;
}

static enum rc
reply_flavor(struct request *request, struct reply *reply, const char *id, struct err *err)
{
    struct flavor_query query = query_of(request, true);
    struct db *db;
    g_autoptr(db_result) rows = NULL;
    enum rc rc = request_db(request, &db, err);
    if (rc == RC_OK && (rc = flavor_db_show(db, &query, id, &rows, err)) == RC_OK) {
        item_reply(reply, "flavor", rows);
    }
    return rc;
}

static enum rc
flavor_show(struct request *request, struct reply *reply, struct err *err)
{
    return reply_flavor(request, reply, request_param(request, "flavor_id"), err);
}

static bool
is_flavor_id(const char *text)
{
    size_t length = strlen(text);
    return length >= 1 && length <= 255 && text[0] != ' ' && text[length - 1] != ' ' &&
           strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789. _-") ==
               length;
}

// Absent, null and "auto" ask for a new id; numbers are taken as text.
static enum rc
read_id(struct request *request, json_t *given, const char **ret_id, struct err *err)
{
    char uuid[UUID_SIZE];
    const char *text = json_string_value(given);
    if (!given || json_is_null(given) || (text && strcmp(text, "auto") == 0)) {
        uuid_new(uuid);
        *ret_id = request_strdup(request, uuid);
        return RC_OK;
    }
    if (json_is_integer(given)) {
        *ret_id = request_printf(request, "%lld", (long long)json_integer_value(given));
        return RC_OK;
    }
    if (!text || !is_flavor_id(text)) {
        return fault(err, RC_INVALID,
                     "Invalid input for field 'id': it may hold letters, digits, periods, dashes, "
                     "underscores and inner spaces");
    }
    *ret_id = text;
    return RC_OK;
}

static enum rc
read_rxtx(struct request *request, json_t *given, const char **ret_text, struct err *err)
{
    const char *text = json_string_value(given);
    char *end = NULL;
    double value = text ? g_ascii_strtod(text, &end) : json_number_value(given);
    if (!given) {
        return RC_OK;
    }
    if (!(json_is_number(given) || (text && end != text && !*end)) || !(value > 0) || value > 1e9) {
        return fault(err, RC_INVALID,
                     "Invalid input for field 'rxtx_factor': it is not a positive number");
    }
    char buffer[G_ASCII_DTOSTR_BUF_SIZE];
    *ret_text = request_strdup(request, g_ascii_formatd(buffer, sizeof(buffer), "%.6g", value));
    return RC_OK;
}

static bool
is_blank_or_padded(const char *text)
{
    return !text_is_clean(text, 255) || g_ascii_isspace(text[0]) ||
           g_ascii_isspace(text[strlen(text) - 1]);
}

static enum rc
flavor_create(struct request *request, struct reply *reply, struct err *err)
{
    const struct flavor_body *body = request_body(request);
    uint64_t present = request_body_present(request);
    struct flavor_new flavor = {
        .name = body->name,
        .description = body->description,
        .vcpus = body->vcpus,
        .ram_mib = body->ram,
        .disk_gib = body->disk,
        .ephemeral_gib = body->ephemeral,
        .swap_mib = body->swap,
        .is_public = !(present >> F_PUBLIC & 1) || body->is_public,
    };
    struct db *db;
    if ((present >> F_DESCRIPTION & 1) && request_version(request) < 55) {
        return fault(err, RC_INVALID,
                     "Additional properties are not allowed ('description' was unexpected)");
    }
    if (is_blank_or_padded(body->name)) {
        return fault(err, RC_INVALID,
                     "Invalid input for field 'name': it has control characters or outer spaces");
    }
    enum rc rc = read_id(request, body->id, &flavor.id, err);
    if (rc != RC_OK ||
        (rc = read_rxtx(request, body->rxtx_factor, &flavor.rxtx_factor, err)) != RC_OK ||
        (rc = request_db(request, &db, err)) != RC_OK ||
        (rc = flavor_db_create(db, &flavor, err)) != RC_OK) {
        return rc;
    }
    return reply_flavor(request, reply, flavor.id, err);
}

static enum rc
flavor_describe(struct request *request, struct reply *reply, struct err *err)
{
    json_t *flavor = json_object_get(request_json(request), "flavor");
    json_t *description = json_object_get(flavor, "description");
    struct db *db;
    if (!json_is_object(flavor) || json_object_size(flavor) != 1 ||
        !(json_is_string(description) || json_is_null(description))) {
        return fault(err, RC_INVALID,
                     "Invalid input for field 'flavor': it must hold 'description' alone");
    }
    if (json_string_length(description) > 65535) {
        return fault(err, RC_INVALID, "Invalid input for field 'description': it is too long");
    }
    const char *id = request_param(request, "flavor_id");
    enum rc rc = request_db(request, &db, err);
    if (rc == RC_OK &&
        (rc = flavor_db_describe(db, id, json_string_value(description), err)) == RC_OK) {
        rc = reply_flavor(request, reply, id, err);
    }
    return rc;
}

static enum rc
flavor_delete(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db;
    enum rc rc = request_db(request, &db, err);
    return rc == RC_OK ? flavor_db_delete(db, request_param(request, "flavor_id"), err) : rc;
}

// clang-format off
const struct route flavor_routes[] = {
    {.method = "GET", .path = "/v2.1/flavors", .handle = flavor_list, .status = 200, .summary = "list flavors"},
    {.method = "GET", .path = "/v2.1/flavors/detail", .handle = flavor_list, .status = 200, .data = "detail", .summary = "list flavors with details"},
    {.method = "POST", .path = "/v2.1/flavors", .handle = flavor_create, .policy = "os_compute_api:os-flavor-manage:create", .status = 200, .body = &flavor_body, .summary = "create a flavor"},
    {.method = "GET", .path = "/v2.1/flavors/{flavor_id}", .handle = flavor_show, .status = 200, .summary = "show a flavor"},
    {.method = "PUT", .path = "/v2.1/flavors/{flavor_id}", .handle = flavor_describe, .policy = "os_compute_api:os-flavor-manage:update", .status = 200, .min_version = 55, .summary = "describe a flavor"},
    {.method = "DELETE", .path = "/v2.1/flavors/{flavor_id}", .handle = flavor_delete, .policy = "os_compute_api:os-flavor-manage:delete", .status = 202, .summary = "delete a flavor"},
    {0},
};
// clang-format on
