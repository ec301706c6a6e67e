// SPDX-License-Identifier: Apache-2.0
// What desired objects look like in the northbound database.
#include "services/network/ovn/nb_address.h"
#include "services/network/ovn/nb_plan.h"
#include <check.h>
#include <string.h>

#define NET "10000000-0000-4000-8000-000000000001"
#define PORT "40000000-0000-4000-8000-000000000001"

static const struct nb_row *
find_row(const struct nb_object *object, enum nb_table table, guint nth)
{
    for (guint i = 0; i < object->rows->len; i++) {
        const struct nb_row *row = object->rows->pdata[i];
        if (row->table == table && !nth--) {
            return row;
        }
    }
    return NULL;
}

static const struct ovsdb_value *
value(const struct nb_row *row, const char *column)
{
    return &row->values[ovsdb_column_index(&nb_schema.tables[row->table], column)];
}

static bool
has_item(const struct nb_row *row, const char *column, const char *item)
{
    const struct ovsdb_value *set = value(row, column);
    return set->items && g_hash_table_contains(set->items, item);
}

static bool
has_link(const struct nb_row *row, const char *owner)
{
    for (guint i = 0; i < row->links->len; i++) {
        if (!strcmp(((const struct nb_ref *)row->links->pdata[i])->owner, owner)) {
            return true;
        }
    }
    return false;
}

// --- security groups ---

// clang-format off
static const struct {
    struct nb_security_group_rule rule;
    const char *match; // NULL: refused
} matches[] = {
    {{"r", true,  4, NULL, -1, -1}, "outport == @pg_g_1 && ip4"},
    {{"r", false, 6, NULL, -1, -1}, "inport == @pg_g_1 && ip6"},
    {{"r", true,  4, "any", -1, -1}, "outport == @pg_g_1 && ip4"},
    {{"r", true,  4, "tcp", 22, 22}, "outport == @pg_g_1 && ip4 && tcp && tcp.dst == 22"},
    {{"r", true,  4, "6", 22, 22}, "outport == @pg_g_1 && ip4 && tcp && tcp.dst == 22"},
    {{"r", true,  4, "UDP", 1, 65535}, "outport == @pg_g_1 && ip4 && udp && udp.dst >= 1 && udp.dst <= 65535"},
    {{"r", true,  4, "sctp", -1, -1}, "outport == @pg_g_1 && ip4 && sctp"},
    {{"r", true,  4, "icmp", -1, -1}, "outport == @pg_g_1 && ip4 && icmp4"},
    {{"r", true,  4, "icmp", 8, 0}, "outport == @pg_g_1 && ip4 && icmp4 && icmp4.type == 8 && icmp4.code == 0"},
    {{"r", true,  4, "icmp", 8, -1}, "outport == @pg_g_1 && ip4 && icmp4 && icmp4.type == 8"},
    {{"r", true,  6, "ipv6-icmp", 135, -1}, "outport == @pg_g_1 && ip6 && icmp6 && icmp6.type == 135"},
    {{"r", true,  6, "icmp", -1, -1}, "outport == @pg_g_1 && ip6 && icmp6"},
    {{"r", true,  4, "vrrp", -1, -1}, "outport == @pg_g_1 && ip4 && ip.proto == 112"},
    {{"r", true,  4, "47", -1, -1}, "outport == @pg_g_1 && ip4 && ip.proto == 47"},
    {{"r", true,  4, "200", -1, -1}, "outport == @pg_g_1 && ip4 && ip.proto == 200"},
    {{"r", true,  4, "tcp", 80, 80, "10.1.2.3/8"}, "outport == @pg_g_1 && ip4 && ip4.src == 10.0.0.0/8 && tcp && tcp.dst == 80"},
    {{"r", false, 4, NULL, -1, -1, "192.0.2.7"}, "inport == @pg_g_1 && ip4 && ip4.dst == 192.0.2.7"},
    {{"r", true,  4, NULL, -1, -1, "0.0.0.0/0"}, "outport == @pg_g_1 && ip4"},
    {{"r", true,  6, NULL, -1, -1, "::/0"}, "outport == @pg_g_1 && ip6"},
    {{"r", true,  4, NULL, -1, -1, NULL, "h-2"}, "outport == @pg_g_1 && ip4 && ip4.src == $pg_h_2_ip4"},
    {{"r", false, 6, NULL, -1, -1, NULL, "h-2"}, "inport == @pg_g_1 && ip6 && ip6.dst == $pg_h_2_ip6"},
    {{"r", true,  4, "tcp || 1", -1, -1}, NULL},
    {{"r", true,  4, "256", -1, -1}, NULL},
    {{"r", true,  4, NULL, -1, -1, "::/0"}, NULL},
    {{"r", true,  4, NULL, -1, -1, "1.2.3.4 || 1"}, NULL},
    {{"r", true,  4, NULL, -1, -1, "1.2.3.4/33"}, NULL},
    {{"r", true,  5, NULL, -1, -1}, NULL},
};
// clang-format on

