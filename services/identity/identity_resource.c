// SPDX-License-Identifier: Apache-2.0
#include "services/identity/identity_resource.h"
#include "services/identity/tenancy/member_db.h"

enum rc
identity_update(struct request *request, struct reply *reply, struct err *err)
{
    enum rc rc = resource_update(request, reply, err);
    return rc ? rc : feed_catch_up(identity_of(request), err);
}

enum rc
identity_delete(struct request *request, struct reply *reply, struct err *err)
{
    enum rc rc = resource_delete(request, reply, err);
    return rc ? rc : feed_catch_up(identity_of(request), err);
}

enum rc
default_domain(struct resource_op *op, struct err *err)
{
    json_t *given = json_object_get(op->values, "domain_id");
    if (json_is_string(given)) {
        return member_db_exists(op->db, "domain", json_string_value(given), err);
    }
    const struct auth_context *auth = request_auth(op->request);
    const char *own = auth->domain_id[0]           ? auth->domain_id
                      : auth->project_domain_id[0] ? auth->project_domain_id
                                                   : auth->user_domain_id;
    json_object_set_new(op->values, "domain_id", json_string(own));
    return RC_OK;
}

const char *
old_text(const struct resource_op *op, const char *column)
{
    return json_string_value(json_object_get(op->old, column));
}

bool
is_being_disabled(const struct resource_op *op)
{
    return json_is_true(json_object_get(op->old, "enabled")) &&
           json_is_false(json_object_get(op->values, "enabled"));
}

enum rc
identity_strip_name(struct resource_op *op, struct err *err)
{
    const char *given = json_string_value(json_object_get(op->values, "name"));
    if (!given) {
        return RC_OK;
    }
    g_autofree char *name = g_strstrip(g_strdup(given));
    if (!name[0]) {
        return fault(err, RC_INVALID, "invalid input for field 'name': it is blank");
    }
    json_object_set_new(op->values, "name", json_string(name));
    return RC_OK;
}

enum rc
identity_keeps(struct resource_op *op, const char *column, enum rc refusal, struct err *err)
{
    json_t *given = json_object_get(op->values, column);
    if (!given) {
        return RC_OK;
    }
    if (!json_equal(given, json_object_get(op->old, column))) {
        return fault(err, refusal, "invalid input for field '%s': it cannot be changed", column);
    }
    json_object_del(op->values, column);
    return RC_OK;
}
