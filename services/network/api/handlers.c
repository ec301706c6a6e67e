// SPDX-License-Identifier: Apache-2.0
// How every write goes: the engine's transaction, then OVN.
#include "services/network/api/neutron.h"

#include "common/base/util.h"
#include "common/db/idempotency.h"
#include "services/network/api/work.h"

#include <string.h>

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

#define REPEATED \
    "Repeated" // the error's type by which a repetition gets from the hook to neutron_create

enum rc
neutron_claim(struct resource_op *op, struct err *err)
{
    const char *key = request_header(op->request, "Idempotency-Key");
    json_t *body = request_json(op->request);
    if (!key || !*key || !json_object_get(body, op->resource->singular)) {
        return RC_OK;
    }
    g_autofree char *text = json_dumps(body, JSON_COMPACT | JSON_SORT_KEYS);
    g_autofree char *whole = g_strconcat(op->resource->path, " ", text, NULL);
    g_autofree char *hash = sha256_hex(whole, strlen(whole));
    g_autofree char *existing = NULL;
    enum rc rc =
        idempotency_claim(op->db, request_project(op->request), key, hash, op->id, &existing, err);
    return existing ? fault_typed(err, RC_CONFLICT, REPEATED, "%s", existing) : rc;
}

static enum rc
reply_repeated(struct request *request, struct reply *reply, struct err *err)
{
    const struct resource *resource = request_route(request)->data;
    g_autofree char *id = g_strdup(err->message);
    g_autofree char *item = NULL;
    struct db *db;
    enum rc rc = request_db(request, &db, err);
    if (rc == RC_OK) {
        rc = resource_item(request, db, resource, id, &item, err);
    }
    if (rc == RC_OK) {
        reply->text = g_strdup_printf("{\"%s\":%s}", resource->singular, item);
    }
    return rc;
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
    enum rc rc = resource_create(request, reply, err);
    if (rc == RC_CONFLICT && strcmp(err->type, REPEATED) == 0) {
        return reply_repeated(request, reply, err);
    }
    return then_ovn(request, rc);
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
