// SPDX-License-Identifier: Apache-2.0
// Mappings as things that administrators write.
#include "services/identity/federation/federation.h"
#include "services/identity/federation/mapping.h"
#include <string.h>

// Rules and schema version as they will be.
static enum rc
check_rules(struct resource_op *op, struct err *err)
{
    json_t *rules = json_object_get(op->values, "rules"),
           *version = json_object_get(op->values, "schema_version");
    version = version ? version : json_object_get(op->old, "schema_version");
    bool names_domains = version && !strcmp(json_string_value(version), "2.0");
    return rules ? mapping_check(rules, names_domains, err)
                 : fault(err, RC_INVALID, "invalid input for field 'rules': it is missing");
}

static enum rc
before_create(struct resource_op *op, struct err *err)
{
    enum rc rc = federation_take_id(op, err);
    const char *given = json_string_value(json_object_get(op->input, "id"));
    if (rc == RC_OK && given && strcmp(given, op->id) != 0) {
        return fault(err, RC_INVALID, "invalid input for field 'id': it is not the id of the path");
    }
    return rc ? rc : check_rules(op, err);
}

static const char *const versions[] = {"1.0", "2.0", NULL};
static const struct attribute attributes[] = {
    {"id", ATTR_TEXT, ATTR_FS | ATTR_CREATE}, // clients repeat the path's
    {"rules", ATTR_ARRAY, ATTR_RW | ATTR_REQUIRED},
    {"schema_version", ATTR_TEXT, ATTR_RW, .values = versions, .default_json = "\"1.0\""},
    {0},
};
static const struct resource mapping = {
    .singular = "mapping",
    .plural = "mappings",
    .path = FEDERATION_PATH "/mappings",
    .table = "federation_mapping",
    .not_found_format = "Could not find mapping: %s.",
    .style = RESOURCE_LINKS | RESOURCE_HEX_ID | RESOURCE_COMPARISONS,
    .policy_list = "identity:list_mappings",
    .policy_get = "identity:get_mapping",
    .policy_create = "identity:create_mapping",
    .policy_update = "identity:update_mapping",
    .policy_delete = "identity:delete_mapping",
    .default_sort = "id",
    .attributes = attributes,
    .before_create = before_create,
    .before_update = check_rules,
};

const struct route federation_mapping_routes[] = {
    FEDERATION_ROUTES(mapping, FEDERATION_PATH "/mappings", resource_create, identity_update,
                      identity_delete),
    {0},
};
