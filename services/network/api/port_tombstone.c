// SPDX-License-Identifier: Apache-2.0
#include "services/network/api/port_tombstone.h"

#include "common/log/log.h"
#include "common/service/service.h"
#include "services/network/api/neutron.h"
#include "services/network/api/port_tombstone_db.h"
#include "services/network/api/work.h"

enum {
    SWEEP_INTERVAL_MS = 60000,
    MAX_ROUNDS = 100, // of one sweep
    BATCH = 1000,     // of port_tombstone_db_sweep
};

struct deletion {
    struct request *request;
    struct err missing; // rc RC_NOT_FOUND: there was no such port
};

static enum rc
delete_for_good(struct db *db, void *argument, struct err *err)
{
    struct deletion *deletion = argument;
    struct request *request = deletion->request;
    struct resource_op op = {.request = request,
                             .db = db,
                             .resource = &port_resource,
                             .project_id = request_project(request)};
    g_strlcpy(op.id, request_param(request, "id"), sizeof op.id);
    deletion->missing = (struct err){0};
    enum rc rc = port_tombstone_db_add(db, op.id, err);
    if (rc == RC_OK && (rc = resource_delete_one(&op, err)) == RC_NOT_FOUND) {
        deletion->missing = *err; // the tombstone is kept
        rc = RC_OK;
    }
    json_decref(op.old);
    return rc;
}

enum rc
port_delete(struct request *request, struct reply *reply, struct err *err)
{
    const struct auth_context *auth = request_auth(request);
    struct deletion deletion = {.request = request};
    struct db *db;
    if (!auth || !auth->is_service) {
        return neutron_delete(request, reply, err);
    }
    enum rc rc = request_db(request, &db, err);
    if (rc == RC_OK) {
        rc = db_tx(db, delete_for_good, &deletion, err);
    }
    if (rc == RC_OK && deletion.missing.rc) {
        *err = deletion.missing;
        return err->rc;
    }
    if (rc == RC_OK) {
        const struct neutron *neutron = request_context(request);
        work_apply_request(neutron->work, db, request_id(request));
    }
    return rc;
}

static void
sweep(void *context)
{
    struct db *db;
    struct err err = {0};
    int64_t n = BATCH;
    enum rc rc = db_get(service_db(context), &db, &err);
    for (int i = 0; rc == RC_OK && n == BATCH && i < MAX_ROUNDS; i++) {
        rc = port_tombstone_db_sweep(db, &n, &err);
    }
    if (rc != RC_OK) {
        log_debug("tombstones of ports not swept", kv("reason", err.message));
    }
}

void
port_tombstone_start(struct service *service)
{
    service_every(service, "tombstones", SWEEP_INTERVAL_MS, sweep, service);
}
