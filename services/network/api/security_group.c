// SPDX-License-Identifier: Apache-2.0
// Security groups: each project has one named default, made when it is first needed.
#include "services/network/api/security_group.h"

#include "services/network/api/attributes.h"
#include "services/network/api/neutron.h"
#include "services/network/api/security_group_db.h"
#include "services/network/api/work.h"

#include <string.h>

// clang-format off
static const struct attribute attributes[] = {
    ATTRIBUTE_ID,
    ATTRIBUTE_NAME,
    ATTRIBUTE_DESCRIPTION,
    {.name = "stateful", .type = ATTR_BOOL, .flags = ATTR_RW | ATTR_FS, .default_json = "true"},
    {.name = "shared", .type = ATTR_BOOL, .flags = ATTR_VIRTUAL | ATTR_FILTER, .select = "EXISTS (SELECT 1 FROM rbac_policy b WHERE b.object_id = r.id AND b.target_tenant = '*')"},
    {.name = "security_group_rules", .type = ATTR_ARRAY, .flags = ATTR_VIRTUAL, .select =
        "(SELECT coalesce(json_agg(json_build_object('id', x.id, 'project_id', x.project_id, 'tenant_id', x.project_id, 'security_group_id', x.security_group_id,"
        " 'direction', x.direction, 'ethertype', x.ethertype, 'protocol', x.protocol, 'port_range_min', x.port_range_min, 'port_range_max', x.port_range_max,"
        " 'remote_group_id', x.remote_group_id, 'remote_ip_prefix', x.remote_ip_prefix::text, 'normalized_cidr', network(x.remote_ip_prefix)::text,"
        " 'remote_address_group_id', NULL, 'description', x.description, 'revision_number', x.revision_number,"
        " 'created_at', to_char(x.created_at, 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), 'updated_at', to_char(x.updated_at, 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'))"
        " ORDER BY x.created_at, x.id), '[]') FROM security_group_rule x WHERE x.security_group_id = r.id)"},
    ATTRIBUTES_TAGS,
    {0},
};
// clang-format on

static enum rc
before_create(struct resource_op *op, struct err *err)
{
    const char *name = value_text(op, "name");
    char default_id[40];
    enum rc rc = neutron_claim(op, err);
    if (rc == RC_OK) {
        rc = security_group_db_ensure_default(op->db, op->project_id, default_id, err);
    }
    if (rc == RC_OK && name && g_ascii_strcasecmp(name, "default") == 0) {
        return fault_typed(err, RC_CONFLICT, "SecurityGroupDefaultAlreadyExists",
                           "Default security group already exists.");
    }
    if (rc == RC_OK) {
        rc = network_quota_check(op->db, op->project_id, "security_group", 1, err);
    }
    return rc == RC_OK ? network_quota_check(op->db, op->project_id, "security_group_rule", 2, err)
                       : rc;
}

static enum rc
after_create(struct resource_op *op, struct err *err)
{
    return security_group_db_add_first_rules(op->db, op->id, op->project_id, false, err);
}

static bool
is_default(const struct resource_op *op)
{
    return json_is_true(json_object_get(op->old, "is_default"));
}

static enum rc
before_update(struct resource_op *op, struct err *err)
{
    const char *name = json_string_value(json_object_get(op->values, "name"));
    const char *old = json_string_value(json_object_get(op->old, "name"));
    if (is_default(op) && name && g_strcmp0(name, old) != 0) {
        return fault_typed(err, RC_CONFLICT, "SecurityGroupCannotUpdateDefault",
                           "Updating default security group not allowed.");
    }
    if (!is_default(op) && name && g_ascii_strcasecmp(name, "default") == 0) {
        return fault_typed(err, RC_CONFLICT, "SecurityGroupDefaultAlreadyExists",
                           "Default security group already exists.");
    }
    if (json_object_get(op->values, "stateful")) {
        return security_group_db_check_unused(op->db, op->id, err);
    }
    return RC_OK;
}

static enum rc
add_work(struct resource_op *op, struct err *err)
{
    return work_add(op->db, NB_SECURITY_GROUP, op->id, err);
}

// Rules of other groups that let this group's members in go with it.
static enum rc
before_delete(struct resource_op *op, struct err *err)
{
    if (is_default(op) && !neutron_is_admin(op->request)) {
        return fault_typed(err, RC_CONFLICT, "SecurityGroupCannotRemoveDefault",
                           "Insufficient rights for removing default security group.");
    }
    enum rc rc = security_group_db_check_unused(op->db, op->id, err);
    return rc == RC_OK
               ? work_add_each(op->db, NB_SECURITY_GROUP,
                               "SELECT DISTINCT security_group_id AS id FROM security_group_rule "
                               "WHERE remote_group_id = $1 ORDER BY id",
                               op->id, err)
               : rc;
}

const struct resource security_group_resource = {
    .singular = "security_group",
    .plural = "security_groups",
    .path = "/v2.0/security-groups",
    .table = "security_group",
    .not_found_type = "SecurityGroupNotFound",
    .not_found_format = "Security group %s does not exist",
    .style = NEUTRON_STYLE,
    .visible = "(r.project_id = $1 OR EXISTS (SELECT 1 FROM rbac_policy b WHERE b.object_type = "
               "'security_group' "
               "AND b.object_id = r.id AND b.target_tenant IN ($1, '*')))",
    .writable = "r.project_id = $1",
    .default_sort = "id",
    .attributes = attributes,
    .before_create = before_create,
    .after_create = after_create,
    .before_update = before_update,
    .after_update = add_work,
    .before_delete = before_delete,
    .after_delete = add_work,
};

static enum rc
ensure_default(struct db *db, void *argument, struct err *err)
{
    char id[40];
    return security_group_db_ensure_default(db, argument, id, err);
}

enum rc
security_group_list(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db;
    const char *project_id = request_project(request);
    enum rc rc = request_db(request, &db, err);
    if (rc == RC_OK && project_id[0]) {
        rc = db_tx(db, ensure_default, (void *)project_id, err);
    }
    return rc == RC_OK ? resource_list(request, reply, err) : rc;
}
