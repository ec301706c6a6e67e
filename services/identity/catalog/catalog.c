// SPDX-License-Identifier: Apache-2.0
// Regions, services and endpoints: what the catalog in a token is made of.
#include "services/identity/catalog/catalog_cache.h"
#include "services/identity/catalog/catalog_db.h"
#include "services/identity/identity_resource.h"
#include "services/identity/tenancy/member_db.h"
#include <string.h>

// ---- regions: the client may choose the id

// null is no description, here alone.
static enum rc
before_region_update(struct resource_op *op, struct err *err)
{
    if (json_is_null(json_object_get(op->values, "description"))) {
        json_object_set_new(op->values, "description", json_string(""));
    }
    const char *parent_id = json_string_value(json_object_get(op->values, "parent_region_id"));
    enum rc rc = parent_id ? member_db_exists(op->db, "region", parent_id, err) : RC_OK;
    return rc || !parent_id || !op->old ? rc
                                        : catalog_db_check_parent(op->db, op->id, parent_id, err);
}

static enum rc
before_region_create(struct resource_op *op, struct err *err)
{
    enum rc rc = before_region_update(op, err);
    if (rc) {
        return rc;
    }
    json_t *id = json_object_get(op->input, "id");
    if (!id || json_is_null(id) || (json_is_string(id) && !json_string_length(id))) {
        return RC_OK;
    }
    if (!json_is_string(id) || json_string_length(id) >= sizeof op->id ||
        strchr(json_string_value(id), '/')) {
        return fault(
            err, RC_INVALID,
            "invalid input for field 'id': a region's id has at most %zu bytes and no slash",
            sizeof op->id - 1);
    }
    g_strlcpy(op->id, json_string_value(id), sizeof op->id);
    return RC_OK;
}

static const struct attribute region_attributes[] = {
    {"description", ATTR_TEXT, ATTR_RW | ATTR_BLANK | ATTR_NULLABLE, .max = 65535,
     .default_json = "\"\""},
    {"parent_region_id", ATTR_TEXT, ATTR_RW | ATTR_FILTER | ATTR_NULLABLE, .max = 255},
    {0},
};
static const struct resource region = {
    .singular = "region",
    .plural = "regions",
    .path = "/v3/regions",
    .table = "region",
    .not_found_format = "Could not find region: %s.",
    .style = KEYSTONE_STYLE,
    .policy_list = "identity:list_regions",
    .policy_get = "identity:get_region",
    .policy_create = "identity:create_region",
    .policy_update = "identity:update_region",
    .policy_delete = "identity:delete_region",
    .default_sort = "id",
    .attributes = region_attributes,
    .before_create = before_region_create,
    .before_update = before_region_update,
};

// ---- services

static const struct attribute service_attributes[] = {
    {"type", ATTR_TEXT, ATTR_RW | ATTR_FS | ATTR_REQUIRED, .min = 1, .max = 255},
    {"name", ATTR_TEXT, ATTR_RW | ATTR_FS | ATTR_BLANK, .max = 255, .default_json = "\"\""},
    {"enabled", ATTR_BOOL, ATTR_RW | ATTR_FILTER, .default_json = "true"},
    {"description", ATTR_TEXT, ATTR_RW | ATTR_BLANK | ATTR_NULLABLE, .max = 65535},
    {0},
};
static const struct resource service = {
    .singular = "service",
    .plural = "services",
    .path = "/v3/services",
    .table = "service",
    .not_found_format = "Could not find service: %s.",
    .style = KEYSTONE_STYLE,
    .policy_list = "identity:list_services",
    .policy_get = "identity:get_service",
    .policy_create = "identity:create_service",
    .policy_update = "identity:update_service",
    .policy_delete = "identity:delete_service",
    .default_sort = "type",
    .attributes = service_attributes,
};

// ---- endpoints: `region` is region_id's old name; a region that is named for the first time is
// made

static enum rc
before_endpoint_write(struct resource_op *op, struct err *err)
{
    json_t *enabled = json_object_get(op->input, "enabled"),
           *old_name = json_object_get(op->input, "region");
    if (enabled && !json_is_boolean(enabled)) {
        return fault(err, RC_INVALID, "invalid input for field 'enabled': it is not a boolean");
    }
    if (json_is_string(old_name) && !json_is_string(json_object_get(op->values, "region_id"))) {
        json_object_set(op->values, "region_id", old_name);
        return catalog_db_make_region(op->db, json_string_value(old_name), err);
    }
    return RC_OK;
}

