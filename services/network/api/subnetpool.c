// SPDX-License-Identifier: Apache-2.0
// Subnet pools and address scopes.
#include "services/network/api/attributes.h"
#include "services/network/api/neutron.h"
#include "services/network/api/subnetpool_db.h"

#include <string.h>

// clang-format off
static const struct attribute attributes[] = {
    ATTRIBUTE_ID,
    ATTRIBUTE_NAME,
    ATTRIBUTE_DESCRIPTION,
    {.name = "prefixes", .type = ATTR_JSON, .flags = ATTR_RW | ATTR_REQUIRED},
    {.name = "ip_version", .type = ATTR_INT, .flags = ATTR_FS},
    {.name = "min_prefixlen", .type = ATTR_INT, .flags = ATTR_RW | ATTR_FS, .min = 0, .max = 128},
    {.name = "max_prefixlen", .type = ATTR_INT, .flags = ATTR_RW | ATTR_FS, .min = 0, .max = 128},
    {.name = "default_prefixlen", .type = ATTR_INT, .flags = ATTR_RW | ATTR_FS, .min = 0, .max = 128},
    {.name = "default_quota", .type = ATTR_INT, .flags = ATTR_RW | ATTR_NULLABLE, .min = 0, .max = INT32_MAX},
    {.name = "address_scope_id", .type = ATTR_UUID, .flags = ATTR_RW | ATTR_NULLABLE | ATTR_FS},
    {.name = "shared", .type = ATTR_BOOL, .flags = ATTR_CREATE | ATTR_FS | ATTR_ADMIN_SET, .default_json = "false"},
    {.name = "is_default", .type = ATTR_BOOL, .flags = ATTR_RW | ATTR_FS | ATTR_ADMIN_SET, .default_json = "false"},
    ATTRIBUTES_TAGS,
    {0},
};
// clang-format on

// One prefix may come as a text. All must be of one IP version, which is written.
static enum rc
check_prefixes(struct resource_op *op, int *ret_version, struct err *err)
{
    json_t *prefixes = json_object_get(op->values, "prefixes");
    if (json_is_string(prefixes)) {
        value_set(op, "prefixes", json_pack("[O]", prefixes));
        prefixes = json_object_get(op->values, "prefixes");
    }
    if (!json_is_array(prefixes) || json_array_size(prefixes) == 0) {
        return fault_typed(err, RC_INVALID, "EmptySubnetPoolPrefixList",
                           "Empty subnet pool prefix list.");
    }
    int version = 0;
    size_t i;
    json_t *item;
    json_array_foreach(prefixes, i, item)
    {
        struct prefix prefix;
        char text[PREFIX_SIZE];
        const char *given = json_string_value(item);
        if (!given || !prefix_parse(given, &prefix)) {
            return fault(err, RC_INVALID,
                         "Invalid input for prefixes. Reason: '%.60s' is not a valid IP subnet.",
                         given ? given : "");
        }
        if (version && version != prefix.address.version) {
            return fault_typed(err, RC_INVALID, "PrefixVersionMismatch",
                               "Cannot mix IPv4 and IPv6 prefixes in a subnet pool.");
        }
        version = prefix.address.version;
        prefix_format(&prefix, text);
        json_array_set_new(prefixes, i, json_string(text));
    }
    *ret_version = version;
    return RC_OK;
}

static int
value_int(const struct resource_op *op, const char *column)
{
    json_t *value = json_object_get(op->values, column);
    return (int)json_integer_value(value ? value : json_object_get(op->old, column));
}

