// SPDX-License-Identifier: Apache-2.0
// Ports as logical switch ports of the kind their device owner asks for. Pure.
#include "services/network/ovn/nb_address.h"
#include "services/network/ovn/nb_dhcp.h"
#include "services/network/ovn/nb_plan.h"
#include <string.h>

enum port_kind { PORT_GUEST, PORT_ROUTER, PORT_GATEWAY, PORT_METADATA, PORT_NONE };

static const struct {
    const char *device_owner;
    enum port_kind kind;
} port_kinds[] = {
    {NB_DEVICE_OWNER_ROUTER_INTERFACE, PORT_ROUTER},
    {NB_DEVICE_OWNER_ROUTER_GATEWAY, PORT_GATEWAY},
    {NB_DEVICE_OWNER_METADATA, PORT_METADATA},
    {NB_DEVICE_OWNER_FLOATINGIP, PORT_NONE},
};

static enum port_kind
port_kind(const struct nb_port *port)
{
    for (size_t i = 0; i < N_ELEMENTS(port_kinds); i++) {
        if (!g_strcmp0(port->device_owner, port_kinds[i].device_owner)) {
            return port_kinds[i].kind;
        }
    }
    return PORT_GUEST;
}

char *
nb_switch_port_name(const struct nb_port *port)
{
    return port_kind(port) == PORT_METADATA ? g_strdup_printf("ovnmeta-%s", port->network_id)
                                            : g_strdup(port->id);
}

static enum rc
check_addresses(const struct nb_port *port, struct err *err)
{
    enum rc rc = nb_check_mac(port->mac, err);
    for (size_t i = 0; rc == RC_OK && i < port->n_fixed_ips; i++) {
        rc = nb_check_ip("fixed IP", port->fixed_ips[i].ip, 0, err);
    }
    return rc;
}

// "mac ip ip", the form of `addresses` and `port_security`.
static GString *
mac_and_ips(const struct nb_port *port)
{
    GString *text = g_string_new(port->mac);
    for (size_t i = 0; i < port->n_fixed_ips; i++) {
        g_string_append_printf(text, " %s", port->fixed_ips[i].ip);
    }
    return text;
}

// Pairs with the port's MAC lengthen its own entry; each other MAC is an entry of its own.
static enum rc
add_port_security(struct nb_row *row, const struct nb_port *port, struct err *err)
{
    g_autoptr(GString) text = mac_and_ips(port);
    for (size_t i = 0; i < port->n_address_pairs; i++) {
        const struct nb_address_pair *pair = &port->address_pairs[i];
        char cidr[NB_ADDRESS_SIZE];
        bool is_all;
        int version = strchr(pair->ip, ':') ? 6 : 4;
        enum rc rc = nb_cidr("allowed address", pair->ip, version, cidr, &is_all, err);
        rc = rc == RC_OK && pair->mac ? nb_check_mac(pair->mac, err) : rc;
        if (rc != RC_OK) {
            return rc;
        }
        if (!pair->mac || !g_ascii_strcasecmp(pair->mac, port->mac)) {
            g_string_append_printf(text, " %s", cidr);
            continue;
        }
        g_autofree char *other = g_strdup_printf("%s %s", pair->mac, cidr);
        nb_row_item(row, "port_security", other);
        nb_row_item(row, "addresses", pair->mac);
    }
    nb_row_item(row, "port_security", text->str);
    return RC_OK;
}

static void
add_groups(struct nb_row *row, const struct nb_port *port)
{
    nb_row_link(row, NB_DROP_OWNER, "group");
    for (size_t i = 0; i < port->n_security_groups; i++) {
        g_autofree char *owner = nb_owner(NB_SECURITY_GROUP, port->security_groups[i]);
        nb_row_link(row, owner, "group");
    }
}

static const struct nb_fixed_ip *
first_ip4(const struct nb_port *port)
{
    for (size_t i = 0; i < port->n_fixed_ips; i++) {
        if (nb_address_version(port->fixed_ips[i].ip) == 4) {
            return &port->fixed_ips[i];
        }
    }
    return NULL;
}

static enum rc
add_dhcp(struct nb_object *object, struct nb_row *row, const struct nb_port *port, struct err *err)
{
    const struct nb_fixed_ip *ip = first_ip4(port);
    if (!port->dhcp || !ip) {
        return RC_OK;
    }
    if (!port->n_dhcp_options || !port->dhcp_subnet) {
        row->dhcpv4_options.owner = nb_owner(NB_SUBNET, ip->subnet_id);
        row->dhcpv4_options.key = g_strdup("dhcp4");
        return RC_OK;
    }
    row->dhcpv4_options.owner = g_strdup(object->owner);
    row->dhcpv4_options.key = g_strdup("dhcp4");
    struct nb_row *options = nb_row_add(object, NB_DHCP_OPTIONS, "dhcp4");
    enum rc rc = nb_dhcp_fill(options, port->dhcp_subnet, err);
    return rc == RC_OK ? nb_dhcp_override(options, port, err) : rc;
}

static void
add_dns_record(struct nb_row *row, const struct nb_port *port, const char *name)
{
    g_autoptr(GString) ips = g_string_new(NULL);
    for (size_t i = 0; i < port->n_fixed_ips; i++) {
        g_string_append_printf(ips, "%s%s", i ? " " : "", port->fixed_ips[i].ip);
    }
    g_autofree char *lower = g_ascii_strdown(name, -1);
    nb_row_map(row, "records", lower, ips->str);
}

