// SPDX-License-Identifier: Apache-2.0
// Placement: which hosts are left, which is first, and what is said when none is.
#include <check.h>
#include <stdlib.h>

#include "common/base/util.h"
#include "services/compute/core/place.h"

static struct place_host
host(const char *name)
{
    return (struct place_host){
        .host = name,
        .zone = "nova",
        .arch = "x86_64",
        .hypervisor_type = "qemu",
        .is_up = true,
        .vcpus = 4,
        .ram_mib = 4096,
        .disk_gib = 100,
        .cpu_percent = 400,
        .ram_percent = 100,
        .disk_percent = 100,
    };
}

static const struct place_request small = {
    .server_id = "s", .vcpus = 1, .ram_mib = 512, .disk_gib = 1};

START_TEST(a_host_with_more_free_ram_comes_first)
{
    struct place_host hosts[] = {host("a"), host("b"), host("c")};
    struct place_result result;
    hosts[0].ram_claimed = 2048;
    hosts[2].ram_claimed = 1024;
    place(hosts, 3, &small, &result);
    ck_assert_uint_eq(result.n_ranked, 3);
    ck_assert_str_eq(result.ranked[0]->host, "b");
    ck_assert_str_eq(result.ranked[1]->host, "c");
    ck_assert_str_eq(result.ranked[2]->host, "a");
    place_result_done(&result);
}
END_TEST

START_TEST(no_valid_host_says_what_each_filter_turned_away)
{
    struct place_host hosts[] = {host("a"), host("b"), host("c")};
    struct place_result result;
    hosts[0].ram_claimed = hosts[1].ram_claimed = 4000;
    hosts[2].is_disabled = true;
    place(hosts, 3, &small, &result);
    g_autofree char *text = place_explain(&result);
    ck_assert_uint_eq(result.n_ranked, 0);
    ck_assert_str_eq(text, "No valid host was found. 3 hosts: 1 disabled, 2 too little ram");
    place_result_done(&result);
}
END_TEST

START_TEST(without_hosts_it_says_so)
{
    struct place_result result;
    place(NULL, 0, &small, &result);
    g_autofree char *text = place_explain(&result);
    ck_assert_str_eq(text, "No valid host was found. 0 hosts");
    place_result_done(&result);
}
END_TEST

#pragma GCC diagnostic ignored "-Woverride-init" // that is the point of the table
// One change to a host or a request, and whether the host still takes it.
static const struct {
    const char *what;
    struct place_host host;
    struct place_request request;
    bool passes;
} cases[] = {
#define HOST(...)                                                                                \
    {                                                                                            \
        .host = "a", .zone = "nova", .arch = "x86_64", .hypervisor_type = "qemu", .is_up = true, \
        .vcpus = 4, .ram_mib = 4096, .disk_gib = 100, .cpu_percent = 400, .ram_percent = 100,    \
        .disk_percent = 100, __VA_ARGS__                                                         \
    }
#define REQUEST(...)                                                             \
    {                                                                            \
        .server_id = "s", .vcpus = 1, .ram_mib = 512, .disk_gib = 1, __VA_ARGS__ \
    }
    {"plain", HOST(), REQUEST(), true},
    {"down", HOST(.is_up = false), REQUEST(), false},
    {"disabled", HOST(.is_disabled = true), REQUEST(), false},
    {"disabled but forced", HOST(.is_disabled = true), REQUEST(.forced_host = "a"), true},
    {"another host forced", HOST(), REQUEST(.forced_host = "b"), false},
    {"zone", HOST(), REQUEST(.zone = "nova"), true},
    {"other zone", HOST(), REQUEST(.zone = "east"), false},
    {"arch", HOST(), REQUEST(.arch = "aarch64"), false},
    {"type in any case", HOST(), REQUEST(.hypervisor_type = "QEMU"), true},
    {"other type", HOST(), REQUEST(.hypervisor_type = "lxc"), false},
    {"vcpus by ratio", HOST(.vcpus_claimed = 15), REQUEST(), true},
    {"vcpus full", HOST(.vcpus_claimed = 16), REQUEST(), false},
    {"larger than the machine", HOST(), REQUEST(.vcpus = 5), false},
    {"ram to the last MiB", HOST(.ram_claimed = 3584), REQUEST(), true},
    {"ram full", HOST(.ram_claimed = 3585), REQUEST(), false},
    {"disk full", HOST(.disk_claimed = 100), REQUEST(), false},
    {"affinity, first member", HOST(), REQUEST(.group = PLACE_AFFINITY), true},
    {"affinity, elsewhere", HOST(), REQUEST(.group = PLACE_AFFINITY, .group_size = 1), false},
    {"affinity, here", HOST(.group_members = 1), REQUEST(.group = PLACE_AFFINITY, .group_size = 1),
     true},
    {"anti-affinity, here", HOST(.group_members = 1),
     REQUEST(.group = PLACE_ANTI_AFFINITY, .group_size = 1), false},
    {"anti-affinity, two allowed", HOST(.group_members = 1),
     REQUEST(.group = PLACE_ANTI_AFFINITY, .max_per_host = 2), true},
    {"soft anti-affinity, here", HOST(.group_members = 1),
     REQUEST(.group = PLACE_SOFT_ANTI_AFFINITY, .group_size = 1), true},
    {"same host", HOST(), REQUEST(.wants_same = true), false},
    {"different host", HOST(.has_different_wanted = true), REQUEST(.wants_different = true), false},
};

