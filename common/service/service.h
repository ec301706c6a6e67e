// SPDX-License-Identifier: Apache-2.0
// The frame of every program: options (--config, --check-config, --version, --migrate, --openapi,
// --settings, --life-cycles), settings, log, database, bus, authenticator, policy, HTTP server with
// /healthcheck and /metrics, signals. main() is tables and one call.
#pragma once
#include "common/auth/auth.h"
#include "common/bus/bus.h"
#include "common/conf/conf.h"
#include "common/db/migrate.h"
#include "common/fsm/fsm.h"
#include "common/http/http.h"
#include "common/service/metrics.h"

enum service_part { // what the frame sets up
    SERVICE_DB = 1,
    SERVICE_BUS = 2,
    SERVICE_AUTH = 4,    // authenticator following identity's feed
    SERVICE_HTTP = 8,    // without it, a small listener serves only /healthcheck and /metrics
    SERVICE_OUTBOX = 16, // relay thread
};
struct service;
// One more option of the program, which does something and exits. Settings, log and database (when
// the service has one) are there, nothing else runs.
struct service_command {
    const char *name; // "rotate-keys": --rotate-keys
    const char *help;
    enum rc (*run)(struct service *service, struct err *err);
};
struct service_def {
    const char *name;   // "compute": program haneul-compute, schema, queue prefix
    const char *schema; // NULL: name
    unsigned parts;
    int default_port;
    const struct setting *settings; // the service's own; ended by group NULL; may be NULL
    const struct route *const *routes;
    const struct policy_rule *policies;
    error_body_fn error_body;
    bool drop_json_suffix;            // http_config
    const char *const *service_types; // in the catalog, NULL-terminated (http_config)
    enum rc (*admit)(struct request *request, struct err *err); // http_config; NULL: nothing more
    const char *version_service;                                // microversions, or ""
    uint16_t version_min, version_max;
    const struct migration *migrations;
    // After the parts are up, before requests are accepted. ret_context becomes request_context.
    // May start threads and subscriptions.
    enum rc (*start)(struct service *service, void **ret_context, struct err *err);
    // After the HTTP server stopped, before the parts go down. NULL: nothing.
    // Only when start gave a context.
    void (*stop)(struct service *service, void *context);
    struct authenticator *(*make_auth)(struct service *service,
                                       struct err *err); // identity's own; NULL: the feed's
    void (*on_reply)(struct request *request, struct reply *reply);
    void (*on_handled)(struct request *request); // http_config
    const struct fsm *const
        *life_cycles; // printed by --life-cycles (docs/fsm); NULL-terminated, or NULL
    bool (*healthy)(void *context, char *ret_detail,
                    size_t size);           // NULL, or one more check for /healthcheck
    const struct service_command *commands; // ended by name NULL, at most 16; NULL: none
};
int service_main(const struct service_def *def, int argc, char **argv);

const struct conf *service_conf(const struct service *service);
struct db_pool *service_db(const struct service *service);
struct bus *service_bus(const struct service *service);
struct authenticator *service_auth(const struct service *service);
struct policy *service_policy(const struct service *service);
void *service_context(const struct service *service);
bool service_is_stopping(const struct service *service);
// Sleeps until the service stops or timeout_ms passed; true when stopping. For sweepers' threads.
bool service_wait_stop(struct service *service, int timeout_ms);
// A thread that calls fn(context) every interval_ms until the service stops; joined before stop().
void service_every(struct service *service, const char *name, int interval_ms,
                   void (*fn)(void *context), void *context);
