// SPDX-License-Identifier: Apache-2.0
// The desired state of the network as plain values, and what it looks like in OVN's northbound
// database. The network service fills these from its tables; nothing here talks to a database. All
// texts and arrays are borrowed.
//
// Names: logical switch `neutron-<network id>`, switch port `<port id>` (the metadata localport:
// `ovnmeta-<network id>`), localnet port `provnet-<network id>`, router `neutron-<router id>`,
// router port `lrp-<port id>`, port group `pg_<security group id with _>`, default drop group
// `neutron_pg_drop`. Every row carries external_ids haneul:owner ("port/<id>") and haneul:key
// ("port", "acl-<rule id>", …); the object's main row also haneul:revision and its neutron:…_name.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NB_DEVICE_OWNER_NETWORK "network:" // prefix of everything that is not a guest
#define NB_DEVICE_OWNER_ROUTER_INTERFACE "network:router_interface"
#define NB_DEVICE_OWNER_ROUTER_GATEWAY "network:router_gateway"
#define NB_DEVICE_OWNER_FLOATINGIP "network:floatingip"
#define NB_DEVICE_OWNER_METADATA "network:distributed"

enum nb_kind {
    NB_NETWORK,
    NB_SUBNET,
    NB_PORT,
    NB_ROUTER,
    NB_FLOATINGIP,
    NB_SECURITY_GROUP,
    N_NB_KINDS
};
const char *nb_kind_name(enum nb_kind kind); // "network", …

struct nb_network {
    const char *id;
    const char *name;
    int64_t revision;
    int mtu;
    bool external;
    const char *physical_network; // NULL or "": a tenant network (overlay only); else a localnet
                                  // port is made
    int vlan;                     // 0: untagged
};

struct nb_route {
    const char *destination; // CIDR
    const char *nexthop;
};

struct nb_subnet {
    const char *id;
    const char *name;
    const char *network_id;
    int64_t revision;
    int ip_version;
    const char *cidr;
    const char *gateway_ip; // NULL: none
    bool enable_dhcp;
    const char *const *dns_servers;
    size_t n_dns_servers;
    const struct nb_route *host_routes;
    size_t n_host_routes;
    int mtu;                      // the network's; re-apply its subnets when it changes
    const char *metadata_address; // the localport's address in this subnet; NULL: no metadata route
    const char *dns_domain;       // NULL: none
    int lease_time_s;             // 0: 43200
};

struct nb_fixed_ip {
    const char *subnet_id;
    const char *ip;
    int prefix; // of the subnet's cidr
};

struct nb_address_pair {
    const char *ip;  // address or CIDR
    const char *mac; // NULL: the port's
};

struct nb_dhcp_option { // Neutron's extra_dhcp_opts
    const char *name;
    const char *value;
    int ip_version; // 0: 4
};

struct nb_port {
    const char *id;
    const char *name;
    const char *network_id;
    int64_t revision;
    const char *mac;
    const struct nb_fixed_ip *fixed_ips;
    size_t n_fixed_ips;
    const char *const *security_groups;
    size_t n_security_groups;
    const char *device_id;
    const char
        *device_owner; // "" when unbound; decides the kind of switch port (see the names above)
    bool admin_state_up;
    bool port_security;
    const struct nb_address_pair *address_pairs;
    size_t n_address_pairs;
    bool dhcp;                // the subnet of the first IPv4 address has DHCP enabled
    const char *host;         // binding:host_id, NULL or "": none
    const char *migrating_to; // the other host while a live migration runs, else NULL
    const char *dns_name;     // NULL or "": no records; else host name
    const char *dns_domain;   // NULL or "": short name only
    const struct nb_dhcp_option *dhcp_options;
    size_t n_dhcp_options;
    const struct nb_subnet *dhcp_subnet; // with dhcp_options: the subnet whose options they change;
                                         // NULL: as it is in OVN
};

struct nb_router_interface {
    const char *port_id;
    const char *mac;
    const struct nb_fixed_ip *fixed_ips;
    size_t n_fixed_ips;
};

struct nb_router {
    const char *id;
    const char *name;
    int64_t revision;
    bool admin_state_up;
    const struct nb_router_interface *interfaces; // without the gateway
    size_t n_interfaces;
    const struct nb_router_interface *gateway; // NULL: no external gateway
    const char *const
        *gateway_ips; // the external subnets' own gateways: next hops of the default routes
    size_t n_gateway_ips;
    bool enable_snat;
    const struct nb_route *routes;
    size_t n_routes;
};

struct nb_floatingip {
    const char *id;
    int64_t revision;
    const char *floating_ip;
    const char *router_id; // NULL: not associated, nothing is in OVN
    const char *port_id;   // the internal port
    const char *fixed_ip;
};

struct nb_security_group_rule {
    const char *id;
    bool ingress;
    int ip_version;               // 4 or 6
    const char *protocol;         // NULL or "any": all; a name of Neutron's or a number
    int port_min, port_max;       // -1: none; for ICMP type and code
    const char *remote_ip_prefix; // NULL: none
    const char *remote_group_id;  // NULL: none
};

struct nb_security_group {
    const char *id;
    const char *name;
    int64_t revision;
    bool stateful;
    const struct nb_security_group_rule *rules;
    size_t n_rules;
};