START_TEST(rule_becomes_a_match)
{
    const struct nb_security_group group = {"g-1", "g", 1, true, &matches[_i].rule, 1};
    g_autoptr(nb_object) object = NULL;
    struct err err;
    enum rc rc = nb_plan_security_group(&group, &object, &err);
    if (!matches[_i].match) {
        ck_assert_int_eq(rc, RC_INVALID);
        ck_assert_ptr_null(object);
        return;
    }
    ck_assert_int_eq(rc, RC_OK);
    const struct nb_row *acl = find_row(object, NB_ACL, 0);
    ck_assert_str_eq(value(acl, "match")->text, matches[_i].match);
    ck_assert_str_eq(value(acl, "action")->text, "allow-related");
    ck_assert_str_eq(value(acl, "direction")->text,
                     matches[_i].rule.ingress ? "to-lport" : "from-lport");
    ck_assert_str_eq(value(acl, "priority")->text, "1002");
}
END_TEST

START_TEST(stateless_group_tracks_nothing)
{
    const struct nb_security_group group = {"g-1", "g", 1, false, &matches[0].rule, 1};
    g_autoptr(nb_object) object = NULL;
    ck_assert_int_eq(nb_plan_security_group(&group, &object, NULL), RC_OK);
    ck_assert_str_eq(value(find_row(object, NB_ACL, 0), "action")->text, "allow-stateless");
}
END_TEST

// --- ports ---

static const struct nb_fixed_ip ips[] = {{"s", "10.0.0.5", 24}, {"s6", "2001:db8::5", 64}};
static const char *const groups[] = {"g-1"};

static struct nb_port
guest_port(void)
{
    return (struct nb_port){.id = PORT,
                            .name = "name",
                            .network_id = NET,
                            .revision = 7,
                            .mac = "fa:16:3e:00:00:05",
                            .fixed_ips = ips,
                            .n_fixed_ips = 2,
                            .security_groups = groups,
                            .n_security_groups = 1,
                            .device_owner = "compute:nova",
                            .admin_state_up = true,
                            .port_security = true,
                            .dhcp = true};
}

static struct nb_object *
plan_port(const struct nb_port *port)
{
    struct nb_object *object = NULL;
    ck_assert_int_eq(nb_plan_port(port, &object, NULL), RC_OK);
    return object;
}

START_TEST(guest_port_is_guarded)
{
    struct nb_port port = guest_port();
    g_autoptr(nb_object) object = plan_port(&port);
    const struct nb_row *row = find_row(object, NB_LOGICAL_SWITCH_PORT, 0);
    ck_assert_str_eq(value(row, "name")->text, PORT);
    ck_assert(has_item(row, "addresses", "fa:16:3e:00:00:05 10.0.0.5 2001:db8::5"));
    ck_assert(has_item(row, "port_security", "fa:16:3e:00:00:05 10.0.0.5 2001:db8::5"));
    ck_assert(has_link(row, "network/" NET));
    ck_assert(has_link(row, NB_DROP_OWNER));
    ck_assert(has_link(row, "security_group/g-1"));
    ck_assert_str_eq(row->dhcpv4_options.owner, "subnet/s");
    ck_assert_str_eq(ovsdb_value_map_get(value(row, "external_ids"), NB_REVISION_KEY), "7");
    ck_assert_str_eq(ovsdb_value_map_get(value(row, "external_ids"), "neutron:cidrs"),
                     "10.0.0.5/24 2001:db8::5/64");
}
END_TEST

