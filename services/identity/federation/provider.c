// SPDX-License-Identifier: Apache-2.0
// Identity providers, whose users may sign in here, and service providers, where ours may.
#include "common/base/util.h"
#include "services/identity/catalog/catalog_cache.h"
#include "services/identity/federation/federation.h"
#include "services/identity/federation/provider_db.h"
#include "services/identity/tenancy/member_db.h"
#include <string.h>

bool
federation_id_is_valid(const char *id)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "-._~@:+";
    size_t len = strlen(id);
    return len >= 1 && len <= 64 && strspn(id, allowed) == len;
}

enum rc
federation_take_id(struct resource_op *op, struct err *err)
{
    const char *id = request_param(op->request, "id");
    if (!federation_id_is_valid(id)) {
        return fault(err, RC_INVALID,
                     "invalid input for field 'id': it is not 1 to 64 letters, digits and "
                     "-._~@:+");
    }
    g_strlcpy(op->id, id, sizeof op->id);
    return RC_OK;
}

enum rc
federation_check_input(struct resource_op *op, struct err *err)
{
    json_t *enabled = json_object_get(op->input, "enabled");
    if (enabled && !json_is_boolean(enabled)) {
        return fault(err, RC_INVALID, "invalid input for field 'enabled': it is not a boolean");
    }
    return RC_OK;
}

// ---- identity providers

#define REMOTE_IDS_MAX 64

static enum rc
check_remote_ids(struct resource_op *op, struct err *err)
{
    json_t *given = json_object_get(op->values, "remote_ids");
    if (json_is_null(given)) {
        json_object_set_new(op->values, "remote_ids", json_array());
        return RC_OK;
    }
    for (size_t i = 0; i < json_array_size(given); i++) {
        const char *id = json_string_value(json_array_get(given, i));
        if (!id || !id[0] || g_utf8_strlen(id, -1) > 255) {
            return fault(err, RC_INVALID,
                         "invalid input for field 'remote_ids': each is a text of 1 to 255 "
                         "characters");
        }
        for (size_t j = 0; j < i; j++) {
            if (!strcmp(id, json_string_value(json_array_get(given, j)))) {
                return fault(err, RC_INVALID,
                             "invalid input for field 'remote_ids': '%.255s' is there twice", id);
            }
        }
    }
    return RC_OK;
}

// Without a domain it gets one of its own.
static enum rc
take_domain(struct resource_op *op, struct err *err)
{
    json_t *given = json_object_get(op->values, "domain_id");
    if (json_is_string(given)) {
        return member_db_exists(op->db, "domain", json_string_value(given), err);
    }
    char id[HEX_ID_SIZE];
    hex_id_new(id);
    json_object_set_new(op->values, "domain_id", json_string(id));
    return provider_db_make_domain(op->db, id, op->id, err);
}

static enum rc
before_provider_create(struct resource_op *op, struct err *err)
{
    enum rc rc = federation_take_id(op, err);
    rc = rc ? rc : federation_check_input(op, err);
    rc = rc ? rc : check_remote_ids(op, err);
    return rc ? rc : take_domain(op, err);
}

static enum rc
before_provider_update(struct resource_op *op, struct err *err)
{
    enum rc rc = federation_check_input(op, err);
    return rc ? rc : check_remote_ids(op, err);
}

static const struct attribute provider_attributes[] = {
    {"id", ATTR_TEXT, ATTR_FS},
    {"enabled", ATTR_BOOL, ATTR_RW | ATTR_FILTER, .default_json = "false"},
    {"description", ATTR_TEXT, ATTR_RW | ATTR_BLANK | ATTR_NULLABLE, .max = 65535},
    {"remote_ids", ATTR_ARRAY, ATTR_RW | ATTR_NULLABLE, .max = REMOTE_IDS_MAX,
     .default_json = "[]"},
    {"domain_id", ATTR_TEXT, ATTR_CREATE | ATTR_NULLABLE, .min = 1, .max = 64},
    {"authorization_ttl", ATTR_INT, ATTR_RW | ATTR_NULLABLE, .max = 52560000},
    {0},
};
static const struct resource identity_provider = {
    .singular = "identity_provider",
    .plural = "identity_providers",
    .path = FEDERATION_PATH "/identity_providers",
    .table = "identity_provider",
    .not_found_format = "Could not find Identity Provider: %s.",
    .sublink = "protocols",
    .style = RESOURCE_LINKS | RESOURCE_HEX_ID | RESOURCE_COMPARISONS,
    .policy_list = "identity:list_identity_providers",
    .policy_get = "identity:get_identity_provider",
    .policy_create = "identity:create_identity_provider",
    .policy_update = "identity:update_identity_provider",
    .policy_delete = "identity:delete_identity_provider",
    .default_sort = "id",
    .attributes = provider_attributes,
    .before_create = before_provider_create,
    .before_update = before_provider_update,
};

