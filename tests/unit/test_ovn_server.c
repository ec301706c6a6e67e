// SPDX-License-Identifier: Apache-2.0
// The network's OVN side against a real ovsdb-server: what is applied is there, once; what is lost
// comes back.
#include "tests/unit/test_ovn_lab.h"

START_TEST(what_is_applied_is_there_once)
{
    apply_all(ovn);
    assert_all_there();
    apply_all(ovn);
    assert_all_there();
    struct ovn_reconcile_counts counts = reconcile(each_all);
    ck_assert_uint_eq(counts.n_desired, 10);
    ck_assert_uint_eq(counts.n_repaired, 0);
    ck_assert_uint_eq(counts.n_removed, 0);
    ck_assert_uint_eq(counts.n_skipped, 0);
}
END_TEST

START_TEST(deleted_objects_leave_nothing)
{
    apply_all(ovn);
    ok(ovn_delete_floatingip(ovn, FIP, &err));
    ok(ovn_delete_router(ovn, ROUTER, &err));
    ok(ovn_delete_port(ovn, PORT, &err));
    ok(ovn_delete_port(ovn, PORT, &err));
    ok(ovn_delete_port(ovn, MPORT, &err));
    ok(ovn_delete_port(ovn, RPORT, &err));
    ok(ovn_delete_subnet(ovn, SUBNET, &err));
    ok(ovn_delete_network(ovn, NET, &err));
    ok(ovn_delete_network(ovn, EXT, &err));
    ok(ovn_delete_security_group(ovn, GROUP, &err));
    assert_nothing_there();
}
END_TEST

START_TEST(older_revision_changes_nothing)
{
    apply_all(ovn);
    struct nb_port newer = port, older = port;
    newer.revision = 9;
    newer.admin_state_up = false;
    older.revision = 8;
    ok(ovn_apply_port(ovn, &newer, &err));
    ok(ovn_apply_port(ovn, &older, &err));
    assert_nb("--bare --columns=enabled find Logical_Switch_Port name=" PORT, "false");
}
END_TEST

START_TEST(rules_and_groups_follow)
{
    apply_all(ovn);
    struct nb_security_group fewer = group;
    fewer.revision = 2;
    fewer.n_rules = 1;
    ok(ovn_apply_security_group(ovn, &fewer, &err));
    ck_assert_int_eq(n_rows("ACL"), 4);
    struct nb_port open = port;
    open.revision = 6;
    open.port_security = false;
    open.dhcp = false;
    ok(ovn_apply_port(ovn, &open, &err));
    assert_nb("--bare --columns=ports list Port_Group", "");
    assert_nb("--bare --columns=dhcpv4_options find Logical_Switch_Port name=" PORT, "");
}
END_TEST

START_TEST(port_with_dhcp_options_keeps_the_subnets_others)
{
    static const struct nb_dhcp_option mtu = {"mtu", "1300"};
    struct nb_port special = port;
    apply_all(ovn);
    special.revision++;
    special.dhcp_options = &mtu;
    special.n_dhcp_options = 1;
    ok(ovn_apply_port(ovn, &special, &err));
    ok(ovn_apply_port(ovn, &special, &err));
    ck_assert_int_eq(n_rows("DHCP_Options"), 2);
    g_autofree char *own =
        ctl("ovn-nbctl", "--bare --columns=dhcpv4_options list Logical_Switch_Port %s", PORT);
    g_autofree char *told = ctl("ovn-nbctl", "dhcp-options-get-options %s", g_strstrip(own));
    ck_assert(strstr(told, "mtu=1300") && strstr(told, "router=10.0.0.1"));
    special.revision++;
    special.n_dhcp_options = 0;
    ok(ovn_apply_port(ovn, &special, &err));
    ck_assert_int_eq(n_rows("DHCP_Options"), 1);
    assert_nb("--bare --columns=enabled list Logical_Switch_Port " PORT, "true");
}
END_TEST

START_TEST(port_without_its_network_is_unavailable)
{
    struct err err = {0};
    ck_assert_int_eq(ovn_apply_port(ovn, &port, &err), RC_UNAVAILABLE);
    ck_assert_int_eq(n_rows("Logical_Switch_Port"), 0);
}
END_TEST

START_TEST(rows_lost_behind_our_back_come_back)
{
    apply_all(ovn);
    g_autofree char *out = ctl("ovn-nbctl",
                               "lsp-del %s -- lr-nat-del neutron-%s -- acl-del pg_%s to-lport -- "
                               "lsp-set-addresses %s unknown",
                               PORT, ROUTER, "30000000_0000_4000_8000_000000000001", RPORT);
    g_autofree char *foreign = ctl("ovn-nbctl", "ls-add mine -- lsp-add mine my-port");
    struct ovn_reconcile_counts counts = reconcile(each_all);
    ck_assert_uint_eq(counts.n_repaired, 5); // port, other port, router, floating IP, group
    g_autofree char *gone = ctl("ovn-nbctl", "ls-del mine");
    assert_all_there();
}
END_TEST