START_TEST(port_without_security_is_open)
{
    struct nb_port port = guest_port();
    port.port_security = false;
    port.admin_state_up = false;
    g_autoptr(nb_object) object = plan_port(&port);
    const struct nb_row *row = find_row(object, NB_LOGICAL_SWITCH_PORT, 0);
    ck_assert(has_item(row, "addresses", "unknown"));
    ck_assert_ptr_null(value(row, "port_security")->items);
    ck_assert(!has_link(row, NB_DROP_OWNER));
    ck_assert_str_eq(value(row, "enabled")->text, "false");
}
END_TEST

START_TEST(address_pairs_widen_port_security)
{
    const struct nb_address_pair pairs[] = {{"10.0.0.99", NULL},
                                            {"10.9.1.1/16", "FA:16:3E:00:00:05"},
                                            {"10.0.0.98", "fa:16:3e:00:00:99"}};
    struct nb_port port = guest_port();
    port.n_fixed_ips = 1;
    port.address_pairs = pairs;
    port.n_address_pairs = 3;
    g_autoptr(nb_object) object = plan_port(&port);
    const struct nb_row *row = find_row(object, NB_LOGICAL_SWITCH_PORT, 0);
    ck_assert(has_item(row, "port_security", "fa:16:3e:00:00:05 10.0.0.5 10.0.0.99 10.9.0.0/16"));
    ck_assert(has_item(row, "port_security", "fa:16:3e:00:00:99 10.0.0.98"));
    ck_assert(has_item(row, "addresses", "fa:16:3e:00:00:99"));
}
END_TEST

// clang-format off
static const struct {
    const char *device_owner;
    const char *type; // NULL: not in OVN
    const char *name;
    const char *address;
} kinds[] = {
    {"compute:nova", "", PORT, "fa:16:3e:00:00:05 10.0.0.5"},
    {"", "", PORT, "fa:16:3e:00:00:05 10.0.0.5"},
    {"network:router_interface", "router", PORT, "router"},
    {"network:router_gateway", "router", PORT, "router"},
    {"network:distributed", "localport", "ovnmeta-" NET, "fa:16:3e:00:00:05 10.0.0.5"},
    {"network:floatingip", NULL, NULL, NULL},
};
// clang-format on

START_TEST(device_owner_decides_the_type)
{
    struct nb_port port = guest_port();
    port.n_fixed_ips = 1;
    port.device_owner = kinds[_i].device_owner;
    g_autoptr(nb_object) object = plan_port(&port);
    if (!kinds[_i].type) {
        ck_assert_uint_eq(object->rows->len, 0);
        return;
    }
    const struct nb_row *row = find_row(object, NB_LOGICAL_SWITCH_PORT, 0);
    ck_assert_str_eq(value(row, "type")->text, kinds[_i].type);
    ck_assert_str_eq(value(row, "name")->text, kinds[_i].name);
    ck_assert(has_item(row, "addresses", kinds[_i].address));
    ck_assert_int_eq(has_link(row, NB_DROP_OWNER), !*kinds[_i].type);
    if (!strcmp(kinds[_i].type, "router")) {
        ck_assert_str_eq(ovsdb_value_map_get(value(row, "options"), "router-port"), "lrp-" PORT);
    }
}
END_TEST

START_TEST(dns_name_is_answered_by_the_network)
{
    struct nb_port port = guest_port();
    port.dns_name = "VM-1";
    port.dns_domain = "cloud.example.";
    g_autoptr(nb_object) object = plan_port(&port);
    const struct nb_row *row = find_row(object, NB_DNS, 0);
    ck_assert_str_eq(ovsdb_value_map_get(value(row, "records"), "vm-1"), "10.0.0.5 2001:db8::5");
    ck_assert_str_eq(ovsdb_value_map_get(value(row, "records"), "vm-1.cloud.example"),
                     "10.0.0.5 2001:db8::5");
    ck_assert(has_link(row, "network/" NET));
}
END_TEST