static enum rc
check_lengths(const struct resource_op *op, struct err *err)
{
    int min = value_int(op, "min_prefixlen"), max = value_int(op, "max_prefixlen"),
        normal = value_int(op, "default_prefixlen");
    if (min > max) {
        return fault_typed(err, RC_INVALID, "IllegalSubnetPoolPrefixBounds",
                           "Illegal prefix bounds: min_prefixlen=%d, max_prefixlen=%d.", min, max);
    }
    if (normal < min || normal > max) {
        return fault_typed(err, RC_INVALID, "IllegalSubnetPoolPrefixBounds",
                           "Illegal prefix bounds: default_prefixlen=%d is not from %d to %d.",
                           normal, min, max);
    }
    return RC_OK;
}

static void
default_value(struct resource_op *op, const char *column, int value)
{
    if (!json_object_get(op->values, column)) {
        value_set(op, column, json_integer(value));
    }
}

static enum rc
before_create(struct resource_op *op, struct err *err)
{
    int version = 4;
    enum rc rc = neutron_claim(op, err);
    if (rc == RC_OK) {
        rc = network_quota_check(op->db, op->project_id, "subnetpool", 1, err);
    }
    if (rc == RC_OK) {
        rc = check_prefixes(op, &version, err);
    }
    value_set(op, "ip_version", json_integer(version));
    default_value(op, "min_prefixlen", version == 4 ? 8 : 64);
    default_value(op, "max_prefixlen", version == 4 ? 32 : 128);
    default_value(op, "default_prefixlen", value_int(op, "min_prefixlen"));
    return rc == RC_OK ? check_lengths(op, err) : rc;
}

static enum rc
before_update(struct resource_op *op, struct err *err)
{
    int version = value_int(op, "ip_version"), given = version;
    enum rc rc = json_object_get(op->values, "prefixes") ? check_prefixes(op, &given, err) : RC_OK;
    if (rc == RC_OK && given != version) {
        return fault_typed(err, RC_INVALID, "PrefixVersionMismatch",
                           "Cannot mix IPv4 and IPv6 prefixes in a subnet pool.");
    }
    return rc == RC_OK ? check_lengths(op, err) : rc;
}

static enum rc
before_delete(struct resource_op *op, struct err *err)
{
    bool is_used = false;
    enum rc rc = subnetpool_db_is_used(op->db, op->id, &is_used, err);
    if (rc == RC_OK && is_used) {
        return fault_typed(err, RC_INVALID, "SubnetPoolDeleteError",
                           "Unable to delete subnet pool: Subnet pool has existing allocations.");
    }
    return rc;
}

const struct resource subnetpool_resource = {
    .singular = "subnetpool",
    .plural = "subnetpools",
    .path = "/v2.0/subnetpools",
    .table = "subnetpool",
    .not_found_type = "SubnetPoolNotFound",
    .not_found_format = "Subnet pool %s could not be found.",
    .style = NEUTRON_STYLE,
    .visible = "(r.project_id = $1 OR r.shared)",
    .writable = "r.project_id = $1",
    .default_sort = "id",
    .attributes = attributes,
    .before_create = before_create,
    .before_update = before_update,
    .before_delete = before_delete,
};

// clang-format off
static const struct attribute scope_attributes[] = {
    ATTRIBUTE_ID,
    ATTRIBUTE_NAME,
    {.name = "ip_version", .type = ATTR_INT, .flags = ATTR_CREATE | ATTR_REQUIRED | ATTR_FS, .min = 4, .max = 6},
    {.name = "shared", .type = ATTR_BOOL, .flags = ATTR_RW | ATTR_FS | ATTR_ADMIN_SET, .default_json = "false"},
    {0},
};
// clang-format on

const struct resource address_scope_resource = {
    .singular = "address_scope",
    .plural = "address_scopes",
    .path = "/v2.0/address-scopes",
    .table = "address_scope",
    .not_found_type = "AddressScopeNotFound",
    .not_found_format = "Address scope %s could not be found",
    .style = NEUTRON_STYLE & ~(unsigned)RESOURCE_REVISION,
    .visible = "(r.project_id = $1 OR r.shared)",
    .writable = "r.project_id = $1",
    .default_sort = "id",
    .attributes = scope_attributes,
};
