// SPDX-License-Identifier: Apache-2.0
// Security group rules: normalised, then compared with what the group has.
#include "services/network/api/attributes.h"
#include "services/network/api/neutron.h"
#include "services/network/api/rule_plan.h"
#include "services/network/api/security_group_db.h"

static const char *const directions[] = {"ingress", "egress", NULL};

// clang-format off
static const struct attribute attributes[] = {
    ATTRIBUTE_ID,
    {.name = "security_group_id", .type = ATTR_TEXT, .flags = ATTR_CREATE | ATTR_REQUIRED | ATTR_FS, .filter = "r.security_group_id::text = ANY(%s)"},
    {.name = "direction", .type = ATTR_TEXT, .flags = ATTR_CREATE | ATTR_REQUIRED | ATTR_FS, .values = directions},
    {.name = "ethertype", .type = ATTR_TEXT, .flags = ATTR_CREATE | ATTR_FS, .default_json = "\"IPv4\"", .max = 40},
    {.name = "protocol", .type = ATTR_JSON, .flags = ATTR_CREATE | ATTR_NULLABLE | ATTR_FS, .filter = "r.protocol = ANY(%s)"},
    {.name = "port_range_min", .type = ATTR_INT, .flags = ATTR_CREATE | ATTR_NULLABLE | ATTR_FS},
    {.name = "port_range_max", .type = ATTR_INT, .flags = ATTR_CREATE | ATTR_NULLABLE | ATTR_FS},
    {.name = "remote_group_id", .type = ATTR_TEXT, .flags = ATTR_CREATE | ATTR_NULLABLE | ATTR_FS, .filter = "r.remote_group_id::text = ANY(%s)"},
    {.name = "remote_ip_prefix", .type = ATTR_TEXT, .flags = ATTR_CREATE | ATTR_NULLABLE | ATTR_FS, .max = 64,
     .select = "(CASE WHEN family(r.remote_ip_prefix) = 4 AND masklen(r.remote_ip_prefix) = 32 OR masklen(r.remote_ip_prefix) = 128 THEN host(r.remote_ip_prefix) || '/' || masklen(r.remote_ip_prefix) ELSE r.remote_ip_prefix::text END)"},
    {.name = "normalized_cidr", .type = ATTR_TEXT, .flags = ATTR_VIRTUAL, .select = "network(r.remote_ip_prefix)::text"},
    {.name = "remote_address_group_id", .type = ATTR_UUID, .flags = ATTR_CREATE | ATTR_NULLABLE | ATTR_VIRTUAL, .select = "NULL::uuid"},
    {.name = "description", .type = ATTR_TEXT, .flags = ATTR_RW | ATTR_FS | ATTR_BLANK | ATTR_NULLABLE, .max = 255, .default_json = "\"\""},
    {0},
};
// clang-format on

static enum rc
check_groups(struct resource_op *op, struct err *err)
{
    const char *owner = neutron_is_admin(op->request) ? NULL : op->project_id;
    enum rc rc = security_group_db_lock(op->db, value_text(op, "security_group_id"), owner, err);
    const char *remote = value_text(op, "remote_group_id");
    return rc == RC_OK && remote ? security_group_db_lock(op->db, remote, owner, err) : rc;
}

static enum rc
before_create(struct resource_op *op, struct err *err)
{
    char existing[40];
    if (json_is_null(json_object_get(op->values, "description"))) {
        value_set(op, "description", json_string(""));
    }
    enum rc rc = neutron_claim(op, err);
    if (rc == RC_OK) {
        rc = rule_plan_normalise(op->values, err);
    }
    if (rc == RC_OK) {
        rc = check_groups(op, err);
    }
    if (rc == RC_OK) {
        rc = network_quota_check(op->db, op->project_id, "security_group_rule", 1, err);
    }
    if (rc == RC_OK) {
        rc = security_group_db_find_rule(op->db, op->values, existing, err);
    }
    if (rc == RC_OK && existing[0]) {
        return fault_typed(err, RC_CONFLICT, "SecurityGroupRuleExists",
                           "Security group rule already exists. Rule id is %s.", existing);
    }
    return rc;
}

static enum rc
touch_group(struct resource_op *op, struct err *err)
{
    return security_group_db_touch(op->db, value_text(op, "security_group_id"), err);
}

const struct resource security_group_rule_resource = {
    .singular = "security_group_rule",
    .plural = "security_group_rules",
    .path = "/v2.0/security-group-rules",
    .table = "security_group_rule",
    .not_found_type = "SecurityGroupRuleNotFound",
    .not_found_format = "Security group rule %s does not exist",
    .style = NEUTRON_STYLE,
    .visible = "(r.project_id = $1 OR EXISTS (SELECT 1 FROM security_group g WHERE g.id = "
               "r.security_group_id AND g.project_id = $1))",
    .default_sort = "id",
    .attributes = attributes,
    .before_create = before_create,
    .after_create = touch_group,
    .after_delete = touch_group,
};
