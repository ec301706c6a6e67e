// SPDX-License-Identifier: Apache-2.0
// How every write goes: the engine's transaction, then OVN.
#include "services/network/api/neutron.h"

#include "services/network/api/work.h"

bool
neutron_is_admin(const struct request *request)
{
    const struct auth_context *auth = request_auth(request);
    return auth && (auth->is_admin || auth->is_service);
}

const char *
value_text(const struct resource_op *op, const char *column)
{
    json_t *value = json_object_get(op->values, column);
    return json_string_value(value || !op->old ? value : json_object_get(op->old, column));
}

bool
value_bool(const struct resource_op *op, const char *column)
{
    json_t *value = json_object_get(op->values, column);
    return json_is_true(value || !op->old ? value : json_object_get(op->old, column));
}

enum rc
neutron_check_zones(const struct resource_op *op, struct err *err)
{
    const struct neutron *neutron = request_context(op->request);
    json_t *hints = json_object_get(op->values, "availability_zone_hints");
    size_t i;
    json_t *hint;
    json_array_foreach(hints, i, hint)
    {
        const char *zone = json_string_value(hint);
        if (g_strcmp0(zone, neutron->zone) != 0) {
            return fault_typed(err, RC_NOT_FOUND, "AvailabilityZoneNotFound",
                               "AvailabilityZone %.100s could not be found.", zone ? zone : "");
        }
    }
    return RC_OK;
}

static enum rc
then_ovn(struct request *request, enum rc rc)
{
    struct neutron *neutron = request_context(request);
    struct db *db;
    struct err ignored;
    if (rc == RC_OK && request_db(request, &db, &ignored) == RC_OK) {
        work_apply_request(neutron->work, db, request_id(request));
    }
    return rc;
}

enum rc
neutron_create(struct request *request, struct reply *reply, struct err *err)
{
    return then_ovn(request, resource_create(request, reply, err));
}

enum rc
neutron_update(struct request *request, struct reply *reply, struct err *err)
{
    return then_ovn(request, resource_update(request, reply, err));
}

enum rc
neutron_delete(struct request *request, struct reply *reply, struct err *err)
{
    return then_ovn(request, resource_delete(request, reply, err));
}
