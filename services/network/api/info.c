// SPDX-License-Identifier: Apache-2.0
#include "services/network/api/info.h"

#include "services/network/api/info_db.h"
#include "services/network/api/neutron.h"

#include <string.h>

// clang-format off
static const struct {
    const char *alias, *name, *description, *updated;
} extensions[] = {
    {"address-scope", "Address scope", "Address scopes extension.", "2015-07-26T10:00:00-00:00"},
    {"agent", "agent", "The agent management extension.", "2013-02-03T10:00:00-00:00"},
    {"allowed-address-pairs", "Allowed Address Pairs", "Provides allowed address pairs", "2013-07-23T10:00:00-00:00"},
    {"availability_zone", "Availability Zone", "The availability zone extension.", "2015-01-01T10:00:00-00:00"},
    {"binding", "Port Binding", "Expose port bindings of a virtual port to external application", "2014-02-03T10:00:00-00:00"},
    {"default-subnetpools", "Default Subnetpools", "Provides ability to mark and use a subnetpool as the default.", "2016-02-18T18:00:00-00:00"},
    {"dhcp_agent_scheduler", "DHCP Agent Scheduler", "Schedule networks among dhcp agents", "2013-02-07T10:00:00-00:00"},
    {"dvr", "Distributed Virtual Router", "Enables configuration of Distributed Virtual Routers.", "2014-06-1T10:00:00-00:00"},
    {"ext-gw-mode", "Neutron L3 Configurable external gateway mode", "Extension of the router abstraction for specifying whether SNAT should occur on the external gateway", "2013-03-28T10:00:00-00:00"},
    {"external-net", "Neutron external network", "Adds external network attribute to network resource.", "2013-01-14T10:00:00-00:00"},
    {"extra_dhcp_opt", "Neutron Extra DHCP options", "Extra options configuration for DHCP.", "2013-03-17T12:00:00-00:00"},
    {"extraroute", "Neutron Extra Route", "Extra routes configuration for L3 router", "2013-02-01T10:00:00-00:00"},
    {"extraroute-atomic", "Atomically add/remove extra routes", "Edit extra routes of a router on server side by atomically adding/removing extra routes", "2019-07-10T00:00:00+00:00"},
    {"fip-port-details", "Floating IP Port Details Extension", "Add port_details attribute to Floating IP resource", "2018-04-09T10:00:00-00:00"},
    {"ip-substring-filtering", "IP address substring filtering", "Provides IP address substring filtering when listing ports", "2017-11-28T09:00:00-00:00"},
    {"ip_allocation", "IP Allocation", "IP allocation extension.", "2016-06-10T23:00:00-00:00"},
    {"l3_agent_scheduler", "L3 Agent Scheduler", "Schedule routers among l3 agents", "2013-02-07T10:00:00-00:00"},
    {"l3-ha", "HA Router extension", "Adds HA capability to routers.", "2014-04-26T00:00:00-00:00"},
    {"net-mtu", "Network MTU", "Provides MTU attribute for a network resource.", "2015-03-25T10:00:00-00:00"},
    {"net-mtu-writable", "Network MTU (writable)", "Provides a writable MTU attribute for a network resource.", "2017-07-12T00:00:00-00:00"},
    {"network-ip-availability", "Network IP Availability", "Provides IP availability data for each network and subnet.", "2015-09-24T00:00:00-00:00"},
    {"network_availability_zone", "Network Availability Zone", "Availability zone support for network.", "2015-01-01T10:00:00-00:00"},
    {"pagination", "Pagination support", "Extension that indicates that pagination is enabled.", "2016-06-12T00:00:00-00:00"},
    {"port-security", "Port Security", "Provides port security", "2012-07-23T10:00:00-00:00"},
    {"project-id", "project_id field enabled", "Extension that indicates that project_id field is enabled.", "2016-09-09T09:09:09-09:09"},
    {"provider", "Provider Network", "Expose mapping of virtual networks to physical networks", "2012-09-07T10:00:00-00:00"},
    {"quota_details", "Quota details management support", "Expose functions for quotas usage statistics per project", "2017-02-10T10:00:00-00:00"},
    {"quotas", "Quota management support", "Expose functions for quotas management per project", "2012-07-29T10:00:00-00:00"},
    {"rbac-policies", "RBAC Policies", "Allows creation and modification of policies that control tenant access to resources.", "2015-06-17T12:15:12-00:00"},
    {"rbac-security-groups", "Add security_group type to network RBAC", "Add security_group type to network RBAC.", "2019-12-04T21:00:00-00:00"},
    {"revision-if-match", "If-Match constraints based on revision_number", "A change or deletion with If-Match: revision_number=N happens only to that revision.", "2016-12-11T00:00:00-00:00"},
    {"router", "Neutron L3 Router", "Router abstraction for basic L3 forwarding between L2 Neutron networks and access to external networks via a NAT gateway.", "2012-07-20T10:00:00-00:00"},
    {"router_availability_zone", "Router Availability Zone", "Availability zone support for router.", "2015-01-01T10:00:00-00:00"},
    {"security-group", "security-group", "The security groups extension.", "2012-10-05T10:00:00-00:00"},
    {"security-groups-normalized-cidr", "Normalized CIDR field for security group rules", "Add new field with normalized remote_ip_prefix cidr in SG rule", "2021-01-14T10:00:00-00:00"},
    {"security-groups-remote-address-group", "Remote address group id field for security group rules", "Add new field of remote address group id in SG rules", "2020-08-25T10:00:00-00:00"},
    {"security-groups-shared-filtering", "Security group filtering on the shared field", "Support filtering security groups on the shared field", "2021-10-05T09:00:00-00:00"},
    {"service-type", "Neutron Service Type Management", "API for retrieving service providers for Neutron advanced services", "2013-01-20T00:00:00-00:00"},
    {"sorting", "Sorting support", "Extension that indicates that sorting is enabled.", "2016-06-12T00:00:00-00:00"},
    {"standard-attr-description", "standard-attr-description", "Extension to add descriptions to standard attributes", "2016-02-10T10:00:00-00:00"},
    {"standard-attr-revisions", "Resource revision numbers", "This extension will display the revision number of neutron resources.", "2016-04-11T10:00:00-00:00"},
    {"standard-attr-tag", "Tag support for resources with standard attribute: network, subnet, port, router, floatingip, security_group, subnetpool", "Enables to set tag on resources with standard attribute.", "2017-01-01T00:00:00-00:00"},
    {"standard-attr-timestamp", "Resource timestamps", "Adds created_at and updated_at fields to all Neutron resources that have Neutron standard attributes.", "2016-09-12T10:00:00-00:00"},
    {"stateful-security-group", "Stateful security group", "Indicates if the security group is stateful or not", "2019-11-26T09:00:00-00:00"},
    {"subnet-service-types", "Subnet service types", "Provides ability to set the subnet service_types field", "2016-03-15T18:00:00-00:00"},
    {"subnet_allocation", "Subnet Allocation", "Enables allocation of subnets from a subnet pool", "2015-03-30T10:00:00-00:00"},
};

