// SPDX-License-Identifier: Apache-2.0
// /os-networks and /os-tenant-networks: what the project may see of networks, read only.
#include <string.h>

#include "common/base/util.h"
#include "services/compute/proxy/proxy.h"

static json_t *
tenant_view(json_t *network)
{
    return json_pack("{s:s,s:s,s:n}", "id", proxy_text(network, "id"), "label",
                     proxy_text(network, "name"), "cidr");
}

// What nova-network told of its networks; of Neutron's these say nothing.
static const char *const unknown[] = {
    "bridge",
    "vpn_public_port",
    "dhcp_start",
    "bridge_interface",
    "share_address",
    "updated_at",
    "cidr_v6",
    "deleted_at",
    "gateway",
    "rxtx_base",
    "priority",
    "project_id",
    "vpn_private_address",
    "deleted",
    "vlan",
    "broadcast",
    "netmask",
    "injected",
    "vpn_public_address",
    "multi_host",
    "enable_dhcp",
    "dns1",
    "dns2",
    "created_at",
    "host",
    "gateway_v6",
    "netmask_v6",
    "mtu",
    "dhcp_server",
};

static json_t *
full_view(json_t *network)
{
    json_t *view = tenant_view(network);
    for (size_t i = 0; i < N_ELEMENTS(unknown); i++) {
        json_object_set_new(view, unknown[i], json_null());
    }
    return view;
}

typedef json_t *(*view_fn)(json_t *network);
static view_fn
view_of(const struct request *request)
{
    return request_route(request)->data ? full_view : tenant_view;
}

static enum rc
networks_list(struct request *request, struct reply *reply, struct err *err)
{
    json_auto_t *found = NULL;
    enum rc rc = proxy_network_get(request, "/v2.0/networks", &found, err);
    if (rc != RC_OK) {
        return rc;
    }
    json_t *network, *list = json_array();
    size_t i;
    json_array_foreach(json_object_get(found, "networks"), i, network)
    {
        json_array_append_new(list, view_of(request)(network));
    }
    reply->json = json_pack("{s:o}", "networks", list);
    return RC_OK;
}

static enum rc
network_show(struct request *request, struct reply *reply, struct err *err)
{
    const char *id = request_param(request, "network_id");
    json_auto_t *found = NULL;
    g_autofree char *path = g_strconcat("/v2.0/networks/", id, NULL);
    enum rc rc = uuid_is_valid(id) ? proxy_network_get(request, path, &found, err) : RC_NOT_FOUND;
    if (rc == RC_NOT_FOUND) {
        return fault(err, rc, "Network not found");
    }
    if (rc == RC_OK) {
        reply->json =
            json_pack("{s:o}", "network", view_of(request)(json_object_get(found, "network")));
    }
    return rc;
}

#define OLD .flags = ROUTE_SLOW, .max_version = PROXY_MAX_VERSION
// clang-format off
const struct route proxy_network_routes[] = {
    {.method = "GET", .path = "/v2.1/os-networks", .handle = networks_list, OLD, .data = unknown, .status = 200, .summary = "list networks, as the network service has them"},
    {.method = "GET", .path = "/v2.1/os-networks/{network_id}", .handle = network_show, OLD, .data = unknown, .status = 200, .summary = "show a network"},
    {.method = "GET", .path = "/v2.1/os-tenant-networks", .handle = networks_list, OLD, .status = 200, .summary = "list networks, as the network service has them"},
    {.method = "GET", .path = "/v2.1/os-tenant-networks/{network_id}", .handle = network_show, OLD, .status = 200, .summary = "show a network"},
    {0},
};
// clang-format on
