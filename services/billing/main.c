// SPDX-License-Identifier: Apache-2.0
// haneul-billing: takes usage in exactly once, rates it, and shows what it costs.
#include "services/billing/billing.h"
#include "services/billing/ingest.h"

enum { CATCH_UP_MS = 5000 };

static const struct setting settings[] = {
    // clang-format off
    {"billing", "compute_url", SETTING_TEXT, "http://127.0.0.1:8774", 0, 0, "", "compute service, asked for missing usage"},
    {"billing", "network_url", SETTING_TEXT, "http://127.0.0.1:9696", 0, 0, "", "network service, asked for missing usage"},
    {"billing", "image_url",   SETTING_TEXT, "http://127.0.0.1:9292", 0, 0, "", "image service, asked for missing usage"},
    {0},
    // clang-format on
};

#define OWN_ACCOUNT "role:admin or role:service or project_id:%(project_id)s"
static const struct policy_rule policies[] = {
    {"billing:account:get", OWN_ACCOUNT, "see usage, cost and statements of a project"},
    {"billing:statement:create", OWN_ACCOUNT, "close a project's account up to a time"},
    {"billing:prices:list", "@", "see the price list"},
    {"billing:prices:create", "role:admin", "add a version of a price"},
    {"billing:rating:get", "@", "see the CloudKitty-compatible summary of one's own project"},
    {"billing:rating:all", "role:admin", "see that of all projects"},
    {0},
};

static const struct route *const routes[] = {billing_account_routes, price_routes, rating_routes,
                                             NULL};

static struct client *
make_client(const struct conf *conf)
{
    if (!*conf_text(conf, "identity", "user")) {
        return NULL;
    }
    return client_new(conf);
}

static enum rc
start(struct service *service, void **ret_context, struct err *err)
{
    static const char *const bindings[] = {"usage.#", NULL};
    const struct conf *conf = service_conf(service);
    struct billing *billing = g_new0(struct billing, 1);
    *billing = (struct billing){
        .service = service,
        .db = service_db(service),
        .client = make_client(conf),
        .sources = {{"compute", conf_text(conf, "billing", "compute_url")},
                    {"network", conf_text(conf, "billing", "network_url")},
                    {"image", conf_text(conf, "billing", "image_url")}},
    };
    const struct subscription usage = {
        .kind = QUEUE_SERVICE,
        .queue = "billing",
        .bindings = bindings,
        .prefetch = 128,
        .handle = ingest_message,
        .context = billing,
    };
    *ret_context = billing;
    service_every(service, "catch-up", CATCH_UP_MS, ingest_catch_up, billing);
    return bus_subscribe(service_bus(service), &usage, err);
}

static void
stop(struct service *service, void *context)
{
    struct billing *billing = context;
    if (billing) {
        client_free(billing->client);
        g_free(billing);
    }
}

static const struct service_def definition = {
    .name = "billing",
    .service_types = (const char *const[]){"rating", NULL},
    .parts = SERVICE_DB | SERVICE_BUS | SERVICE_AUTH | SERVICE_HTTP,
    .default_port = 8889,
    .settings = settings,
    .routes = routes,
    .policies = policies,
    .migrations = service_migrations,
    .start = start,
    .stop = stop,
};

int
main(int argc, char **argv)
{
    return service_main(&definition, argc, argv);
}