START_TEST(live_migration_asks_for_both_hosts)
{
    struct nb_port port = guest_port();
    port.host = "a";
    port.migrating_to = "b";
    g_autoptr(nb_object) object = plan_port(&port);
    const struct ovsdb_value *options =
        value(find_row(object, NB_LOGICAL_SWITCH_PORT, 0), "options");
    ck_assert_str_eq(ovsdb_value_map_get(options, "requested-chassis"), "a,b");
    ck_assert_str_eq(ovsdb_value_map_get(options, "activation-strategy"), "rarp");
}
END_TEST

START_TEST(malformed_addresses_are_refused)
{
    const struct nb_fixed_ip bad_ip = {"s", "10.0.0.5 unknown", 24};
    struct nb_port port = guest_port();
    struct nb_object *object = NULL;
    struct err err;
    port.mac = "fa:16:3e:00:00:05 unknown";
    ck_assert_int_eq(nb_plan_port(&port, &object, &err), RC_INVALID);
    port = guest_port();
    port.fixed_ips = &bad_ip;
    port.n_fixed_ips = 1;
    ck_assert_int_eq(nb_plan_port(&port, &object, &err), RC_INVALID);
    ck_assert_ptr_null(object);
}
END_TEST

// --- subnets ---

static struct nb_subnet
plain_subnet(void)
{
    return (struct nb_subnet){.id = "s",
                              .network_id = NET,
                              .revision = 1,
                              .ip_version = 4,
                              .cidr = "10.0.0.0/24",
                              .gateway_ip = "10.0.0.1",
                              .enable_dhcp = true,
                              .mtu = 1442,
                              .metadata_address = "10.0.0.2"};
}

static const char *
dhcp_option(const struct nb_object *object, const char *name)
{
    return ovsdb_value_map_get(value(find_row(object, NB_DHCP_OPTIONS, 0), "options"), name);
}

START_TEST(subnet_gives_dhcp_options)
{
    static const char *const servers[] = {"192.0.2.1", "2001:db8::1", "192.0.2.2"};
    static const struct nb_route route = {"172.16.0.0/12", "10.0.0.9"};
    struct nb_subnet subnet = plain_subnet();
    subnet.dns_servers = servers;
    subnet.n_dns_servers = 3;
    subnet.host_routes = &route;
    subnet.n_host_routes = 1;
    subnet.dns_domain = "cloud.example";
    g_autoptr(nb_object) object = NULL;
    ck_assert_int_eq(nb_plan_subnet(&subnet, &object, NULL), RC_OK);
    ck_assert_str_eq(dhcp_option(object, "router"), "10.0.0.1");
    ck_assert_str_eq(dhcp_option(object, "server_id"), "10.0.0.1");
    ck_assert_str_eq(dhcp_option(object, "mtu"), "1442");
    ck_assert_str_eq(dhcp_option(object, "lease_time"), "43200");
    ck_assert_str_eq(dhcp_option(object, "dns_server"), "{192.0.2.1, 192.0.2.2}");
    ck_assert_str_eq(dhcp_option(object, "domain_name"), "\"cloud.example\"");
    ck_assert_str_eq(dhcp_option(object, "classless_static_route"),
                     "{169.254.169.254/32,10.0.0.2, 172.16.0.0/12,10.0.0.9, 0.0.0.0/0,10.0.0.1}");
    ck_assert(g_str_has_prefix(dhcp_option(object, "server_mac"), "fa:16:3e:"));
}
END_TEST

START_TEST(subnet_without_gateway_still_reaches_metadata)
{
    struct nb_subnet subnet = plain_subnet();
    subnet.gateway_ip = NULL;
    g_autoptr(nb_object) object = NULL;
    ck_assert_int_eq(nb_plan_subnet(&subnet, &object, NULL), RC_OK);
    ck_assert_ptr_null(dhcp_option(object, "router"));
    ck_assert_str_eq(dhcp_option(object, "server_id"), "10.0.0.2");
    ck_assert_str_eq(dhcp_option(object, "classless_static_route"),
                     "{169.254.169.254/32,10.0.0.2}");
}
END_TEST

