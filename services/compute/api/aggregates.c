// SPDX-License-Identifier: Apache-2.0
// /os-aggregates: groups of hosts, and by them availability zones.
#include <string.h>

#include "common/base/util.h"
#include "services/compute/api/aggregate_db.h"
#include "services/compute/api/api.h"

static enum rc
reply_aggregate(struct request *request, struct reply *reply, const char *id, bool is_new,
                struct err *err)
{
    struct db *db;
    g_autoptr(db_result) rows = NULL;
    enum rc rc = request_db(request, &db, err);
    if (rc != RC_OK ||
        (rc = aggregate_db_list(db, id, request_version(request), is_new, &rows, err)) != RC_OK) {
        return rc;
    }
    json_auto_t *items = json_loads(db_text(rows, 0, "items"), 0, NULL);
    if (json_array_size(items) != 1) {
        return fault(err, RC_NOT_FOUND, "Aggregate %.64s could not be found.", id);
    }
    reply->json = json_pack("{s:O}", "aggregate", json_array_get(items, 0));
    return RC_OK;
}

static enum rc
aggregate_list(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db;
    g_autoptr(db_result) rows = NULL;
    enum rc rc = request_db(request, &db, err);
    if (rc == RC_OK &&
        (rc = aggregate_db_list(db, NULL, request_version(request), false, &rows, err)) == RC_OK) {
        reply->text = g_strdup_printf("{\"aggregates\":%s}", db_text(rows, 0, "items"));
    }
    return rc;
}

static enum rc
aggregate_show(struct request *request, struct reply *reply, struct err *err)
{
    return reply_aggregate(request, reply, request_param(request, "aggregate_id"), false, err);
}

static enum rc
read_name(json_t *body, const char *field, bool is_required, const char **ret_text, struct err *err)
{
    json_t *value = json_object_get(body, field);
    const char *text = json_string_value(value);
    if (!value && !is_required) {
        return RC_OK;
    }
    if (!text || !*text || !text_is_clean(text, 255) || g_ascii_isspace(text[0]) ||
        g_ascii_isspace(text[strlen(text) - 1]) || strchr(text, ':')) {
        return fault(err, RC_INVALID,
                     "Invalid input for field '%s': it is not a name of 1 to 255 characters",
                     field);
    }
    *ret_text = text;
    return RC_OK;
}

static enum rc
read_aggregate(struct request *request, bool is_new, const char **ret_name, const char **ret_zone,
               struct err *err)
{
    static const char *const names[] = {"name", "availability_zone", NULL};
    json_t *root = request_json(request), *body = json_object_get(root, "aggregate");
    if (!json_is_object(body) || json_object_size(root) != 1 ||
        (!is_new && !json_object_size(body))) {
        return fault(err, RC_INVALID,
                     "Invalid input for field 'aggregate': it is not of type 'object'");
    }
    enum rc rc = refuse_unknown_keys(body, names, err);
    if (rc == RC_OK) {
        rc = read_name(body, "name", is_new, ret_name, err);
    }
    if (rc == RC_OK && !json_is_null(json_object_get(body, "availability_zone"))) {
        rc = read_name(body, "availability_zone", false, ret_zone, err);
    }
    return rc;
}

static enum rc
aggregate_create(struct request *request, struct reply *reply, struct err *err)
{
    const char *name = NULL, *zone = NULL;
    char id[24];
    struct db *db;
    enum rc rc = read_aggregate(request, true, &name, &zone, err);
    if (rc == RC_OK && (rc = request_db(request, &db, err)) == RC_OK) {
        rc = aggregate_db_create(db, name, zone, id, err);
    }
    return rc == RC_OK ? reply_aggregate(request, reply, id, true, err) : rc;
}

static enum rc
change(struct request *request, struct reply *reply, struct aggregate_change *change,
       struct err *err)
{
    const struct compute *compute = request_context(request);
    struct db *db;
    change->id = request_param(request, "aggregate_id");
    change->default_zone = compute->default_zone;
    enum rc rc = request_db(request, &db, err);
    if (rc == RC_OK) {
        rc = aggregate_db_change(db, change, err);
    }
    return rc == RC_OK ? reply_aggregate(request, reply, change->id, false, err) : rc;
}

