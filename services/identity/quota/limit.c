// SPDX-License-Identifier: Apache-2.0
// Keystone's unified limits, exact but for one thing: the default_limit and the description of a
// registered limit may change while limits refer to it (there are always some: those of sign-ups).
#include "services/identity/identity_resource.h"
#include "services/identity/quota/limit_db.h"
#include "services/identity/tenancy/target.h"
#include "services/identity/token/feed_db.h"
#include "services/identity/token/feed_reader.h"

#include <string.h>

// ---- registered limits: what the services' defaults are called

static const struct attribute registered_attributes[] = {
    {"service_id", ATTR_TEXT, ATTR_RW | ATTR_FILTER | ATTR_REQUIRED, .min = 1, .max = 64},
    {"region_id", ATTR_TEXT, ATTR_RW | ATTR_FILTER | ATTR_NULLABLE, .max = 255},
    {"resource_name", ATTR_TEXT, ATTR_RW | ATTR_FILTER | ATTR_REQUIRED, .min = 1, .max = 255},
    {"default_limit", ATTR_INT, ATTR_RW | ATTR_REQUIRED, .min = -1, .max = INT32_MAX},
    {"description", ATTR_TEXT, ATTR_RW | ATTR_BLANK | ATTR_NULLABLE, .max = 65535},
    {0},
};

static enum rc registered_before_create(struct resource_op *op, struct err *err);
static enum rc registered_before_change(struct resource_op *op, struct err *err);
static enum rc after_bound(struct resource_op *op, struct err *err);

static const struct resource registered_limit = {
    .singular = "registered_limit",
    .plural = "registered_limits",
    .path = "/v3/registered_limits",
    .table = "registered_limit",
    .not_found_format = "Could not find registered limit for %s.",
    .style = RESOURCE_LINKS | RESOURCE_HEX_ID | RESOURCE_BULK | RESOURCE_COMPARISONS,
    .policy_list = "identity:list_registered_limits",
    .policy_get = "identity:get_registered_limit",
    .policy_create = "identity:create_registered_limits",
    .policy_update = "identity:update_registered_limit",
    .policy_delete = "identity:delete_registered_limit",
    .default_sort = "id",
    .attributes = registered_attributes,
    .before_create = registered_before_create,
    .before_update = registered_before_change,
    .before_delete = registered_before_change,
    .after_create = after_bound,
    .after_update = after_bound,
    .after_delete = after_bound,
};

// ---- limits of projects

static const char *
value_of(const struct resource_op *op, const char *column)
{
    json_t *value = json_object_get(op->values, column);
    return json_string_value(value ? value : json_object_get(op->old, column));
}

// As Keystone words what a row names and does not exist.
static enum rc
missing(const struct resource_op *op, const char *attribute, struct err *err)
{
    return fault(err, RC_INVALID,
                 "Expecting to find %s in %s. The server could not comply with the request since "
                 "it is either malformed or otherwise incorrect. The client is assumed to be in "
                 "error.",
                 attribute, op->resource->singular);
}

static enum rc
find_refs(struct resource_op *op, db_result **ret_row, struct err *err)
{
    const struct limit_refs refs = {value_of(op, "service_id"), value_of(op, "region_id"),
                                    value_of(op, "project_id"), value_of(op, "domain_id"),
                                    value_of(op, "resource_name")};
    // What was named earlier may be gone.
    bool names_service = json_is_string(json_object_get(op->values, "service_id"));
    bool names_region = json_is_string(json_object_get(op->values, "region_id"));
    enum rc rc = limit_db_lock(op->db, err);
    rc = rc ? rc : limit_db_find_refs(op->db, &refs, ret_row, err);
    return rc                                                      ? rc
           : names_service && !db_bool(*ret_row, 0, "has_service") ? missing(op, "service_id", err)
           : names_region && !db_bool(*ret_row, 0, "has_region")   ? missing(op, "region_id", err)
                                                                   : RC_OK;
}

// A domain given as project is the domain.
static enum rc
find_target(struct resource_op *op, const db_result *row, struct err *err)
{
    const char *project_id = value_of(op, "project_id");
    if (project_id && db_bool(row, 0, "is_domain")) {
        json_object_set(op->values, "domain_id", json_object_get(op->values, "project_id"));
        json_object_set_new(op->values, "project_id", json_null());
        return RC_OK;
    }
    return project_id && !db_bool(row, 0, "is_project")    ? missing(op, "project_id", err)
           : !project_id && !db_bool(row, 0, "has_domain") ? missing(op, "domain_id", err)
                                                           : RC_OK;
}