START_TEST(what_nobody_desires_goes_and_foreign_rows_stay)
{
    apply_all(ovn);
    g_autofree char *foreign = ctl("ovn-nbctl", "ls-add mine -- lsp-add mine my-port");
    struct ovn_reconcile_counts counts = reconcile(each_none);
    ck_assert_uint_eq(counts.n_removed, 10);
    assert_nb("--bare --columns=name list Logical_Switch_Port", "my-port");
    g_autofree char *gone = ctl("ovn-nbctl", "ls-del mine");
    assert_nothing_there();
}
END_TEST

START_TEST(a_new_empty_database_is_filled_again)
{
    apply_all(ovn);
    stop_server(&nb_pid);
    struct err err = {0};
    ck_assert_int_eq(ovn_apply_network(ovn, &net, &err), RC_UNAVAILABLE);
    g_autofree char *db = g_strdup_printf("%s/nb.db", dir);
    g_unlink(db);
    nb_pid = start_server("nb");
    ck_assert(ovn_wait_ready(ovn, DEADLINE_MS));
    struct ovn_reconcile_counts counts = reconcile(each_all);
    ck_assert_uint_eq(counts.n_repaired, 11); // the drop group too
    assert_all_there();
}
END_TEST

START_TEST(a_restarted_server_is_found_again)
{
    apply_all(ovn);
    ck_assert(wait_resync(0));
    int n_before = events.n_resyncs;
    stop_server(&nb_pid);
    nb_pid = start_server("nb");
    ok(ovn_apply_network(ovn, &net, &err));
    ck_assert_uint_eq(reconcile(each_all).n_repaired, 0);
    ck_assert(wait_resync(n_before));
}
END_TEST

START_TEST(a_frozen_server_costs_no_more_than_the_timeout)
{
    struct err late = {0};
    apply_all(ovn);
    kill(nb_pid, SIGSTOP);
    int64_t start = monotonic_ms();
    struct nb_network renamed = net;
    renamed.name = "renamed";
    renamed.revision++;
    ck_assert_int_eq(ovn_apply_network(ovn, &renamed, &late), RC_UNAVAILABLE);
    ck_assert_int_lt(monotonic_ms() - start, 5000);
    kill(nb_pid, SIGCONT);
    ok(ovn_apply_network(ovn, &renamed, &err));
    assert_all_there();
    assert_nb("get Logical_Switch neutron-" NET " 'external_ids:\"neutron:network_name\"'",
              "renamed");
}
END_TEST

START_TEST(port_status_is_told)
{
    apply_all(ovn);
    g_autofree char *up = ctl("ovn-nbctl", "set Logical_Switch_Port %s up=true", PORT);
    ck_assert(wait_status(PORT, true));
    bool is_up = false;
    ck_assert(ovn_find_port_status(ovn, PORT, &is_up) && is_up);
    g_autofree char *down = ctl("ovn-nbctl", "set Logical_Switch_Port %s up=false", PORT);
    ck_assert(wait_status(PORT, false));
}
END_TEST

static gpointer
apply_in_thread(gpointer data)
{
    apply_all(data);
    return NULL;
}

START_TEST(many_writers_make_one_set_of_rows)
{
    struct ovn *other = connect_ovn();
    GThread *threads[6];
    for (size_t i = 0; i < N_ELEMENTS(threads); i++) {
        threads[i] = g_thread_new("writer", apply_in_thread, i % 2 ? other : ovn);
    }
    for (size_t i = 0; i < N_ELEMENTS(threads); i++) {
        g_thread_join(threads[i]);
    }
    assert_all_there();
    ovn_free(other);
}
END_TEST