// ---- service providers

static enum rc
check_url(const struct resource_op *op, const char *name, struct err *err)
{
    const char *url = json_string_value(json_object_get(op->values, name));
    size_t n_scheme = url ? strspn(url, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                        "0123456789+.-")
                          : 0;
    return !url || (n_scheme && url[n_scheme] == ':' && url[n_scheme + 1])
               ? RC_OK
               : fault(err, RC_INVALID, "invalid input for field '%s': it is not a URL", name);
}

static enum rc
before_target_update(struct resource_op *op, struct err *err)
{
    enum rc rc = federation_check_input(op, err);
    rc = rc ? rc : check_url(op, "auth_url", err);
    rc = rc ? rc : check_url(op, "sp_url", err);
    if (rc == RC_OK && json_is_null(json_object_get(op->values, "relay_state_prefix"))) {
        json_object_set_new(op->values, "relay_state_prefix", json_string("ss:mem:"));
    }
    return rc;
}

static enum rc
before_target_create(struct resource_op *op, struct err *err)
{
    enum rc rc = federation_take_id(op, err);
    return rc ? rc : before_target_update(op, err);
}

static const struct attribute target_attributes[] = {
    {"id", ATTR_TEXT, ATTR_FS},
    {"enabled", ATTR_BOOL, ATTR_RW | ATTR_FILTER, .default_json = "false"},
    {"description", ATTR_TEXT, ATTR_RW | ATTR_BLANK | ATTR_NULLABLE, .max = 65535},
    {"auth_url", ATTR_TEXT, ATTR_RW | ATTR_REQUIRED, .min = 1, .max = 225},
    {"sp_url", ATTR_TEXT, ATTR_RW | ATTR_REQUIRED, .min = 1, .max = 225},
    {"relay_state_prefix", ATTR_TEXT, ATTR_RW | ATTR_BLANK | ATTR_NULLABLE, .max = 256,
     .default_json = "\"ss:mem:\""},
    {0},
};
static const struct resource service_provider = {
    .singular = "service_provider",
    .plural = "service_providers",
    .path = FEDERATION_PATH "/service_providers",
    .table = "service_provider",
    .not_found_format = "Could not find Service Provider: %s.",
    .style = RESOURCE_LINKS | RESOURCE_HEX_ID | RESOURCE_COMPARISONS,
    .policy_list = "identity:list_service_providers",
    .policy_get = "identity:get_service_provider",
    .policy_create = "identity:create_service_provider",
    .policy_update = "identity:update_service_provider",
    .policy_delete = "identity:delete_service_provider",
    .default_sort = "id",
    .attributes = target_attributes,
    .before_create = before_target_create,
    .before_update = before_target_update,
};

static enum rc
create_target(struct request *request, struct reply *reply, struct err *err)
{
    return catalog_cache_forget_after(resource_create(request, reply, err), request);
}

static enum rc
update_target(struct request *request, struct reply *reply, struct err *err)
{
    return catalog_cache_forget_after(resource_update(request, reply, err), request);
}

static enum rc
delete_target(struct request *request, struct reply *reply, struct err *err)
{
    return catalog_cache_forget_after(resource_delete(request, reply, err), request);
}

const struct route federation_provider_routes[] = {
    FEDERATION_ROUTES(identity_provider, FEDERATION_PATH "/identity_providers", resource_create,
                      identity_update, identity_delete),
    FEDERATION_ROUTES(service_provider, FEDERATION_PATH "/service_providers", create_target,
                      update_target, delete_target),
    {0},
};