// What can be created below /v2.0, for the version document.
static const struct {
    const char *name, *collection;
} collections[] = {
    {"subnet", "subnets"}, {"subnetpool", "subnetpools"}, {"network", "networks"}, {"port", "ports"}, {"router", "routers"},
    {"floatingip", "floatingips"}, {"security_group", "security-groups"}, {"security_group_rule", "security-group-rules"},
    {"address_scope", "address-scopes"}, {"rbac_policy", "rbac-policies"}, {"quota", "quotas"}, {"extension", "extensions"},
};
// clang-format on

static json_t *
extension_object(size_t i)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:[]}", "alias", extensions[i].alias, "name",
                     extensions[i].name, "description", extensions[i].description, "updated",
                     extensions[i].updated, "links");
}

static enum rc
extension_list(struct request *request, struct reply *reply, struct err *err)
{
    json_t *list = json_array();
    for (size_t i = 0; i < G_N_ELEMENTS(extensions); i++) {
        json_array_append_new(list, extension_object(i));
    }
    reply->json = json_pack("{s:o}", "extensions", list);
    return RC_OK;
}

static enum rc
extension_show(struct request *request, struct reply *reply, struct err *err)
{
    const char *alias = request_param(request, "alias");
    for (size_t i = 0; i < G_N_ELEMENTS(extensions); i++) {
        if (strcmp(extensions[i].alias, alias) == 0) {
            reply->json = json_pack("{s:o}", "extension", extension_object(i));
            return RC_OK;
        }
    }
    return fault(err, RC_NOT_FOUND, "Extension with alias %.100s does not exist", alias);
}

