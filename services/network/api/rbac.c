// SPDX-License-Identifier: Apache-2.0
// RBAC policies: who else may see or use a network or a security group.
#include "services/network/api/attributes.h"
#include "services/network/api/network_db.h"
#include "services/network/api/neutron.h"
#include "services/network/api/security_group_db.h"

static const char *const object_types[] = {"network", "security_group", NULL};
static const char *const actions[] = {"access_as_shared", "access_as_external", NULL};

// clang-format off
static const struct attribute attributes[] = {
    ATTRIBUTE_ID,
    {.name = "object_type", .type = ATTR_TEXT, .flags = ATTR_CREATE | ATTR_REQUIRED | ATTR_FS, .values = object_types},
    {.name = "object_id", .type = ATTR_UUID, .flags = ATTR_CREATE | ATTR_REQUIRED | ATTR_FS},
    {.name = "action", .type = ATTR_TEXT, .flags = ATTR_CREATE | ATTR_REQUIRED | ATTR_FS, .values = actions},
    {.name = "target_tenant", .type = ATTR_TEXT, .flags = ATTR_RW | ATTR_REQUIRED | ATTR_FS, .min = 1, .max = 64},
    {0},
};
// clang-format on

// Only the owner of the object may share it, and only administrators with everybody.
static enum rc
before_create(struct resource_op *op, struct err *err)
{
    bool is_admin = neutron_is_admin(op->request);
    const char *owner = is_admin ? NULL : request_project(op->request),
               *id = value_text(op, "object_id");
    enum rc rc = neutron_claim(op, err);
    if (rc == RC_OK) {
        rc = network_quota_check(op->db, op->project_id, "rbac_policy", 1, err);
    }
    if (rc == RC_OK && !is_admin && g_str_equal(value_text(op, "target_tenant"), "*")) {
        return fault(err, RC_FORBIDDEN,
                     "rule:create_rbac_policy:target_tenant is disallowed by policy");
    }
    if (rc == RC_OK && g_str_equal(value_text(op, "object_type"), "security_group")) {
        return security_group_db_lock(op->db, id, owner, err);
    }
    struct network_row network;
    if (rc == RC_OK) {
        rc = network_db_lock(op->db, id, false, owner, &network, err);
    }
    if (rc == RC_OK && owner && !g_str_equal(network.project_id, owner)) {
        return fault_typed(err, RC_NOT_FOUND, "NetworkNotFound", "Network %s could not be found.",
                           id);
    }
    return rc;
}

static enum rc
before_update(struct resource_op *op, struct err *err)
{
    const char *target = json_string_value(json_object_get(op->values, "target_tenant"));
    return target && g_str_equal(target, "*") && !neutron_is_admin(op->request)
               ? fault(err, RC_FORBIDDEN,
                       "rule:update_rbac_policy:target_tenant is disallowed by policy")
               : RC_OK;
}

const struct resource rbac_policy_resource = {
    .singular = "rbac_policy",
    .plural = "rbac_policies",
    .path = "/v2.0/rbac-policies",
    .table = "rbac_policy",
    .not_found_type = "RbacPolicyNotFound",
    .not_found_format = "RBAC policy %s could not be found",
    .style = NEUTRON_STYLE & ~(unsigned)RESOURCE_REVISION,
    .visible = "r.project_id = $1",
    .default_sort = "id",
    .attributes = attributes,
    .before_create = before_create,
    .before_update = before_update,
};
