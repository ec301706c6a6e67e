// SPDX-License-Identifier: Apache-2.0
#include "services/network/api/desired_db.h"

#define REVISION(kind_, id_)                                                         \
    "'revision', coalesce((SELECT w.revision FROM ovn_work w WHERE w.kind = '" kind_ \
    "' AND w.id = " id_ "), 1)"
#define FIXED_IPS(port_)                                                                       \
    "(SELECT coalesce(json_agg(json_build_object('subnet_id', f.subnet_id, 'ip', host(f.ip), " \
    "'prefix', masklen(s.cidr)) "                                                              \
    "ORDER BY f.position), '[]') FROM fixed_ip f JOIN subnet s ON s.id = f.subnet_id WHERE "   \
    "f.port_id = " port_ ")"
#define INTERFACE \
    "json_build_object('port_id', p.id, 'mac', p.mac_address, 'fixed_ips', " FIXED_IPS("p.id") ")"

const char *const desired_sql[N_NB_KINDS] = {
    [NB_NETWORK] =
        "SELECT json_build_object('id', n.id, 'name', n.name, 'mtu', n.mtu, 'external', "
        "n.external, "
        "'physical_network', n.physical_network, "
        "'vlan', CASE WHEN n.network_type = 'vlan' THEN n.segmentation_id ELSE 0 END, " REVISION(
            "network",
            "n.id") ") "
                    "AS o FROM network n WHERE ($1::uuid IS NULL OR n.id = $1) ORDER BY n.id",

    [NB_SUBNET] = "SELECT json_build_object('id', s.id, 'name', s.name, 'network_id', "
                  "s.network_id, 'ip_version', s.ip_version, "
                  "'cidr', s.cidr, 'gateway_ip', host(s.gateway_ip), 'enable_dhcp', s.enable_dhcp "
                  "AND n.dhcp_served, "
                  "'dns_nameservers', s.dns_nameservers, 'host_routes', s.host_routes, 'mtu', "
                  "n.mtu, 'metadata_address', "
                  "(SELECT host(f.ip) FROM fixed_ip f JOIN port p ON p.id = f.port_id WHERE "
                  "f.subnet_id = s.id "
                  "AND p.device_owner = 'network:distributed' ORDER BY f.ip LIMIT 1), " REVISION(
                      "subnet", "s.id") ") AS o "
                                        "FROM subnet s JOIN network n ON n.id = s.network_id WHERE "
                                        "($1::uuid IS NULL OR s.id = $1) ORDER BY s.id",

    [NB_PORT] =
        "SELECT json_build_object('id', p.id, 'name', p.name, 'network_id', p.network_id, 'mac', "
        "p.mac_address, "
        "'fixed_ips', " FIXED_IPS(
            "p.id") ", 'security_groups', (SELECT coalesce(json_agg(g.security_group_id "
                    "ORDER BY g.security_group_id), '[]') FROM port_security_group g WHERE "
                    "g.port_id = p.id), "
                    "'device_id', p.device_id, 'device_owner', p.device_owner, 'admin_state_up', "
                    "p.admin_state_up, "
                    "'port_security', p.port_security_enabled, 'address_pairs', "
                    "p.allowed_address_pairs, "
                    "'dhcp_options', p.extra_dhcp_opts, 'host', p.host_id, 'migrating_to', "
                    "p.profile->>'migrating_to', "
                    "'dhcp', coalesce((SELECT s.enable_dhcp AND n.dhcp_served FROM fixed_ip f "
                    "JOIN subnet s ON s.id = f.subnet_id JOIN network n ON n.id = s.network_id "
                    "WHERE f.port_id = p.id ORDER BY family(f.ip), f.position LIMIT 1), "
                    "false), " REVISION(
                        "port",
                        "p.id") ") AS o "
                                "FROM port p WHERE ($1::uuid IS NULL OR p.id = $1) ORDER BY p.id",

    [NB_ROUTER] =
        "SELECT json_build_object('id', r.id, 'name', r.name, 'admin_state_up', r.admin_state_up, "
        "'enable_snat', r.enable_snat, 'routes', r.routes, "
        "'interfaces', (SELECT coalesce(json_agg(" INTERFACE
        " ORDER BY p.id), '[]') FROM router_port x "
        "JOIN port p ON p.id = x.port_id WHERE x.router_id = r.id), "
        "'gateway', (SELECT " INTERFACE " FROM port p WHERE p.id = r.gw_port_id), "
        "'gateway_ips', (SELECT coalesce(json_agg(host(s.gateway_ip) ORDER BY f.position), '[]') "
        "FROM fixed_ip f "
        "JOIN subnet s ON s.id = f.subnet_id WHERE f.port_id = r.gw_port_id AND s.gateway_ip IS "
        "NOT NULL), " REVISION(
            "router",
            "r.id") ") AS o FROM router r WHERE ($1::uuid IS NULL OR r.id = $1) ORDER BY r.id",

    [NB_FLOATINGIP] =
        "SELECT json_build_object('id', x.id, 'floating_ip', host(x.floating_ip_address), "
        "'router_id', x.router_id, "
        "'port_id', x.port_id, 'fixed_ip', host(x.fixed_ip_address), " REVISION(
            "floatingip",
            "x.id") ") AS o "
                    "FROM floatingip x WHERE ($1::uuid IS NULL OR x.id = $1) ORDER BY x.id",

    [NB_SECURITY_GROUP] =
        "SELECT json_build_object('id', g.id, 'name', g.name, 'stateful', g.stateful, "
        "'rules', (SELECT coalesce(json_agg(json_build_object('id', r.id, 'ingress', r.direction = "
        "'ingress', "
        "'ip_version', CASE r.ethertype WHEN 'IPv6' THEN 6 ELSE 4 END, 'protocol', r.protocol, "
        "'port_min', coalesce(r.port_range_min, -1), 'port_max', coalesce(r.port_range_max, -1), "
        "'remote_ip_prefix', network(r.remote_ip_prefix), 'remote_group_id', r.remote_group_id) "
        "ORDER BY r.id), '[]') "
        "FROM security_group_rule r WHERE r.security_group_id = g.id), " REVISION(
            "security_group",
            "g.id") ") AS o "
                    "FROM security_group g WHERE ($1::uuid IS NULL OR g.id = $1) ORDER BY g.id",
};
