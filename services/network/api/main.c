// SPDX-License-Identifier: Apache-2.0
// haneul-network: Neutron v2.0 on OVN.
#include "common/client/client.h"
#include "common/service/service.h"
#include "services/network/api/agent.h"
#include "services/network/api/info.h"
#include "services/network/api/neutron.h"
#include "services/network/api/port_tombstone.h"
#include "services/network/api/quota.h"
#include "services/network/api/tag.h"
#include "services/network/api/work.h"

#include <string.h>

// clang-format off
static const struct setting settings[] = {
    {"ovn", "northbound", SETTING_TEXT, "unix:/var/run/ovn/ovnnb_db.sock", 0, 0, "", "OVN's northbound database (unix:PATH or tcp:HOST:PORT, several separated by commas)"},
    {"ovn", "southbound", SETTING_TEXT, "", 0, 0, "", "OVN's southbound database, read for its chassis; empty: beside the northbound one (nb.sock → sb.sock, port + 1)"},
    {"ovn", "gateway_chassis", SETTING_TEXT, "", 0, 0, "", "chassis that may carry routers' gateways, separated by commas; empty: those that say so, or all"},
    {"ovn", "timeout_ms", SETTING_INT, "2000", 100, 60000, "ms", "how long one change may take in OVN before it is left to the sweeper"},
    {"network", "mtu", SETTING_INT, "1500", 576, 9216, "bytes", "MTU of the physical networks that carry the tunnels"},
    {"network", "availability_zone", SETTING_TEXT, "nova", 0, 0, "", "name of the one availability zone"},
    {0},
};

static const struct policy_rule policies[] = {
    {"internal:usage", "role:service or role:admin", "read usage facts again"},
    {0},
};

static const struct route *const routes[] = {neutron_resource_routes, neutron_action_routes, quota_routes, tag_routes, agent_routes, info_routes, NULL};
// clang-format on

// "unix:/x/nb.sock" → "unix:/x/sb.sock", "unix:/x/ovnnb_db.sock" → "unix:/x/ovnsb_db.sock",
// "tcp:h:6641" → "tcp:h:6642".
static char *
southbound_beside(const char *northbound)
{
    g_auto(GStrv) remotes = g_strsplit(northbound, ",", -1);
    for (size_t i = 0; remotes[i]; i++) {
        char *at = g_strrstr(remotes[i], "nb"), *colon = strrchr(remotes[i], ':');
        g_autofree char *old = remotes[i];
        if (g_str_has_prefix(old, "unix:")) {
            remotes[i] =
                at ? g_strdup_printf("%.*ssb%s", (int)(at - old), old, at + 2) : g_strdup(old);
        } else {
            remotes[i] = g_strdup_printf("%.*s:%d", (int)(colon ? colon - old : 0), old,
                                         colon ? atoi(colon + 1) + 1 : 6642);
        }
    }
    return g_strjoinv(",", remotes);
}

static enum rc
start(struct service *service, void **ret_context, struct err *err)
{
    const struct conf *conf = service_conf(service);
    const char *northbound = conf_text(conf, "ovn", "northbound"),
               *southbound = conf_text(conf, "ovn", "southbound");
    g_autofree char *beside = southbound_beside(northbound);
    const struct work_options options = {
        .nb_remote = northbound,
        .sb_remote = southbound[0] ? southbound : beside,
        .gateway_chassis = conf_text(conf, "ovn", "gateway_chassis"),
        .timeout_ms = (int)conf_int(conf, "ovn", "timeout_ms"),
    };
    struct neutron *neutron = g_new0(struct neutron, 1);
    neutron->service = service;
    neutron->identity_url = conf_text(conf, "identity", "url");
    neutron->mtu = (int)conf_int(conf, "network", "mtu");
    neutron->zone = conf_text(conf, "network", "availability_zone");
    enum rc rc = work_start(service, &options, &neutron->work, err);
    if (rc != RC_OK) {
        g_free(neutron);
        return rc;
    }
    neutron->client = client_new(conf);
    port_tombstone_start(service);
    *ret_context = neutron;
    return RC_OK;
}

static void
stop(struct service *service, void *context)
{
    struct neutron *neutron = context;
    work_stop(neutron->work);
    client_free(neutron->client);
    g_free(neutron);
}

static const struct service_def network = {
    .name = "network",
    .drop_json_suffix = true,
    .service_types = (const char *const[]){"network", NULL},
    .parts = SERVICE_DB | SERVICE_BUS | SERVICE_AUTH | SERVICE_HTTP | SERVICE_OUTBOX,
    .default_port = 9696,
    .settings = settings,
    .routes = routes,
    .policies = policies,
    .error_body = neutron_error_body,
    .version_service = "",
    .migrations = service_migrations,
    .start = start,
    .stop = stop,
};

int
main(int argc, char **argv)
{
    return service_main(&network, argc, argv);
}