START_TEST(subnet_without_dhcp_is_nothing)
{
    struct nb_subnet subnet = plain_subnet();
    subnet.enable_dhcp = false;
    g_autoptr(nb_object) object = NULL;
    ck_assert_int_eq(nb_plan_subnet(&subnet, &object, NULL), RC_OK);
    ck_assert_uint_eq(object->rows->len, 0);
}
END_TEST

START_TEST(port_changes_its_own_dhcp_options)
{
    static const struct nb_dhcp_option options[] = {{"mtu", "1300"},
                                                    {"tftp-server", "boot.example"},
                                                    {"6", "192.0.2.9"},
                                                    {"bootfile-name", "a\"b"},
                                                    {"no-such", "1"}};
    struct nb_subnet subnet = plain_subnet();
    struct nb_port port = guest_port();
    port.dhcp_options = options;
    port.n_dhcp_options = 5;
    port.dhcp_subnet = &subnet;
    g_autoptr(nb_object) object = plan_port(&port);
    ck_assert_str_eq(dhcp_option(object, "mtu"), "1300");
    ck_assert_str_eq(dhcp_option(object, "tftp_server"), "\"boot.example\"");
    ck_assert_str_eq(dhcp_option(object, "dns_server"), "192.0.2.9");
    ck_assert_str_eq(dhcp_option(object, "router"), "10.0.0.1");
    ck_assert_ptr_null(dhcp_option(object, "bootfile_name"));
    ck_assert_str_eq(find_row(object, NB_LOGICAL_SWITCH_PORT, 0)->dhcpv4_options.owner,
                     "port/" PORT);
}
END_TEST

// --- networks and routers ---

START_TEST(provider_network_has_a_localnet_port)
{
    const struct nb_network network = {
        .id = NET, .name = "n", .mtu = 1500, .physical_network = "physnet1", .vlan = 7};
    g_autoptr(nb_object) object = NULL;
    ck_assert_int_eq(nb_plan_network(&network, &object, NULL), RC_OK);
    const struct nb_row *row = find_row(object, NB_LOGICAL_SWITCH_PORT, 0);
    ck_assert_str_eq(value(row, "name")->text, "provnet-" NET);
    ck_assert_str_eq(value(row, "tag")->text, "7");
    ck_assert_str_eq(ovsdb_value_map_get(value(row, "options"), "network_name"), "physnet1");
}
END_TEST

static const struct nb_fixed_ip inside_ips[] = {{"a", "10.0.0.1", 24}, {"b", "10.1.0.1", 16}};
static const struct nb_fixed_ip outside_ip = {"x", "203.0.113.10", 24};
static const struct nb_router_interface inside = {"p1", "fa:16:3e:00:00:01", inside_ips, 2};
static const struct nb_router_interface outside = {"p2", "fa:16:3e:00:00:02", &outside_ip, 1};
static const char *const hops[] = {"203.0.113.1"};
static const char *const hosts[] = {"a", "b", "c", "d", "e", "f", "g"};

static struct nb_router
gateway_router(void)
{
    return (struct nb_router){.id = "r",
                              .name = "router",
                              .admin_state_up = true,
                              .interfaces = &inside,
                              .n_interfaces = 1,
                              .gateway = &outside,
                              .gateway_ips = hops,
                              .n_gateway_ips = 1,
                              .enable_snat = true};
}

START_TEST(router_translates_its_networks)
{
    struct nb_router router = gateway_router();
    g_autoptr(nb_object) object = NULL;
    const struct nb_chassis chassis = {hosts, 7};
    ck_assert_int_eq(nb_plan_router(&router, &chassis, &object, NULL), RC_OK);
    const struct nb_row *nat = find_row(object, NB_NAT, 0);
    ck_assert_str_eq(value(nat, "logical_ip")->text, "10.0.0.0/24");
    ck_assert_str_eq(value(nat, "external_ip")->text, "203.0.113.10");
    ck_assert_str_eq(value(find_row(object, NB_NAT, 1), "logical_ip")->text, "10.1.0.0/16");
    ck_assert_str_eq(value(find_row(object, NB_STATIC_ROUTE, 0), "nexthop")->text, "203.0.113.1");
    ck_assert(has_item(find_row(object, NB_LOGICAL_ROUTER_PORT, 0), "networks", "10.1.0.1/16"));
    ck_assert_ptr_nonnull(find_row(object, NB_GATEWAY_CHASSIS, NB_MAX_GATEWAY_CHASSIS - 1));
    ck_assert_ptr_null(find_row(object, NB_GATEWAY_CHASSIS, NB_MAX_GATEWAY_CHASSIS));
}
END_TEST