static void
add_dns(struct nb_object *object, const struct nb_port *port)
{
    if (!port->dns_name || !*port->dns_name || !port->n_fixed_ips) {
        return;
    }
    g_autofree char *network = nb_owner(NB_NETWORK, port->network_id);
    struct nb_row *row = nb_row_add(object, NB_DNS, "dns");
    nb_row_link(row, network, "switch");
    add_dns_record(row, port, port->dns_name);
    if (port->dns_domain && *port->dns_domain) {
        size_t len = strlen(port->dns_domain);
        int n = (int)(port->dns_domain[len - 1] == '.' ? len - 1 : len);
        g_autofree char *full = g_strdup_printf("%s.%.*s", port->dns_name, n, port->dns_domain);
        add_dns_record(row, port, full);
    }
}

static void
add_host(struct nb_row *row, const struct nb_port *port)
{
    if (!port->host || !*port->host) {
        return;
    }
    if (!port->migrating_to || !*port->migrating_to) {
        nb_row_map(row, "options", "requested-chassis", port->host);
        return;
    }
    g_autofree char *both = g_strdup_printf("%s,%s", port->host, port->migrating_to);
    nb_row_map(row, "options", "requested-chassis", both);
    nb_row_map(row, "options", "activation-strategy", "rarp");
}

static enum rc
fill_guest(struct nb_object *object, struct nb_row *row, const struct nb_port *port,
           struct err *err)
{
    bool is_trusted =
        g_str_has_prefix(port->device_owner ? port->device_owner : "", NB_DEVICE_OWNER_NETWORK);
    g_autoptr(GString) addresses = mac_and_ips(port);
    nb_row_item(row, "addresses", addresses->str);
    add_host(row, port);
    enum rc rc = RC_OK;
    if (port->port_security && !is_trusted) {
        rc = add_port_security(row, port, err);
        add_groups(row, port);
    } else {
        nb_row_item(row, "addresses", "unknown");
    }
    add_dns(object, port);
    return rc == RC_OK ? add_dhcp(object, row, port, err) : rc;
}

static void
fill_router(struct nb_row *row, const struct nb_port *port, enum port_kind kind)
{
    g_autofree char *peer = g_strdup_printf("lrp-%s", port->id);
    nb_row_item(row, "addresses", "router");
    nb_row_map(row, "options", "router-port", peer);
    if (kind == PORT_GATEWAY) {
        nb_row_map(row, "options", "nat-addresses", "router");
        nb_row_map(row, "options", "exclude-lb-vips-from-garp", "true");
    }
}

// northd copies these to the southbound Port_Binding, where a host's agent finds the addresses of
// its metadata port.
static void
add_external_ids(struct nb_row *row, const struct nb_port *port)
{
    g_autoptr(GString) cidrs = g_string_new(NULL);
    for (size_t i = 0; i < port->n_fixed_ips; i++) {
        g_string_append_printf(cidrs, "%s%s/%d", i ? " " : "", port->fixed_ips[i].ip,
                               port->fixed_ips[i].prefix);
    }
    g_autofree char *network = g_strdup_printf("neutron-%s", port->network_id);
    nb_row_map(row, "external_ids", "neutron:port_name", port->name);
    nb_row_map(row, "external_ids", "neutron:network_name", network);
    nb_row_map(row, "external_ids", "neutron:device_id", port->device_id);
    nb_row_map(row, "external_ids", "neutron:device_owner", port->device_owner);
    nb_row_map(row, "external_ids", "neutron:cidrs", cidrs->str);
}

static struct nb_row *
add_switch_port(struct nb_object *object, const struct nb_port *port)
{
    g_autofree char *network = nb_owner(NB_NETWORK, port->network_id);
    g_autofree char *name = nb_switch_port_name(port);
    struct nb_row *row = nb_row_add(object, NB_LOGICAL_SWITCH_PORT, "port");
    nb_row_link(row, network, "switch");
    nb_row_text(row, "name", name);
    nb_row_text(row, "enabled", port->admin_state_up ? "true" : "false");
    nb_row_empty(row, "options");
    nb_row_empty(row, "addresses");
    nb_row_empty(row, "port_security");
    nb_row_empty(row, "dhcpv4_options");
    add_external_ids(row, port);
    return row;
}

enum rc
nb_plan_port(const struct nb_port *port, struct nb_object **ret_object, struct err *err)
{
    static const char *const types[] = {[PORT_GUEST] = "",
                                        [PORT_ROUTER] = "router",
                                        [PORT_GATEWAY] = "router",
                                        [PORT_METADATA] = "localport"};
    enum port_kind kind = port_kind(port);
    g_autofree char *owner = nb_owner(NB_PORT, port->id);
    g_autoptr(nb_object) object = nb_object_new(owner, port->revision);
    enum rc rc = kind == PORT_NONE ? RC_OK : check_addresses(port, err);
    if (rc == RC_OK && kind != PORT_NONE) {
        struct nb_row *row = add_switch_port(object, port);
        nb_row_text(row, "type", types[kind]);
        if (kind == PORT_GUEST) {
            rc = fill_guest(object, row, port, err);
        } else if (kind == PORT_METADATA) {
            g_autoptr(GString) addresses = mac_and_ips(port);
            nb_row_item(row, "addresses", addresses->str);
        } else {
            fill_router(row, port, kind);
        }
    }
    if (rc == RC_OK) {
        *ret_object = g_steal_pointer(&object);
    }
    return rc;
}
