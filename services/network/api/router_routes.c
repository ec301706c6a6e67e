// SPDX-License-Identifier: Apache-2.0
#include "services/network/api/router_routes.h"

#include "services/network/api/neutron.h"
#include "services/network/api/router_db.h"
#include "services/network/api/work.h"

struct change {
    struct request *request;
    json_t *routes; // borrowed: those to add or remove
    bool removes;
    char *item; // the router afterwards
};

static json_t *
merge(json_t *old, const struct change *change)
{
    json_t *merged = json_array();
    size_t i, j;
    json_t *route, *other;
    json_array_foreach(old, i, route)
    {
        bool is_named = false;
        json_array_foreach(change->routes, j, other)
        {
            is_named = is_named || json_equal(route, other);
        }
        if (!is_named) {
            json_array_append(merged, route);
        }
    }
    json_array_foreach(change->routes, j, other)
    {
        if (!change->removes) {
            json_array_append(merged, other);
        }
    }
    return merged;
}

// The merged list is written as an update of the router, with all its checks.
static enum rc
write_routes(struct db *db, void *argument, struct err *err)
{
    struct change *change = argument;
    struct router_row router;
    const char *id = request_param(change->request, "id");
    const char *owner = neutron_is_admin(change->request) ? NULL : request_project(change->request);
    json_auto_t *old = NULL;
    g_clear_pointer(&change->item, g_free);
    enum rc rc = router_db_lock(db, id, owner, &router, err);
    if (rc == RC_OK) {
        rc = router_db_read_routes(db, id, &old, err);
    }
    if (rc != RC_OK) {
        return rc;
    }
    json_auto_t *input = json_pack("{s:o}", "routes", merge(old, change));
    struct resource_op op = {.request = change->request,
                             .db = db,
                             .resource = &router_resource,
                             .project_id = router.project_id,
                             .input = input};
    g_strlcpy(op.id, router.id, sizeof op.id);
    rc = resource_update_one(&op, err);
    json_decref(op.values);
    json_decref(op.old);
    g_free(op.scratch);
    return rc == RC_OK
               ? resource_item(change->request, db, &router_resource, id, &change->item, err)
               : rc;
}

static enum rc
run(struct request *request, bool removes, struct reply *reply, struct err *err)
{
    struct change change = {.request = request, .removes = removes};
    struct db *db;
    change.routes = json_object_get(json_object_get(request_json(request), "router"), "routes");
    if (!json_is_array(change.routes)) {
        return fault(err, RC_INVALID, "Invalid input for routes. Reason: it is not a list.");
    }
    enum rc rc = request_db(request, &db, err);
    if (rc == RC_OK) {
        rc = db_tx(db, write_routes, &change, err);
    }
    if (rc == RC_OK) {
        const struct neutron *neutron = request_context(request);
        reply->text = g_strdup_printf("{\"router\":%s}", change.item);
        work_apply_request(neutron->work, db, request_id(request));
    }
    g_free(change.item);
    return rc;
}

enum rc
router_routes_add(struct request *request, struct reply *reply, struct err *err)
{
    return run(request, false, reply, err);
}

enum rc
router_routes_remove(struct request *request, struct reply *reply, struct err *err)
{
    return run(request, true, reply, err);
}
