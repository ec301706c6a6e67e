// SPDX-License-Identifier: Apache-2.0
// Keystone's unified limits. A project's limit also goes to the service by the feed, under its
// service's type.
#include "services/identity/catalog/catalog_db.h"
#include "services/identity/identity_resource.h"

// ---- registered limits: what the services' defaults are called

static const struct attribute registered_attributes[] = {
    {"service_id", ATTR_TEXT, ATTR_RW | ATTR_FILTER | ATTR_REQUIRED, .min = 1, .max = 64},
    {"region_id", ATTR_TEXT, ATTR_RW | ATTR_FILTER | ATTR_NULLABLE, .max = 255},
    {"resource_name", ATTR_TEXT, ATTR_RW | ATTR_FILTER | ATTR_REQUIRED, .min = 1, .max = 255},
    {"default_limit", ATTR_INT, ATTR_RW | ATTR_REQUIRED, .min = -1, .max = INT32_MAX},
    {"description", ATTR_TEXT, ATTR_RW | ATTR_BLANK | ATTR_NULLABLE, .max = 65535},
    {0},
};
static const struct resource registered_limit = {
    .singular = "registered_limit",
    .plural = "registered_limits",
    .path = "/v3/registered_limits",
    .table = "registered_limit",
    .not_found_format = "Could not find registered limit for %s.",
    .style = RESOURCE_LINKS | RESOURCE_HEX_ID | RESOURCE_BULK,
    .policy_create = "identity:create_registered_limits",
    .policy_update = "identity:update_registered_limit",
    .policy_delete = "identity:delete_registered_limit",
    .default_sort = "id",
    .attributes = registered_attributes,
};

// ---- limits of projects

static const char *
value_of(const struct resource_op *op, const char *column)
{
    json_t *value = json_object_get(op->values, column);
    return json_string_value(value ? value : json_object_get(op->old, column));
}

static enum rc
tell_service(struct resource_op *op, const int64_t *value, struct err *err)
{
    const char *project_id = value_of(op, "project_id");
    g_autofree char *type = NULL;
    if (!project_id) {
        return RC_OK;
    }
    enum rc rc = catalog_db_service_type(op->db, value_of(op, "service_id"), &type, err);
    return rc ? rc
              : feed_set_limit(op->db, project_id, type, value_of(op, "resource_name"), value, err);
}

static enum rc
before_create(struct resource_op *op, struct err *err)
{
    bool has_project = json_is_string(json_object_get(op->values, "project_id"));
    bool has_domain = json_is_string(json_object_get(op->values, "domain_id"));
    return has_project != has_domain
               ? RC_OK
               : fault(err, RC_INVALID,
                       "invalid input for field 'project_id': a limit has a project or a domain");
}

static enum rc
after_write(struct resource_op *op, struct err *err)
{
    json_t *limit = json_object_get(op->values, "resource_limit");
    int64_t value = json_integer_value(limit);
    return limit ? tell_service(op, &value, err) : RC_OK;
}

static enum rc
before_delete(struct resource_op *op, struct err *err)
{
    return tell_service(op, NULL, err);
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
    .style = RESOURCE_LINKS | RESOURCE_HEX_ID | RESOURCE_BULK,
    .visible = "r.project_id = $1 OR r.domain_id = $3",
    .policy_create = "identity:create_limits",
    .policy_update = "identity:update_limit",
    .policy_delete = "identity:delete_limit",
    .default_sort = "id",
    .attributes = limit_attributes,
    .before_create = before_create,
    .after_create = after_write,
    .after_update = after_write,
    .before_delete = before_delete,
};

static enum rc
show_model(struct request *request, struct reply *reply, struct err *err)
{
    reply->json = json_pack(
        "{s:{s:s, s:s}}", "model", "name", "flat", "description",
        "Limit enforcement and validation does not take project hierarchy into consideration.");
    return RC_OK;
}

const struct route limit_routes[] = {
    {.method = "GET",
     .path = "/v3/limits/model",
     .handle = show_model,
     .status = 200,
     .summary = "how limits are enforced"},
    IDENTITY_ROUTES(registered_limit, "/v3/registered_limits", 0),
    IDENTITY_ROUTES(limit, "/v3/limits", 0),
    {0},
};
