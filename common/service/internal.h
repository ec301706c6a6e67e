// SPDX-License-Identifier: Apache-2.0
// What the files of common/service share. Nobody else includes this.
#pragma once
#include "common/client/client.h"
#include "common/db/outbox.h"
#include "common/service/service.h"

struct service {
    const struct service_def *def;
    struct conf *conf;
    const char *config_path; // NULL: environment and defaults only
    struct db_pool *db;
    struct bus *bus;
    struct authenticator *auth;
    struct policy *policy;
    struct outbox_relay *relay;
    struct http_server *http;
    void *context;
    bool stopping; // guarded by mutex, announced by stopped
    GMutex mutex;
    GCond stopped;
    GPtrArray *threads; // GThread *, of service_every
};

struct service *service_of(const struct request *request); // the one this process runs
extern const struct setting frame_settings[];
extern const struct route health_routes[];
// {"status": "ok", "checks": {…}}; 503 when a part is down.
void health_error_body(const struct request *request, const struct err *err, struct reply *reply);