static const char *const interfaces[] = {"public", "internal", "admin", NULL};
// As in Keystone, an interface that there is not is a mistake and no empty list.
static enum rc
check_endpoint_query(const struct request *request, struct err *err)
{
    const char *interface = request_query(request, "interface");
    return !interface || g_strv_contains(interfaces, interface)
               ? RC_OK
               : fault(err, RC_INVALID,
                       "invalid input for query parameter 'interface': it is not public, internal "
                       "or admin");
}

static const struct attribute endpoint_attributes[] = {
    {"service_id", ATTR_TEXT, ATTR_RW | ATTR_FILTER | ATTR_REQUIRED, .min = 1, .max = 64},
    {"region_id", ATTR_TEXT, ATTR_RW | ATTR_FILTER | ATTR_NULLABLE, .max = 255},
    {"region", ATTR_TEXT, ATTR_RW | ATTR_VIRTUAL | ATTR_NULLABLE, .select = "r.region_id",
     .max = 255},
    {"interface", ATTR_TEXT, ATTR_RW | ATTR_FILTER | ATTR_REQUIRED, .values = interfaces,
     .max = 16},
    {"url", ATTR_TEXT, ATTR_RW | ATTR_REQUIRED, .min = 1, .max = 2048},
    {"enabled", ATTR_BOOL, ATTR_RW | ATTR_FILTER, .default_json = "true"},
    {0},
};
static const struct resource endpoint = {
    .singular = "endpoint",
    .plural = "endpoints",
    .path = "/v3/endpoints",
    .table = "endpoint",
    .not_found_format = "Could not find endpoint: %s.",
    .style = KEYSTONE_STYLE,
    .policy_list = "identity:list_endpoints",
    .policy_get = "identity:get_endpoint",
    .policy_create = "identity:create_endpoint",
    .policy_update = "identity:update_endpoint",
    .policy_delete = "identity:delete_endpoint",
    .default_sort = "id",
    .attributes = endpoint_attributes,
    .before_list = check_endpoint_query,
    .before_create = before_endpoint_write,
    .before_update = before_endpoint_write,
};

// ---- documents that policy engines elsewhere read

static const struct attribute policy_attributes[] = {
    {"type", ATTR_TEXT, ATTR_RW | ATTR_FILTER | ATTR_REQUIRED, .min = 1, .max = 255},
    {"blob", ATTR_TEXT, ATTR_RW | ATTR_REQUIRED | ATTR_BLANK, .max = 262144},
    {0},
};
static const struct resource policy = {
    .singular = "policy",
    .plural = "policies",
    .path = "/v3/policies",
    .table = "policy_document",
    .not_found_format = "Could not find policy: %s.",
    .style = KEYSTONE_STYLE,
    .policy_list = "identity:list_policies",
    .policy_get = "identity:get_policy",
    .policy_create = "identity:create_policy",
    .policy_update = "identity:update_policy",
    .policy_delete = "identity:delete_policy",
    .default_sort = "id",
    .attributes = policy_attributes,
};

static enum rc
catalog_create(struct request *request, struct reply *reply, struct err *err)
{
    return catalog_cache_forget_after(resource_create(request, reply, err), request);
}

static enum rc
catalog_update(struct request *request, struct reply *reply, struct err *err)
{
    return catalog_cache_forget_after(resource_update(request, reply, err), request);
}

static enum rc
catalog_delete(struct request *request, struct reply *reply, struct err *err)
{
    return catalog_cache_forget_after(resource_delete(request, reply, err), request);
}

// PUT /v3/regions/{id}: creates a region with that id.
static enum rc
put_region(struct request *request, struct reply *reply, struct err *err)
{
    json_t *given = json_object_get(request_json(request), "region");
    if (!json_is_object(given)) {
        return fault(err, RC_INVALID, "invalid input for field 'region': it is not an object");
    }
    json_t *id = json_object_get(given, "id");
    const char *wanted = request_param(request, "id");
    if (id && (!json_is_string(id) || strcmp(json_string_value(id), wanted))) {
        return fault(err, RC_INVALID, "invalid input for field 'id': it is not the path's");
    }
    json_object_set_new(given, "id", json_string(wanted));
    return catalog_create(request, reply, err);
}

#define CATALOG_ROUTES(resource_, path_) \
    HOOKED_ROUTES(resource_, path_, NULL, 0, catalog_create, catalog_update, catalog_delete)
const struct route catalog_routes[] = {
    CATALOG_ROUTES(region, "/v3/regions"),
    {.method = "PUT",
     .path = "/v3/regions/{id}",
     .handle = put_region,
     .status = 201,
     .data = &region,
     .summary = "create a region by id"},
    CATALOG_ROUTES(service, "/v3/services"),
    CATALOG_ROUTES(endpoint, "/v3/endpoints"),
    IDENTITY_ROUTES(policy, "/v3/policies", NULL, 0),
    {0},
};
