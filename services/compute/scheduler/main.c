// SPDX-License-Identifier: Apache-2.0
// haneul-scheduler: places servers and drives their life cycles. Speaks on the bus only.
#include "common/service/service.h"
#include "services/compute/scheduler/scheduler.h"

#define CACHE_MS 1000
#define CACHE_ENTRIES 4096
#define SWEEP_MS 1000
#define SIGN_OF_LIFE_MS 5000
#define FLOATING_SWEEP_MS 300000

// clang-format off
static const struct setting settings[] = {
    {"compute", "network_url", SETTING_TEXT, "http://127.0.0.1:9696", 0, 0, "", "Where the network API listens."},
    {"compute", "image_url", SETTING_TEXT, "http://127.0.0.1:9292", 0, 0, "", "Where the image API listens."},
    {"compute", "default_zone", SETTING_TEXT, "nova", 0, 0, "", "The availability zone that a new host belongs to."},
    {"scheduler", "threads", SETTING_INT, "4", 1, 64, "", "Servers worked on at the same time."},
    {"scheduler", "wait_for_ports", SETTING_BOOL, "true", 0, 0, "", "A server becomes ACTIVE only when the network says that its ports are up."},
    {"scheduler", "cpu_ratio_percent", SETTING_INT, "400", 1, 10000, "%", "How many vCPUs a new host may give, of what it has."},
    {"scheduler", "ram_ratio_percent", SETTING_INT, "100", 1, 1000, "%", "How much RAM a new host may give, of what it has."},
    {"scheduler", "disk_ratio_percent", SETTING_INT, "100", 1, 1000, "%", "How much disk a new host may give, of what it has."},
    {0},
};
// clang-format on
static const char *const bindings[] = {"compute.#", "network.port", NULL};
static const struct route *const no_routes[] = {NULL};

static struct scheduler *
scheduler_new(struct service *service)
{
    const struct conf *conf = service_conf(service);
    struct scheduler *scheduler = g_new0(struct scheduler, 1);
    scheduler->pool = service_db(service);
    scheduler->bus = service_bus(service);
    scheduler->client = client_new(conf);
    scheduler->cache = cache_new(CACHE_MS, CACHE_ENTRIES);
    scheduler->network_url = g_strdup(conf_text(conf, "compute", "network_url"));
    scheduler->image_url = g_strdup(conf_text(conf, "compute", "image_url"));
    scheduler->zone = g_strdup(conf_text(conf, "compute", "default_zone"));
    scheduler->waits_for_ports = conf_bool(conf, "scheduler", "wait_for_ports");
    scheduler->cpu_percent = (int)conf_int(conf, "scheduler", "cpu_ratio_percent");
    scheduler->ram_percent = (int)conf_int(conf, "scheduler", "ram_ratio_percent");
    scheduler->disk_percent = (int)conf_int(conf, "scheduler", "disk_ratio_percent");
    return scheduler;
}

static enum rc
start(struct service *service, void **ret_context, struct err *err)
{
    struct scheduler *scheduler = scheduler_new(service);
    struct subscription subscription = {
        .kind = QUEUE_SERVICE,
        .queue = "compute.scheduler",
        .bindings = bindings,
        .n_threads = (int)conf_int(service_conf(service), "scheduler", "threads"),
        .handle = on_message,
        .context = scheduler,
    };
    enum rc rc = bus_subscribe(scheduler->bus, &subscription, err);
    service_every(service, "sweep-due", SWEEP_MS, sweep_due, scheduler);
    service_every(service, "sign-of-life", SIGN_OF_LIFE_MS, sign_of_life, scheduler);
    service_every(service, "sweep-floating", FLOATING_SWEEP_MS, ports_sweep_floating, scheduler);
    *ret_context = scheduler;
    return rc;
}

static void
stop(struct service *service, void *context)
{
    struct scheduler *scheduler = context;
    if (scheduler) {
        client_free(scheduler->client);
        cache_free(scheduler->cache);
        g_free(scheduler->network_url);
        g_free(scheduler->image_url);
        g_free(scheduler->zone);
        g_free(scheduler);
    }
}

int
main(int argc, char **argv)
{
    static const struct service_def def = {
        .name = "scheduler",
        .schema = "compute",
        .parts = SERVICE_DB | SERVICE_BUS | SERVICE_OUTBOX,
        .default_port = 18774,
        .settings = settings,
        .routes = no_routes,
        .version_service = "",
        .migrations = service_migrations,
        .start = start,
        .stop = stop,
    };
    return service_main(&def, argc, argv);
}