static enum rc
before_create(struct resource_op *op, struct err *err)
{
    if (!value_of(op, "project_id") == !value_of(op, "domain_id")) {
        return fault(err, RC_INVALID,
                     "invalid input for field 'project_id': a limit has a project or a domain");
    }
    g_autoptr(db_result) row = NULL;
    enum rc rc = find_refs(op, &row, err);
    rc = rc ? rc : find_target(op, row, err);
    if (rc == RC_OK && !db_bool(row, 0, "is_registered")) {
        rc = fault(err, RC_FORBIDDEN,
                   "Unable to create a limit that has no corresponding registered limit.");
    }
    return rc;
}

static enum rc
before_update(struct resource_op *op, struct err *err)
{
    return limit_db_lock(op->db, err);
}

static enum rc
after_write(struct resource_op *op, struct err *err)
{
    return limit_db_check_model(op->db, op->id, err);
}

// What bounded others changed or went: a default, a domain's limit.
static enum rc
after_bound(struct resource_op *op, struct err *err)
{
    return limit_db_check_resource(op->db, value_of(op, "service_id"),
                                   value_of(op, "resource_name"), err);
}

// A limit of a region that goes leaves the one of no region in force.
static enum rc
after_delete(struct resource_op *op, struct err *err)
{
    const struct limit_refs refs = {.service_id = value_of(op, "service_id"),
                                    .project_id = value_of(op, "project_id"),
                                    .domain_id = value_of(op, "domain_id"),
                                    .resource_name = value_of(op, "resource_name")};
    enum rc rc = after_bound(op, err);
    return rc ? rc : limit_db_check_rest(op->db, &refs, err);
}

static const struct attribute limit_attributes[] = {
    {"service_id", ATTR_TEXT, ATTR_CREATE | ATTR_FILTER | ATTR_REQUIRED, .min = 1, .max = 64},
    {"region_id", ATTR_TEXT, ATTR_CREATE | ATTR_FILTER | ATTR_NULLABLE, .max = 255},
    {"project_id", ATTR_TEXT, ATTR_CREATE | ATTR_FILTER | ATTR_NULLABLE, .max = 64},
    {"domain_id", ATTR_TEXT, ATTR_CREATE | ATTR_FILTER | ATTR_NULLABLE, .max = 64},
    {"resource_name", ATTR_TEXT, ATTR_CREATE | ATTR_FILTER | ATTR_REQUIRED, .min = 1, .max = 255},
    {"resource_limit", ATTR_INT, ATTR_RW | ATTR_REQUIRED, .min = -1, .max = INT32_MAX},
    {"description", ATTR_TEXT, ATTR_RW | ATTR_BLANK | ATTR_NULLABLE, .max = 65535},
    {0},
};
static const struct resource limit = {
    .singular = "limit",
    .plural = "limits",
    .path = "/v3/limits",
    .table = "project_limit",
    .not_found_format = "Could not find limit for %s.",
    .style = RESOURCE_LINKS | RESOURCE_HEX_ID | RESOURCE_BULK | RESOURCE_COMPARISONS,
    .visible = "r.project_id = $1 OR r.domain_id = $3 OR r.project_id IN (SELECT p.id FROM project "
               "p WHERE p.domain_id = $3)",
    .policy_list = "identity:list_limits",
    .policy_create = "identity:create_limits",
    .policy_update = "identity:update_limit",
    .policy_delete = "identity:delete_limit",
    .default_sort = "id",
    .attributes = limit_attributes,
    .before_create = before_create,
    .after_create = after_write,
    .after_update = after_write,
    .before_update = before_update,
    .before_delete = before_update,
    .after_delete = after_delete,
};

// Who may see a limit is decided by whose it is: the policy's target has its project and domain.
static enum rc
allow_limit(struct request *request, struct db *db, const char *item, struct err *err)
{
    json_auto_t *shown = item ? json_loads(item, 0, NULL) : json_object(), *whose = NULL;
    const struct target names = {
        .project_id = json_string_value(json_object_get(shown, "project_id")),
        .domain_id = json_string_value(json_object_get(shown, "domain_id"))};
    enum rc rc = target_db_load(db, &names, &whose, err);
    if (rc == RC_OK) {
        json_object_update(shown, json_object_get(whose, "target"));
        json_auto_t *target = json_pack("{s:{s:O}}", "target", "limit", shown);
        rc = request_allow(request, "identity:get_limit", target, err);
    }
    return rc;
}