static enum rc
version_list(struct request *request, struct reply *reply, struct err *err)
{
    g_autofree char *href = g_strconcat(request_base_url(request), "/v2.0/", NULL);
    reply->json = json_pack("{s:[{s:s, s:s, s:[{s:s, s:s}]}]}", "versions", "id", "v2.0", "status",
                            "CURRENT", "links", "rel", "self", "href", href);
    return RC_OK;
}

static enum rc
version_show(struct request *request, struct reply *reply, struct err *err)
{
    json_t *list = json_array();
    for (size_t i = 0; i < G_N_ELEMENTS(collections); i++) {
        g_autofree char *href =
            g_strconcat(request_base_url(request), "/v2.0/", collections[i].collection, NULL);
        json_array_append_new(
            list, json_pack("{s:s, s:s, s:[{s:s, s:s}]}", "name", collections[i].name, "collection",
                            collections[i].collection, "links", "rel", "self", "href", href));
    }
    reply->json = json_pack("{s:o}", "resources", list);
    return RC_OK;
}

static enum rc
zone_list(struct request *request, struct reply *reply, struct err *err)
{
    const struct neutron *neutron = request_context(request);
    reply->json = json_pack("{s:[{s:s, s:s, s:s}, {s:s, s:s, s:s}]}", "availability_zones", "name",
                            neutron->zone, "resource", "network", "state", "available", "name",
                            neutron->zone, "resource", "router", "state", "available");
    return RC_OK;
}

static enum rc
provider_list(struct request *request, struct reply *reply, struct err *err)
{
    reply->json = json_pack("{s:[{s:s, s:s, s:b}]}", "service_providers", "service_type",
                            "L3_ROUTER_NAT", "name", "ovn", "default", true);
    return RC_OK;
}

static enum rc
reply_availability(struct request *request, const char *id, bool is_list, struct reply *reply,
                   struct err *err)
{
    struct db *db;
    json_auto_t *list = NULL;
    enum rc rc =
        neutron_is_admin(request)
            ? request_db(request, &db, err)
            : fault(err, RC_FORBIDDEN, "rule:get_network_ip_availability is disallowed by policy");
    if (rc == RC_OK) {
        rc = info_db_ip_availability(db, id, request_query(request, "network_name"), &list, err);
    }
    if (rc == RC_OK && !is_list && json_array_size(list) == 0) {
        return fault_typed(err, RC_NOT_FOUND, "NetworkNotFound",
                           "Network %.100s could not be found.", id);
    }
    if (rc == RC_OK) {
        reply->json = is_list
                          ? json_pack("{s:O}", "network_ip_availabilities", list)
                          : json_pack("{s:O}", "network_ip_availability", json_array_get(list, 0));
    }
    return rc;
}

static enum rc
availability_list(struct request *request, struct reply *reply, struct err *err)
{
    return reply_availability(request, request_query(request, "network_id"), true, reply, err);
}

static enum rc
availability_show(struct request *request, struct reply *reply, struct err *err)
{
    return reply_availability(request, request_param(request, "id"), false, reply, err);
}

// clang-format off
const struct route info_routes[] = {
    {.method = "GET", .path = "/", .handle = version_list, .flags = ROUTE_PUBLIC, .status = 200, .summary = "list API versions"},
    {.method = "GET", .path = "/v2.0", .handle = version_show, .flags = ROUTE_PUBLIC, .status = 200, .summary = "show API v2.0"},
    {.method = "GET", .path = "/v2.0/extensions", .handle = extension_list, .status = 200, .summary = "list extensions"},
    {.method = "GET", .path = "/v2.0/extensions/{alias}", .handle = extension_show, .status = 200, .summary = "show an extension"},
    {.method = "GET", .path = "/v2.0/availability_zones", .handle = zone_list, .status = 200, .summary = "list availability zones"},
    {.method = "GET", .path = "/v2.0/service-providers", .handle = provider_list, .status = 200, .summary = "list service providers"},
    {.method = "GET", .path = "/v2.0/network-ip-availabilities", .handle = availability_list, .status = 200, .summary = "list how full networks are"},
    {.method = "GET", .path = "/v2.0/network-ip-availabilities/{id}", .handle = availability_show, .status = 200, .summary = "show how full a network is"},
    {0},
};
// clang-format on
