// SPDX-License-Identifier: Apache-2.0
// Routes of the resources and of what is done with routers.
#include "services/network/api/neutron.h"
#include "services/network/api/port.h"
#include "services/network/api/port_tombstone.h"
#include "services/network/api/router_interface.h"
#include "services/network/api/router_routes.h"
#include "services/network/api/security_group.h"
#include "services/network/api/usage.h"

const struct route neutron_resource_routes[] = {
    NEUTRON_ROUTES(network_resource, "/v2.0/networks"),
    NEUTRON_ROUTES(subnet_resource, "/v2.0/subnets"),
    NEUTRON_ROUTES_WITH(port_resource, "/v2.0/ports", resource_list, port_create, port_delete),
    NEUTRON_ROUTES(router_resource, "/v2.0/routers"),
    NEUTRON_ROUTES(floatingip_resource, "/v2.0/floatingips"),
    NEUTRON_ROUTES_WITH(security_group_resource, "/v2.0/security-groups", security_group_list,
                        neutron_create, neutron_delete),
    NEUTRON_ROUTES(security_group_rule_resource, "/v2.0/security-group-rules"),
    NEUTRON_ROUTES(subnetpool_resource, "/v2.0/subnetpools"),
    NEUTRON_ROUTES(address_scope_resource, "/v2.0/address-scopes"),
    NEUTRON_ROUTES(rbac_policy_resource, "/v2.0/rbac-policies"),
    {0},
};

// clang-format off
const struct route neutron_action_routes[] = {
    {.method = "PUT", .path = "/v2.0/routers/{id}/add_router_interface", .handle = router_interface_add, .status = 200, .summary = "add an interface to a router"},
    {.method = "PUT", .path = "/v2.0/routers/{id}/remove_router_interface", .handle = router_interface_remove, .status = 200, .summary = "remove an interface from a router"},
    {.method = "PUT", .path = "/v2.0/routers/{id}/add_extraroutes", .handle = router_routes_add, .status = 200, .summary = "add routes to a router"},
    {.method = "PUT", .path = "/v2.0/routers/{id}/remove_extraroutes", .handle = router_routes_remove, .status = 200, .summary = "remove routes from a router"},
    {.method = "GET", .path = "/internal/v1/usage", .handle = usage_page, .policy = "internal:usage", .status = 200, .summary = "usage facts again, for billing"},
    {0},
};
// clang-format on