static enum rc
aggregate_update(struct request *request, struct reply *reply, struct err *err)
{
    struct aggregate_change wanted = {0};
    enum rc rc = read_aggregate(request, false, &wanted.name, &wanted.zone, err);
    return rc == RC_OK ? change(request, reply, &wanted, err) : rc;
}

static enum rc
aggregate_delete(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db;
    enum rc rc = request_db(request, &db, err);
    return rc == RC_OK ? aggregate_db_delete(db, request_param(request, "aggregate_id"), err) : rc;
}

static enum rc
set_metadata(struct request *request, struct reply *reply, json_t *argument, struct err *err)
{
    struct aggregate_change wanted = {0};
    const char *key;
    json_t *value;
    json_t *metadata = json_object_get(argument, "metadata");
    if (!json_is_object(metadata) || json_object_size(argument) != 1) {
        return fault(err, RC_INVALID,
                     "Invalid input for field 'metadata': it is not of type 'object'");
    }
    json_object_foreach(metadata, key, value)
    {
        bool is_text = json_is_string(value) && json_string_length(value) <= 255;
        if (!*key || strlen(key) > 255 || !(is_text || json_is_null(value))) {
            return fault(
                err, RC_INVALID,
                "Invalid input for field '%.100s': it is not a text of at most 255 characters",
                key);
        }
    }
    json_t *zone = json_object_get(metadata, "availability_zone");
    wanted.zone = json_string_value(zone);
    wanted.clears_zone = json_is_null(zone);
    json_auto_t *rest = json_copy(metadata);
    json_object_del(rest, "availability_zone");
    char *text = json_dumps(rest, JSON_COMPACT);
    wanted.metadata_json = text;
    enum rc rc = change(request, reply, &wanted, err);
    free(text);
    return rc;
}

static enum rc
aggregate_action(struct request *request, struct reply *reply, struct err *err)
{
    json_t *root = request_json(request);
    void *only = json_object_iter(root);
    const char *action = only ? json_object_iter_key(only) : "";
    json_t *argument = only ? json_object_iter_value(only) : NULL;
    const char *host = json_string_value(json_object_get(argument, "host"));
    struct aggregate_change wanted = {0};
    if (json_object_size(root) == 1 && strcmp(action, "set_metadata") == 0) {
        return set_metadata(request, reply, argument, err);
    }
    if (json_object_size(root) != 1 ||
        (strcmp(action, "add_host") != 0 && strcmp(action, "remove_host") != 0)) {
        return fault(err, RC_INVALID, "There is no such action: %.100s", action);
    }
    if (!host || json_object_size(argument) != 1) {
        return fault(err, RC_INVALID, "Invalid input for field 'host': it must be given alone");
    }
    *(strcmp(action, "add_host") == 0 ? &wanted.add_host : &wanted.remove_host) = host;
    return change(request, reply, &wanted, err);
}

#define PATH "/v2.1/os-aggregates"
#define RULE "os_compute_api:os-aggregates"
// clang-format off
const struct route aggregate_routes[] = {
    {.method = "GET", .path = PATH, .handle = aggregate_list, .policy = RULE, .status = 200, .summary = "list host aggregates"},
    {.method = "POST", .path = PATH, .handle = aggregate_create, .policy = RULE, .status = 200, .summary = "create a host aggregate"},
    {.method = "GET", .path = PATH "/{aggregate_id}", .handle = aggregate_show, .policy = RULE, .status = 200, .summary = "show a host aggregate"},
    {.method = "PUT", .path = PATH "/{aggregate_id}", .handle = aggregate_update, .policy = RULE, .status = 200, .summary = "rename a host aggregate"},
    {.method = "DELETE", .path = PATH "/{aggregate_id}", .handle = aggregate_delete, .policy = RULE, .status = 200, .summary = "delete a host aggregate without hosts"},
    {.method = "POST", .path = PATH "/{aggregate_id}/action", .handle = aggregate_action, .policy = RULE, .status = 200, .summary = "add and remove hosts, set metadata"},
    {0},
};
// clang-format on