START_TEST(each_filter_decides)
{
    struct place_result result;
    place(&cases[_i].host, 1, &cases[_i].request, &result);
    ck_assert_msg(result.n_ranked == cases[_i].passes, "%s", cases[_i].what);
    place_result_done(&result);
}
END_TEST

START_TEST(soft_affinity_outweighs_free_ram)
{
    struct place_host hosts[] = {host("a"), host("b")};
    struct place_request request = small;
    struct place_result result;
    hosts[0].group_members = 1;
    hosts[0].ram_claimed = 3000;
    request.group = PLACE_SOFT_AFFINITY;
    request.group_size = 1;
    place(hosts, 2, &request, &result);
    ck_assert_str_eq(result.ranked[0]->host, "a");
    place_result_done(&result);
    request.group = PLACE_SOFT_ANTI_AFFINITY;
    place(hosts, 2, &request, &result);
    ck_assert_str_eq(result.ranked[0]->host, "b");
    place_result_done(&result);
}
END_TEST

START_TEST(failed_hosts_are_avoided)
{
    const char *const avoid[] = {"a", NULL};
    struct place_host hosts[] = {host("a"), host("b")};
    struct place_request request = small;
    struct place_result result;
    request.avoid = avoid;
    place(hosts, 2, &request, &result);
    ck_assert_uint_eq(result.n_ranked, 1);
    ck_assert_str_eq(result.ranked[0]->host, "b");
    place_result_done(&result);
}
END_TEST

START_TEST(equal_hosts_are_spread_over)
{
    struct place_host hosts[10];
    char names[10][4];
    unsigned first[10] = {0}, used = 0;
    for (int i = 0; i < 10; i++) {
        g_snprintf(names[i], sizeof(names[i]), "h%d", i);
        hosts[i] = host(names[i]);
    }
    for (int i = 0; i < 100; i++) {
        char id[UUID_SIZE];
        struct place_request request = small;
        struct place_result result;
        g_snprintf(id, sizeof(id), "server-%d", i);
        request.server_id = id;
        place(hosts, 10, &request, &result);
        first[result.ranked[0] - hosts]++;
        place_result_done(&result);
    }
    for (int i = 0; i < 10; i++) {
        used += first[i] > 0;
    }
    ck_assert_uint_ge(used, 5);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("place");
    TCase *tcase = tcase_create("place");
    tcase_add_test(tcase, a_host_with_more_free_ram_comes_first);
    tcase_add_test(tcase, no_valid_host_says_what_each_filter_turned_away);
    tcase_add_test(tcase, without_hosts_it_says_so);
    tcase_add_loop_test(tcase, each_filter_decides, 0, N_ELEMENTS(cases));
    tcase_add_test(tcase, soft_affinity_outweighs_free_ram);
    tcase_add_test(tcase, failed_hosts_are_avoided);
    tcase_add_test(tcase, equal_hosts_are_spread_over);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
