// SPDX-License-Identifier: Apache-2.0
// haneul-compute: Nova's API v2.1.
#include "common/bus/bus.h"
#include "common/http/usage_routes.h"
#include "common/service/service.h"
#include "services/compute/api/api.h"
#include "services/compute/core/life.h"
#include "services/compute/proxy/proxy.h"

#define CACHE_MS 1000
#define CACHE_ENTRIES 1024

#define ADMIN "role:admin or role:service"
#define OWNER "role:admin or role:service or project_id:%(project_id)s"
// clang-format off
static const struct policy_rule policies[] = {
    {"admin_api", ADMIN, "The operator and other services."},
    {"os_compute_api:servers:create", "role:admin or role:service or role:member", "Launch servers."},
    {"os_compute_api:servers:create:forced_host", "rule:admin_api", "Launch a server on a host of one's choice."},
    {"os_compute_api:servers:detail:get_all_tenants", "rule:admin_api", "List servers of all projects."},
    {"os_compute_api:os-flavor-manage:create", "rule:admin_api", "Create flavors."},
    {"os_compute_api:os-flavor-manage:update", "rule:admin_api", "Describe flavors."},
    {"os_compute_api:os-flavor-manage:delete", "rule:admin_api", "Delete flavors."},
    {"os_compute_api:os-flavor-extra-specs:create", "rule:admin_api", "Set extra specs."},
    {"os_compute_api:os-flavor-extra-specs:update", "rule:admin_api", "Change extra specs."},
    {"os_compute_api:os-flavor-extra-specs:delete", "rule:admin_api", "Delete extra specs."},
    {"os_compute_api:os-flavor-access", "rule:admin_api", "See who may use a private flavor."},
    {"os_compute_api:os-flavor-access:add_tenant_access", "rule:admin_api", "Let projects use a private flavor."},
    {"os_compute_api:os-admin-actions:reset_state", "rule:admin_api", "Set a server's state by hand."},
    {"os_compute_api:os-disk-layers", "rule:admin_api", "See what a server's disk is made of."},
    {"os_compute_api:os-quota-sets:show", OWNER, "See a project's quota."},
    {"os_compute_api:os-quota-sets:update", "rule:admin_api", "Set a project's quota."},
    {"os_compute_api:os-quota-sets:delete", "rule:admin_api", "Set a project's quota back to the default."},
    {"os_compute_api:os-simple-tenant-usage:list", "rule:admin_api", "See every project's usage."},
    {"os_compute_api:os-simple-tenant-usage:show", OWNER, "See a project's usage."},
    {"os_compute_api:os-instance-usage-audit-log:list", "rule:admin_api", "See what ran on each host last month."},
    {"os_compute_api:os-instance-usage-audit-log:show", "rule:admin_api", "See what ran on each host in an earlier month."},
    {"os_compute_api:os-quota-class-sets:show", "rule:admin_api", "See the default quota."},
    {"os_compute_api:os-quota-class-sets:update", "rule:admin_api", "Set the default quota."},
    {"os_compute_api:limits:other_project", "rule:admin_api", "See another project's limits."},
    {"os_compute_api:os-hypervisors", "rule:admin_api", "See hypervisors."},
    {"os_compute_api:os-aggregates", "rule:admin_api", "See and change host aggregates."},
    {"os_compute_api:os-services:list", "rule:admin_api", "See services."},
    {"os_compute_api:os-services:update", "rule:admin_api", "Enable and disable hosts."},
    {"os_compute_api:os-services:delete", "rule:admin_api", "Forget hosts."},
    {"os_compute_api:os-availability-zone:detail", "rule:admin_api", "See the hosts of zones."},
    {0},
};
static const struct setting settings[] = {
    {"compute", "network_url", SETTING_TEXT, "http://127.0.0.1:9696", 0, 0, "", "Where the network API listens."},
    {"compute", "image_url", SETTING_TEXT, "http://127.0.0.1:9292", 0, 0, "", "Where the image API listens."},
    {"compute", "build_deadline_s", SETTING_INT, "300", 10, 86400, "s", "A server that is not ACTIVE by then becomes ERROR and gives everything back."},
    {"compute", "default_zone", SETTING_TEXT, "nova", 0, 0, "", "The availability zone shown while no host has reported."},
    {0},
};
// clang-format on
static const struct route *const routes[] = {
    version_routes,
    flavor_routes,
    flavor_extra_routes,
    keypair_routes,
    server_routes,
    server_item_routes,
    instance_action_routes,
    interface_routes,
    host_routes,
    quota_routes,
    group_routes,
    usage_routes,
    aggregate_routes,
    tenant_usage_routes,
    usage_audit_routes,
    layer_routes,
    proxy_security_group_routes,
    proxy_floating_ip_routes,
    proxy_network_routes,
    proxy_image_routes,
    NULL,
};

static enum rc
start(struct service *service, void **ret_context, struct err *err)
{
    const struct conf *conf = service_conf(service);
    struct compute *compute = g_new0(struct compute, 1);
    compute->client = client_new(conf);
    compute->bus = service_bus(service);
    compute->cache = cache_new(CACHE_MS, CACHE_ENTRIES);
    compute->identity_url = g_strdup(conf_text(conf, "identity", "url"));
    compute->network_url = g_strdup(conf_text(conf, "compute", "network_url"));
    compute->image_url = g_strdup(conf_text(conf, "compute", "image_url"));
    compute->default_zone = g_strdup(conf_text(conf, "compute", "default_zone"));
    compute->build_deadline_s = (int)conf_int(conf, "compute", "build_deadline_s");
    *ret_context = compute;
    return RC_OK;
}

static void
stop(struct service *service, void *context)
{
    struct compute *compute = context;
    client_free(compute->client);
    cache_free(compute->cache);
    g_free(compute->identity_url);
    g_free(compute->network_url);
    g_free(compute->image_url);
    g_free(compute->default_zone);
    g_free(compute);
}

static const struct fsm *const life_cycles[] = {&life_fsm, NULL};

int
main(int argc, char **argv)
{
    static const char *const service_types[] = {"compute", NULL};
    static const struct service_def def = {
        .name = "compute",
        .service_types = service_types,
        .parts = SERVICE_DB | SERVICE_BUS | SERVICE_AUTH | SERVICE_HTTP | SERVICE_OUTBOX,
        .default_port = 8774,
        .settings = settings,
        .routes = routes,
        .policies = policies,
        .error_body = nova_error_body,
        .version_service = "compute",
        .version_min = VERSION_MIN,
        .version_max = VERSION_MAX,
        .migrations = service_migrations,
        .start = start,
        .stop = stop,
        .on_reply = nova_on_reply,
        .life_cycles = life_cycles,
    };
    return service_main(&def, argc, argv);
}