START_TEST(bulk_ports_are_fast_and_complete)
{
    apply_all(ovn);
    enum { N = 1000 };
    g_autofree struct nb_port *ports = g_new0(struct nb_port, N);
    g_autofree struct nb_fixed_ip *ips = g_new0(struct nb_fixed_ip, N);
    g_autoptr(GStringChunk) texts = g_string_chunk_new(4096);
    char text[64];
    for (int i = 0; i < N; i++) {
        ports[i] = port;
        snprintf(text, sizeof text, "70000000-0000-4000-8000-%012d", i);
        ports[i].id = g_string_chunk_insert(texts, text);
        snprintf(text, sizeof text, "fa:16:3e:01:%02x:%02x", i >> 8, i & 255);
        ports[i].mac = g_string_chunk_insert(texts, text);
        snprintf(text, sizeof text, "10.0.%d.%d", 1 + (i >> 8), i & 255);
        ips[i] = (struct nb_fixed_ip){SUBNET, g_string_chunk_insert(texts, text), 24};
        ports[i].fixed_ips = &ips[i];
    }
    int64_t start = now_us();
    ok(ovn_apply_ports(ovn, ports, N / 2, &err));
    int64_t bulk = now_us();
    for (int i = N / 2; i < N; i++) {
        ok(ovn_apply_port(ovn, &ports[i], &err));
    }
    int64_t single = now_us();
    for (int i = N / 2; i < N; i++) {
        ok(ovn_delete_port(ovn, ports[i].id, &err));
    }
    int64_t deleted = now_us();
    ck_assert_int_eq(n_rows("Logical_Switch_Port"), N / 2 + 5);
    printf("bulk %.3f ms a port, single %.3f ms, delete %.3f ms\n", (bulk - start) / 1e3 / (N / 2),
           (single - bulk) / 1e3 / (N / 2), (deleted - single) / 1e3 / (N / 2));
    ck_assert_int_lt((single - bulk) / (N / 2), 20000);
}
END_TEST

// What becomes of a packet, as OVN itself computes it from our rows.
// clang-format off
#define FROM_GUEST "inport == \"" PORT "\" && eth.src == fa:16:3e:00:00:11 && ip4.src == 10.0.0.11 && ip.ttl == 64"
static const struct {
    const char *what;
    const char *datapath;
    const char *packet;
    const char *expected, *unexpected;
} traces[] = {
    {"DHCP is answered", "neutron-" NET,
     "inport == \"" PORT "\" && eth.src == fa:16:3e:00:00:11 && eth.dst == ff:ff:ff:ff:ff:ff && ip4.src == 0.0.0.0 && "
     "ip4.dst == 255.255.255.255 && udp.src == 68 && udp.dst == 67 && ip.ttl == 64",
     "put_dhcp_opts(offerip = 10.0.0.11", NULL},
    {"metadata is reached", "neutron-" NET, FROM_GUEST " && eth.dst == fa:16:3e:00:00:02 && ip4.dst == 169.254.169.254 && tcp.dst == 80",
     "output to \"ovnmeta-" NET "\"", NULL},
    {"the world is reached from the floating IP", "neutron-" NET,
     FROM_GUEST " && eth.dst == fa:16:3e:00:00:01 && ip4.dst == 198.51.100.1 && tcp.dst == 80",
     "(203.0.113.101)", NULL},
    {"SSH comes in by the floating IP", "neutron-" EXT,
     "inport == \"provnet-" EXT "\" && eth.src == 00:00:00:00:00:09 && eth.dst == fa:16:3e:00:00:f1 && ip4.src == 198.51.100.1 && "
     "ip4.dst == 203.0.113.101 && tcp.dst == 22 && ip.ttl == 64",
     "output to \"" PORT "\"", NULL},
    {"telnet does not", "neutron-" EXT,
     "inport == \"provnet-" EXT "\" && eth.src == 00:00:00:00:00:09 && eth.dst == fa:16:3e:00:00:f1 && ip4.src == 198.51.100.1 && "
     "ip4.dst == 203.0.113.101 && tcp.dst == 23 && ip.ttl == 64",
     "(10.0.0.11)", "output to \"" PORT "\""},
    {"a stolen address is dropped", "neutron-" NET,
     "inport == \"" PORT "\" && eth.src == fa:16:3e:00:00:11 && eth.dst == fa:16:3e:00:00:01 && ip4.src == 10.0.0.12 && "
     "ip4.dst == 198.51.100.1 && ip.ttl == 64",
     "ingress", "lrp-" RPORT},
    {"the host's name is answered", "neutron-" NET,
     FROM_GUEST " && eth.dst == fa:16:3e:00:00:01 && ip4.dst == 192.0.2.53 && udp.dst == 53", "dns_lookup", NULL},
};
// clang-format on

START_TEST(northd_makes_of_it_what_was_meant)
{
    northd_pid = start_northd();
    apply_all(ovn);
    ck_assert(wait_status(RPORT, true)); // northd sets router ports up
    g_autofree char *synced = ctl("ovn-nbctl", "--wait=sb sync");
    // The outer gateway has answered ARP.
    g_autofree char *datapath =
        ctl("ovn-sbctl", "--bare --columns=datapath find Port_Binding logical_port=lrp-%s", GPORT);
    g_autofree char *known = ctl("ovn-sbctl",
                                 "create MAC_Binding logical_port=lrp-%s ip=203.0.113.1 "
                                 "'mac=\"00:00:00:00:00:09\"' datapath=%s",
                                 GPORT, g_strstrip(datapath));
    for (size_t i = 0; i < N_ELEMENTS(traces); i++) {
        g_autofree char *quoted = g_shell_quote(traces[i].packet);
        g_autofree char *out =
            ctl("ovn-trace", "--no-friendly-names --ct=new %s %s", traces[i].datapath, quoted);
        const char *end =
            strlen(out) > 3500 ? out + strlen(out) - 3500 : out; // check bounds its messages
        ck_assert_msg(strstr(out, traces[i].expected), "%s:\n%s", traces[i].what, end);
        ck_assert_msg(!traces[i].unexpected || !strstr(out, traces[i].unexpected), "%s:\n%s",
                      traces[i].what, end);
    }
    g_autofree char *log = g_strdup_printf("%s/northd.log", dir);
    g_autofree char *text = NULL;
    ck_assert(g_file_get_contents(log, &text, NULL, NULL));
    ck_assert_msg(!strstr(text, "|WARN|") && !strstr(text, "|ERR|"), "%s", text);
}
END_TEST

