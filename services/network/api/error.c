// SPDX-License-Identifier: Apache-2.0
// Neutron's error body: {"NeutronError": {"type", "message", "detail"}}.
#include "services/network/api/neutron.h"

static const char *const default_types[N_RC] = {
    [RC_INVALID] = "HTTPBadRequest",
    [RC_UNAUTHORIZED] = "HTTPUnauthorized",
    [RC_FORBIDDEN] = "PolicyNotAuthorized",
    [RC_NOT_FOUND] = "HTTPNotFound",
    [RC_METHOD] = "HTTPMethodNotAllowed",
    [RC_NOT_ACCEPTABLE] = "HTTPNotAcceptable",
    [RC_CONFLICT] = "Conflict",
    [RC_GONE] = "HTTPGone",
    [RC_PRECONDITION] = "HTTPPreconditionFailed",
    [RC_TOO_LARGE] = "HTTPRequestEntityTooLarge",
    [RC_MEDIA_TYPE] = "HTTPUnsupportedMediaType",
    [RC_UNPROCESSABLE] = "HTTPUnprocessableEntity",
    [RC_TOO_MANY] = "HTTPTooManyRequests",
    [RC_NOT_IMPLEMENTED] = "HTTPNotImplemented",
    [RC_UNAVAILABLE] = "HTTPServiceUnavailable",
};

// Constraints that stand behind a check which a concurrent request can pass as well.
static const struct {
    const char *constraint, *type, *message;
} conflicts[] = {
    {"port_mac_address", "MacAddressInUse", "The mac address is in use on the network."},
    {"fixed_ip_address", "IpAddressAlreadyAllocated",
     "The IP address is already allocated in the subnet."},
    {"security_group_one_default", "SecurityGroupDefaultAlreadyExists",
     "Default security group already exists."},
    {"security_group_rule_once", "SecurityGroupRuleExists", "Security group rule already exists."},
    {"floatingip_once", "FloatingIPPortAlreadyAssociated",
     "Cannot associate floating IP with the port: its fixed IP already has a floating IP."},
    {"network_one_flat", "FlatNetworkInUse",
     "Unable to create the flat network. Physical network is in use."},
    {"network_one_vlan", "VlanIdInUse",
     "Unable to create the network. The VLAN on the physical network is in use."},
    {"network_one_tunnel", "TunnelIdInUse",
     "Unable to create the network. The tunnel ID is in use."},
    {"rbac_policy_once", "DuplicateRbacPolicy", "An RBAC policy already exists with those values."},
};

static void
name_error(const struct err *err, const char **ret_type, char *ret_message, size_t size)
{
    const char *type = err->type[0] ? err->type : default_types[err->rc];
    g_strlcpy(ret_message, err->message, size);
    if (err->rc == RC_QUOTA) {
        type = "OverQuota";
        g_snprintf(ret_message, size, "Quota exceeded for resources: ['%s'].", err->type);
    }
    for (size_t i = 0; err->rc == RC_CONFLICT && i < G_N_ELEMENTS(conflicts); i++) {
        if (g_str_equal(conflicts[i].constraint, err->type)) {
            type = conflicts[i].type;
            g_strlcpy(ret_message, conflicts[i].message, size);
        }
    }
    *ret_type = type ? type : "HTTPInternalServerError";
}

void
neutron_error_body(const struct request *request, const struct err *err, struct reply *reply)
{
    const char *type;
    char message[sizeof err->message + 64];
    name_error(err, &type, message, sizeof message);
    reply->status = err->rc == RC_QUOTA ? 409 : rc_http_status(err->rc);
    reply->json = json_pack("{s:{s:s, s:s, s:s}}", "NeutronError", "type", type, "message", message,
                            "detail", "");
}
