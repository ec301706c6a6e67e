// SPDX-License-Identifier: Apache-2.0
// Pure parts of the network API: addresses, subnet plans, security group rules, port lists.
#include <check.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>

#include "services/network/api/address.h"
#include "services/network/api/port_plan.h"
#include "services/network/api/rule_plan.h"
#include "services/network/api/subnet_plan.h"

START_TEST(addresses_are_read_and_written)
{
    static const struct {
        const char *text, *wanted; // wanted NULL: refused
    } cases[] = {
        {"10.0.0.1", "10.0.0.1"},
        {"2001:DB8::1", "2001:db8::1"},
        {"::", "::"},
        {"10.0.0", NULL},
        {"10.0.0.256", NULL},
        {"10.0.0.1/24", NULL},
        {" 1.2.3.4", NULL},
        {"", NULL},
        {"01.2.3.4", NULL},
        {"fe80::1%eth0", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct address address;
        char text[ADDRESS_SIZE];
        bool ok = address_parse(cases[i].text, &address);
        ck_assert_msg(ok == (cases[i].wanted != NULL), "%s", cases[i].text);
        if (ok) {
            address_format(&address, text);
            ck_assert_str_eq(text, cases[i].wanted);
        }
    }
}
END_TEST

START_TEST(hosts_are_neither_network_nor_broadcast)
{
    static const struct {
        const char *prefix, *address;
        bool wanted;
    } cases[] = {
        {"10.0.0.0/24", "10.0.0.1", true},      {"10.0.0.0/24", "10.0.0.0", false},
        {"10.0.0.0/24", "10.0.0.255", false},   {"10.0.0.0/24", "10.0.1.1", false},
        {"10.0.0.0/31", "10.0.0.0", true},      {"10.0.0.0/32", "10.0.0.0", true},
        {"2001:db8::/64", "2001:db8::", false}, {"2001:db8::/64", "2001:db8::1", true},
        {"10.0.0.0/24", "2001:db8::1", false},  {"0.0.0.0/0", "10.0.0.0", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct prefix prefix;
        struct address address;
        ck_assert(prefix_parse(cases[i].prefix, &prefix) &&
                  address_parse(cases[i].address, &address));
        ck_assert_msg(prefix_has_host(&prefix, &address) == cases[i].wanted, "%s in %s",
                      cases[i].address, cases[i].prefix);
    }
}
END_TEST

START_TEST(macs_are_unicast_and_lower_case)
{
    char mac[MAC_SIZE];
    ck_assert(mac_parse("FA-16-3E-00-01-FF", mac));
    ck_assert_str_eq(mac, "fa:16:3e:00:01:ff");
    ck_assert(!mac_parse("01:00:5e:00:00:01", mac));
    ck_assert(!mac_parse("00:00:00:00:00:00", mac));
    ck_assert(!mac_parse("fa:16:3e:00:01", mac));
    ck_assert(!mac_parse("fa:16:3e:00:01:fg", mac));
    ck_assert(!mac_parse("fa:16-3e:00:01:f0", mac));
    mac_generate(mac);
    ck_assert(strncmp(mac, "fa:16:3e:", 9) == 0);
}
END_TEST

static char *
pools_of(const char *cidr, int version, const char *gateway)
{
    struct subnet_plan plan = {0};
    struct err err;
    json_auto_t *given = gateway ? (*gateway ? json_string(gateway) : json_null()) : NULL;
    ck_assert_int_eq(subnet_plan_cidr(cidr, version, &plan, &err), RC_OK);
    ck_assert_int_eq(subnet_plan_gateway(given, &plan, &err), RC_OK);
    ck_assert_int_eq(subnet_plan_pools(NULL, &plan, &err), RC_OK);
    ck_assert_int_eq(subnet_plan_check_gateway(&plan, &err), RC_OK);
    GString *text = g_string_new(NULL);
    for (size_t i = 0; i < plan.n_pools; i++) {
        char first[ADDRESS_SIZE], last[ADDRESS_SIZE];
        address_format(&plan.pools[i].first, first);
        address_format(&plan.pools[i].last, last);
        g_string_append_printf(text, "%s%s-%s", i ? " " : "", first, last);
    }
    return g_string_free(text, FALSE);
}

START_TEST(default_pools_go_around_the_gateway)
{
    static const struct {
        const char *cidr;
        int version;
        const char *gateway, *wanted; // gateway NULL: absent, "": none
    } cases[] = {
        {"10.0.0.0/24", 4, NULL, "10.0.0.2-10.0.0.254"},
        {"10.0.0.0/24", 4, "", "10.0.0.1-10.0.0.254"},
        {"10.0.0.0/24", 4, "10.0.0.9", "10.0.0.1-10.0.0.8 10.0.0.10-10.0.0.254"},
        {"10.0.0.0/24", 4, "10.0.0.254", "10.0.0.1-10.0.0.253"},
        {"10.0.0.0/24", 4, "192.0.2.1", "10.0.0.1-10.0.0.254"},
        {"10.0.0.0/31", 4, "", "10.0.0.0-10.0.0.1"},
        {"10.0.0.8/30", 4, NULL, "10.0.0.10-10.0.0.10"},
        {"2001:db8::/64", 6, NULL, "2001:db8::2-2001:db8::ffff:ffff:ffff:ffff"},
        {"2001:db8::/64", 6, "", "2001:db8::1-2001:db8::ffff:ffff:ffff:ffff"},
        {"2001:db8::/126", 6, "2001:db8::3", "2001:db8::1-2001:db8::2"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        g_autofree char *pools = pools_of(cases[i].cidr, cases[i].version, cases[i].gateway);
        ck_assert_str_eq(pools, cases[i].wanted);
    }
}
END_TEST

START_TEST(ipv6_modes_must_agree)
{
    struct err err;
    ck_assert_int_eq(subnet_plan_check_modes(6, true, "slaac", "slaac", &err), RC_OK);
    ck_assert_int_eq(subnet_plan_check_modes(6, true, NULL, "slaac", &err), RC_OK);
    ck_assert_int_eq(subnet_plan_check_modes(6, true, "slaac", "dhcpv6-stateful", &err),
                     RC_INVALID);
    ck_assert_int_eq(subnet_plan_check_modes(6, false, "slaac", "slaac", &err), RC_INVALID);
    ck_assert_int_eq(subnet_plan_check_modes(4, true, "slaac", NULL, &err), RC_INVALID);
}
END_TEST

START_TEST(rules_are_normalised)
{
    static const struct {
        const char *given, *wanted; // wanted: the error's type, or the normalised columns
    } cases[] = {
        {"{\"ethertype\":\"ipv4\",\"protocol\":\"TCP\",\"port_range_min\":1,\"port_range_max\":"
         "65535}",
         "IPv4 tcp 6 null null null"},
        {"{\"ethertype\":\"IPv6\",\"protocol\":\"icmp\"}", "IPv6 ipv6-icmp 58 null null null"},
        {"{\"ethertype\":\"IPv6\",\"protocol\":1}", "IPv6 58 58 null null null"},
        {"{\"protocol\":null}", "IPv4 null null null null null"},
        {"{\"protocol\":17,\"port_range_min\":53,\"port_range_max\":53,\"remote_ip_prefix\":\"192."
         "0.2.7\"}",
         "IPv4 17 17 53 53 192.0.2.7/32"},
        {"{\"protocol\":\"icmp\",\"port_range_min\":8,\"port_range_max\":0}",
         "IPv4 icmp 1 8 0 null"},
        {"{\"protocol\":\"icmpv6\"}", "SecurityGroupEthertypeConflictWithProtocol"},
        {"{\"protocol\":\"gre\",\"port_range_min\":1,\"port_range_max\":2}",
         "SecurityGroupInvalidProtocolForPort"},
        {"{\"protocol\":\"tcp\",\"port_range_min\":0,\"port_range_max\":2}",
         "SecurityGroupInvalidPortValue"},
        {"{\"protocol\":\"tcp\",\"port_range_min\":-16,\"port_range_max\":80}",
         "SecurityGroupInvalidPortValue"},
        {"{\"protocol\":\"icmp\",\"port_range_min\":1,\"port_range_max\":256}",
         "SecurityGroupInvalidIcmpValue"},
        {"{\"protocol\":true}", "SecurityGroupRuleInvalidProtocol"},
        {"{\"remote_ip_prefix\":\"0.0.0.0/0\",\"remote_group_id\":\"g\"}",
         "SecurityGroupMultipleRemoteEntites"},
    };
    static const char *const columns[] = {"ethertype",      "protocol",       "protocol_number",
                                          "port_range_min", "port_range_max", "remote_ip_prefix"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_auto_t *rule = json_loads(cases[i].given, 0, NULL);
        struct err err = {0};
        if (rule_plan_normalise(rule, &err) != RC_OK) {
            ck_assert_str_eq(err.type, cases[i].wanted);
            continue;
        }
        g_autoptr(GString) text = g_string_new(NULL);
        for (size_t j = 0; j < sizeof columns / sizeof *columns; j++) {
            json_t *value = json_object_get(rule, columns[j]);
            g_autofree char *dump = json_is_string(value) ? g_strdup(json_string_value(value))
                                    : value               ? json_dumps(value, JSON_ENCODE_ANY)
                                                          : g_strdup("null");
            g_string_append_printf(text, "%s%s", j ? " " : "", dump);
        }
        ck_assert_str_eq(text->str, cases[i].wanted);
    }
}
END_TEST

START_TEST(address_pairs_get_the_ports_mac)
{
    struct err err;
    json_auto_t *pairs =
        json_loads("[{\"ip_address\":\"10.0.0.0/"
                   "8\"},{\"ip_address\":\"10.0.0.9\",\"mac_address\":\"FA:16:3E:00:00:01\"}]",
                   0, NULL);
    ck_assert_int_eq(port_plan_address_pairs(pairs, "fa:16:3e:aa:bb:cc", &err), RC_OK);
    ck_assert_str_eq(json_string_value(json_object_get(json_array_get(pairs, 0), "mac_address")),
                     "fa:16:3e:aa:bb:cc");
    ck_assert_str_eq(json_string_value(json_object_get(json_array_get(pairs, 1), "mac_address")),
                     "fa:16:3e:00:00:01");
    json_auto_t *twice =
        json_loads("[{\"ip_address\":\"10.0.0.1\"},{\"ip_address\":\"10.0.0.1\"}]", 0, NULL);
    ck_assert_int_eq(port_plan_address_pairs(twice, "fa:16:3e:aa:bb:cc", &err), RC_INVALID);
    json_auto_t *wrong = json_loads("[\"10.0.0.1\"]", 0, NULL);
    ck_assert_int_eq(port_plan_address_pairs(wrong, "fa:16:3e:aa:bb:cc", &err), RC_INVALID);
}
END_TEST

START_TEST(dhcp_options_merge_by_name_and_version)
{
    struct err err;
    json_auto_t *old = json_loads("[{\"opt_name\":\"a\",\"opt_value\":\"1\",\"ip_version\":4},{"
                                  "\"opt_name\":\"b\",\"opt_value\":\"2\",\"ip_version\":4}]",
                                  0, NULL);
    json_auto_t *changes =
        json_loads("[{\"opt_name\":\"a\",\"opt_value\":null},{\"opt_name\":\"b\",\"opt_value\":"
                   "\"3\"},{\"opt_name\":\"b\",\"opt_value\":\"6\",\"ip_version\":6}]",
                   0, NULL);
    json_t *merged = NULL;
    ck_assert_int_eq(port_plan_dhcp_options(old, changes, &merged, &err), RC_OK);
    g_autofree char *text = json_dumps(merged, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(merged);
    ck_assert_str_eq(text, "[{\"ip_version\":4,\"opt_name\":\"b\",\"opt_value\":\"3\"},{\"ip_"
                           "version\":6,\"opt_name\":\"b\",\"opt_value\":\"6\"}]");
    json_auto_t *wrong = json_loads("[{\"opt_value\":\"1\"}]", 0, NULL);
    ck_assert_int_eq(port_plan_dhcp_options(NULL, wrong, &merged, &err), RC_INVALID);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("network_plan");
    TCase *tests = tcase_create("all");
    tcase_add_test(tests, addresses_are_read_and_written);
    tcase_add_test(tests, hosts_are_neither_network_nor_broadcast);
    tcase_add_test(tests, macs_are_unicast_and_lower_case);
    tcase_add_test(tests, default_pools_go_around_the_gateway);
    tcase_add_test(tests, ipv6_modes_must_agree);
    tcase_add_test(tests, rules_are_normalised);
    tcase_add_test(tests, address_pairs_get_the_ports_mac);
    tcase_add_test(tests, dhcp_options_merge_by_name_and_version);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