START_TEST(router_without_snat_only_routes)
{
    struct nb_router router = gateway_router();
    router.enable_snat = false;
    g_autoptr(nb_object) object = NULL;
    const struct nb_chassis chassis = {hosts, 1};
    ck_assert_int_eq(nb_plan_router(&router, &chassis, &object, NULL), RC_OK);
    ck_assert_ptr_null(find_row(object, NB_NAT, 0));
    ck_assert_ptr_nonnull(find_row(object, NB_STATIC_ROUTE, 0));
}
END_TEST

START_TEST(gateways_spread_and_stay)
{
    size_t n_first[7] = {0}, n_moved = 0;
    for (int i = 0; i < 700; i++) {
        g_autofree char *id = g_strdup_printf("router-%d", i);
        struct nb_gateway all[NB_MAX_GATEWAY_CHASSIS], fewer[NB_MAX_GATEWAY_CHASSIS];
        ck_assert_uint_eq(nb_gateways_choose(id, &(struct nb_chassis){hosts, 7}, all),
                          NB_MAX_GATEWAY_CHASSIS);
        nb_gateways_choose(id, &(struct nb_chassis){hosts, 6}, fewer);
        n_first[all[0].chassis[0] - 'a']++;
        n_moved += strcmp(all[0].chassis, fewer[0].chassis) != 0;
        ck_assert_int_gt(all[0].priority, all[1].priority);
    }
    for (int i = 0; i < 7; i++) {
        ck_assert_uint_gt(n_first[i], 60);
    }
    ck_assert_uint_eq(n_moved, n_first[6]); // only those of the chassis that went
}
END_TEST

START_TEST(floating_ip_is_centralised_nat)
{
    struct nb_floatingip fip = {"f", 1, "203.0.113.101", "r", PORT, "10.0.0.5"};
    g_autoptr(nb_object) object = NULL;
    ck_assert_int_eq(nb_plan_floatingip(&fip, &object, NULL), RC_OK);
    const struct nb_row *nat = find_row(object, NB_NAT, 0);
    ck_assert_str_eq(value(nat, "type")->text, "dnat_and_snat");
    ck_assert(has_link(nat, "router/r"));
    g_clear_pointer(&object, nb_object_free);
    fip.router_id = NULL;
    ck_assert_int_eq(nb_plan_floatingip(&fip, &object, NULL), RC_OK);
    ck_assert_uint_eq(object->rows->len, 0);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("ovn_plan");
    TCase *tests = tcase_create("plans");
    tcase_add_loop_test(tests, rule_becomes_a_match, 0, N_ELEMENTS(matches));
    tcase_add_test(tests, stateless_group_tracks_nothing);
    tcase_add_test(tests, guest_port_is_guarded);
    tcase_add_test(tests, port_without_security_is_open);
    tcase_add_test(tests, address_pairs_widen_port_security);
    tcase_add_loop_test(tests, device_owner_decides_the_type, 0, N_ELEMENTS(kinds));
    tcase_add_test(tests, dns_name_is_answered_by_the_network);
    tcase_add_test(tests, live_migration_asks_for_both_hosts);
    tcase_add_test(tests, malformed_addresses_are_refused);
    tcase_add_test(tests, subnet_gives_dhcp_options);
    tcase_add_test(tests, subnet_without_gateway_still_reaches_metadata);
    tcase_add_test(tests, subnet_without_dhcp_is_nothing);
    tcase_add_test(tests, port_changes_its_own_dhcp_options);
    tcase_add_test(tests, provider_network_has_a_localnet_port);
    tcase_add_test(tests, router_translates_its_networks);
    tcase_add_test(tests, router_without_snat_only_routes);
    tcase_add_test(tests, gateways_spread_and_stay);
    tcase_add_test(tests, floating_ip_is_centralised_nat);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? 1 : 0;
}