static enum rc
show_limit(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db = NULL;
    g_autofree char *item = NULL;
    enum rc rc = request_db(request, &db, err);
    rc = rc ? rc : resource_item(request, db, &limit, request_param(request, "id"), &item, err);
    if (rc && rc != RC_NOT_FOUND) {
        return rc;
    }
    struct err denied;
    enum rc allowed = allow_limit(request, db, item, &denied);
    if (allowed) { // also what is not there
        *err = denied;
        return allowed;
    }
    if (rc == RC_OK) {
        reply->text = g_strdup_printf("{\"limit\":%s}", item);
    }
    return rc;
}

// ---- hooks of registered limits

static enum rc
registered_before_create(struct resource_op *op, struct err *err)
{
    g_autoptr(db_result) row = NULL;
    return find_refs(op, &row, err);
}

// True when the row is to be known by another key, or gone.
static bool
loses_key(const struct resource_op *op)
{
    static const char *const key[] = {"service_id", "region_id", "resource_name"};
    bool loses = !op->input; // a delete
    for (size_t i = 0; i < G_N_ELEMENTS(key); i++) {
        json_t *value = json_object_get(op->values, key[i]);
        loses |= value && !json_equal(value, json_object_get(op->old, key[i]));
    }
    return loses;
}

static enum rc
registered_before_change(struct resource_op *op, struct err *err)
{
    g_autoptr(db_result) row = NULL;
    bool is_referenced = false;
    enum rc rc = find_refs(op, &row, err);
    rc = rc || !loses_key(op) ? rc : limit_db_is_referenced(op->db, op->id, &is_referenced, err);
    return is_referenced
               ? fault(err, RC_FORBIDDEN,
                       "Unable to update or delete registered limit %s because there are project "
                       "limits associated with it.",
                       op->id)
               : rc;
}

// ---- model

static const struct {
    const char *name, *description;
} models[] = {
    {"flat",
     "Limit enforcement and validation does not take project hierarchy into consideration."},
    {"strict_two_level", "This model requires project hierarchy never exceeds a depth of two"},
    {"strict_tree", "What a project or domain gives to those beneath it never exceeds its own "
                    "limit, at any depth; beneath a limit, what was not given is 0."},
};

static enum rc
show_model(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db = NULL;
    g_autofree char *name = NULL;
    enum rc rc = request_db(request, &db, err);
    rc = rc ? rc : limit_db_model(db, &name, err);
    for (size_t i = 0; rc == RC_OK && i < G_N_ELEMENTS(models); i++) {
        if (!strcmp(models[i].name, name)) {
            reply->json = json_pack("{s:{s:s, s:s}}", "model", "name", name, "description",
                                    models[i].description);
        }
    }
    return rc;
}

// ---- changes: answered when the services that ask here know them

static enum rc
told(const struct request *request, enum rc rc)
{
    struct db *db = NULL;
    int64_t n = 0;
    struct err unknown;
    if (rc == RC_OK && request_db(request, &db, &unknown) == RC_OK &&
        feed_db_last(db, &n, &unknown) == RC_OK) { // else they know within an interval of the feed
        feed_readers_await(identity_of(request)->readers, n);
    }
    return rc;
}

static enum rc
create_told(struct request *request, struct reply *reply, struct err *err)
{
    return told(request, resource_create(request, reply, err));
}

static enum rc
update_told(struct request *request, struct reply *reply, struct err *err)
{
    return told(request, identity_update(request, reply, err));
}

static enum rc
delete_told(struct request *request, struct reply *reply, struct err *err)
{
    return told(request, identity_delete(request, reply, err));
}

const struct route limit_routes[] = {
    {.method = "GET",
     .path = "/v3/limits/model",
     .handle = show_model,
     .policy = "identity:get_limit_model",
     .status = 200,
     .summary = "how limits are enforced"},
    HOOKED_ROUTES(registered_limit, "/v3/registered_limits", NULL, ROUTE_SLOW, create_told,
                  update_told, delete_told),
    SHOWN_ROUTES(limit, "/v3/limits", NULL, ROUTE_SLOW, create_told, show_limit, update_told,
                 delete_told),
    {0},
};