// A peer that accepts and then talks nonsense.
struct liar {
    int fd;
    const char *says;
};

static gpointer
lie(gpointer data)
{
    const struct liar *liar = data;
    for (int fd; (fd = accept(liar->fd, NULL, NULL)) >= 0;) {
        ssize_t n = write(fd, liar->says, strlen(liar->says));
        (void)n; // it may have hung up already
        char buffer[4096];
        struct timeval timeout = {.tv_usec = 50000};
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
        while (read(fd, buffer, sizeof buffer) > 0) {
        }
        close(fd);
    }
    return NULL;
}

static const char *const lies[] = {
    "HTTP/1.1 400 Bad Request\r\n\r\n",
    "{\"id\":\"haneul-monitor\",\"result\":[],\"error\":null}",
    "{\"id\":\"haneul-monitor\",\"result\":{\"NAT\":7},\"error\":null}",
    "{\"id\":\"haneul-monitor\",\"result\":{\"Nonsense\":{}},\"error\":null}",
    "{\"id\":\"haneul-monitor\",\"result\":{\"NAT\":{\"x\":{\"initial\":{}}}},\"error\":null}",
    "{\"method\":\"update2\",\"params\":[null,{\"NAT\":{}}]}",
    "{\"id\":\"haneul-monitor\",\"result\":{\"NAT\":{\"60000000-0000-4000-8000-000000000001\":{"
    "\"initial\":{\"type\":[[[]]]}}}}}",
    "[[[[[[[[[[[[[[[[[[[[",
    "{\"a\":\"\\ud800\",}",
};

START_TEST(nonsense_from_a_peer_is_survived)
{
    g_autofree char *path = g_strdup_printf("%s/liar.sock", dir);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    g_strlcpy(address.sun_path, path, sizeof address.sun_path);
    struct liar liar = {socket(AF_UNIX, SOCK_STREAM, 0), lies[_i]};
    ck_assert_int_eq(bind(liar.fd, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(liar.fd, 4), 0);
    GThread *thread = g_thread_new("liar", lie, &liar);
    // The second remote is honest: nonsense costs only the time to turn to it.
    g_autofree char *remotes = g_strdup_printf("unix:%s,%s", path, nb_remote);
    const struct ovn_options options = {.nb_remote = remotes};
    struct ovn *victim = NULL;
    ok(ovn_new(&options, &victim, &err));
    ck_assert(ovn_wait_ready(victim, DEADLINE_MS));
    ok(ovn_apply_network(victim, &net, &err));
    ovn_free(victim);
    shutdown(liar.fd, SHUT_RDWR);
    g_thread_join(thread);
    close(liar.fd);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("ovn_server");
    TCase *tests = tcase_create("real ovsdb-server");
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, what_is_applied_is_there_once);
    tcase_add_test(tests, deleted_objects_leave_nothing);
    tcase_add_test(tests, older_revision_changes_nothing);
    tcase_add_test(tests, rules_and_groups_follow);
    tcase_add_test(tests, port_with_dhcp_options_keeps_the_subnets_others);
    tcase_add_test(tests, port_without_its_network_is_unavailable);
    tcase_add_test(tests, rows_lost_behind_our_back_come_back);
    tcase_add_test(tests, what_nobody_desires_goes_and_foreign_rows_stay);
    tcase_add_test(tests, a_new_empty_database_is_filled_again);
    tcase_add_test(tests, a_restarted_server_is_found_again);
    tcase_add_test(tests, a_frozen_server_costs_no_more_than_the_timeout);
    tcase_add_test(tests, port_status_is_told);
    tcase_add_test(tests, many_writers_make_one_set_of_rows);
    tcase_add_test(tests, bulk_ports_are_fast_and_complete);
    tcase_add_test(tests, northd_makes_of_it_what_was_meant);
    tcase_add_loop_test(tests, nonsense_from_a_peer_is_survived, 0, N_ELEMENTS(lies));
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? 1 : 0;
}
