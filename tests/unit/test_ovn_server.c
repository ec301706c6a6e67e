// SPDX-License-Identifier: Apache-2.0
// The network's OVN side against a real ovsdb-server: what is applied is there, once; what is lost
// comes back.
#include "common/base/util.h"
#include "services/network/ovn/ovn.h"
#include <check.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define NET "10000000-0000-4000-8000-000000000001"
#define EXT "10000000-0000-4000-8000-000000000002"
#define SUBNET "20000000-0000-4000-8000-000000000001"
#define GROUP "30000000-0000-4000-8000-000000000001"
#define PORT "40000000-0000-4000-8000-000000000001"
#define RPORT "40000000-0000-4000-8000-000000000002"
#define GPORT "40000000-0000-4000-8000-000000000003"
#define MPORT "40000000-0000-4000-8000-000000000004"
#define ROUTER "50000000-0000-4000-8000-000000000001"
#define FIP "60000000-0000-4000-8000-000000000001"
#define DEADLINE_MS 10000

static char *dir;
static GPid nb_pid, sb_pid, northd_pid;
static struct ovn *ovn;
static char nb_remote[128], sb_remote[128];

static void
die_with_parent(gpointer data)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static void
wait_listening(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s/%s.sock", dir, name);
    for (int64_t until = monotonic_ms() + DEADLINE_MS; monotonic_ms() < until; g_usleep(5000)) {
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        bool listening = !connect(fd, (struct sockaddr *)&address, sizeof address);
        close(fd);
        if (listening) {
            return;
        }
    }
    ck_abort_msg("%s does not listen", name);
}

static GPid
start_server(const char *name)
{
    g_autofree char *db = g_strdup_printf("%s/%s.db", dir, name);
    g_autofree char *schema = g_strdup_printf("/usr/share/ovn/ovn-%s.ovsschema", name);
    g_autofree char *remote = g_strdup_printf("--remote=punix:%s/%s.sock", dir, name);
    g_autofree char *control = g_strdup_printf("--unixctl=%s/%s.ctl", dir, name);
    if (access(db, F_OK)) {
        g_autofree char *create = g_strdup_printf("ovsdb-tool create %s %s", db, schema);
        ck_assert_int_eq(system(create), 0);
    }
    const char *argv[] = {"ovsdb-server", db, remote, control, "-vconsole:off", NULL};
    GPid pid = 0;
    GSpawnFlags flags = G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD;
    ck_assert(g_spawn_async(dir, (char **)argv, NULL, flags, die_with_parent, NULL, &pid, NULL));
    wait_listening(name);
    return pid;
}

static GPid
start_northd(void)
{
    g_autofree char *nb = g_strdup_printf("--ovnnb-db=unix:%s/nb.sock", dir);
    g_autofree char *sb = g_strdup_printf("--ovnsb-db=unix:%s/sb.sock", dir);
    g_autofree char *control = g_strdup_printf("--unixctl=%s/northd.ctl", dir);
    g_autofree char *log = g_strdup_printf("--log-file=%s/northd.log", dir);
    const char *argv[] = {"ovn-northd", nb, sb, control, log, "-vconsole:off", NULL};
    GPid pid = 0;
    GSpawnFlags flags = G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD;
    ck_assert(g_spawn_async(dir, (char **)argv, NULL, flags, die_with_parent, NULL, &pid, NULL));
    return pid;
}

static void
stop_server(GPid *pid)
{
    if (*pid) {
        kill(*pid, SIGKILL);
        waitpid(*pid, NULL, 0);
        *pid = 0;
    }
}

// Standard output of `ovn-nbctl …` or `ovn-sbctl …`; waits for the server.
static char *
ctl(const char *tool, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *command = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    const char *options = !strcmp(tool, "ovn-trace") ? "" : "--timeout=10 --no-leader-only";
    const char *name = !strcmp(tool, "ovn-nbctl") ? "nb" : "sb";
    g_autofree char *line =
        g_strdup_printf("%s %s --db=unix:%s/%s.sock %s", tool, options, dir, name, command);
    char *out = NULL;
    int status = 1;
    ck_assert(g_spawn_command_line_sync(line, &out, NULL, &status, NULL));
    ck_assert_msg(status == 0, "%s", line);
    return out;
}

#define assert_nb(command, expected)                              \
    do {                                                          \
        g_autofree char *found = ctl("ovn-nbctl", "%s", command); \
        ck_assert_str_eq(g_strstrip(found), expected);            \
    } while (0)

static int
n_rows(const char *table)
{
    g_autofree char *out = ctl("ovn-nbctl", "--bare --columns=_uuid list %s", table);
    g_auto(GStrv) words = g_strsplit_set(out, " \n", -1);
    int n = 0;
    for (char **word = words; *word; word++) {
        n += **word != 0;
    }
    return n;
}

static const char *const our_tables[] = {"Logical_Switch",
                                         "Logical_Switch_Port",
                                         "DHCP_Options",
                                         "Port_Group",
                                         "ACL",
                                         "Logical_Router",
                                         "Logical_Router_Port",
                                         "Logical_Router_Static_Route",
                                         "NAT",
                                         "Gateway_Chassis"};

struct events {
    GMutex lock;
    GCond cond;
    int n_resyncs;
    GHashTable *up; // port id → up + 1
};
static struct events events;

static void
on_port_status(void *context, const char *port_id, bool up)
{
    g_mutex_lock(&events.lock);
    g_hash_table_replace(events.up, g_strdup(port_id), GINT_TO_POINTER(up + 1));
    g_cond_broadcast(&events.cond);
    g_mutex_unlock(&events.lock);
}

static void
on_resync_due(void *context, const char *reason)
{
    g_mutex_lock(&events.lock);
    events.n_resyncs++;
    g_cond_broadcast(&events.cond);
    g_mutex_unlock(&events.lock);
}

static bool
wait_status(const char *port_id, bool up)
{
    int64_t until = g_get_monotonic_time() + DEADLINE_MS * 1000;
    g_mutex_lock(&events.lock);
    while (GPOINTER_TO_INT(g_hash_table_lookup(events.up, port_id)) != up + 1 &&
           g_cond_wait_until(&events.cond, &events.lock, until)) {
    }
    bool found = GPOINTER_TO_INT(g_hash_table_lookup(events.up, port_id)) == up + 1;
    g_mutex_unlock(&events.lock);
    return found;
}

static struct ovn *
connect_ovn(void)
{
    struct ovn *made = NULL;
    struct err err = {0};
    const struct ovn_options options = {.nb_remote = nb_remote,
                                        .sb_remote = sb_remote,
                                        .timeout_ms = 3000,
                                        .on_port_status = on_port_status,
                                        .on_resync_due = on_resync_due};
    ck_assert_msg(ovn_new(&options, &made, &err) == RC_OK, "%s", err.message);
    ck_assert(ovn_wait_ready(made, DEADLINE_MS));
    return made;
}

static void
setup(void)
{
    dir = g_dir_make_tmp("haneul-ovn-XXXXXX", NULL);
    snprintf(nb_remote, sizeof nb_remote, "unix:%s/nb.sock", dir);
    snprintf(sb_remote, sizeof sb_remote, "unix:%s/sb.sock", dir);
    events.up = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    nb_pid = start_server("nb");
    sb_pid = start_server("sb");
    g_autofree char *made =
        ctl("ovn-sbctl",
            "init -- chassis-add host-1 geneve 127.0.0.1 -- chassis-add host-2 geneve 127.0.0.2");
    ovn = connect_ovn();
}

static void
teardown(void)
{
    ovn_free(ovn);
    stop_server(&northd_pid);
    stop_server(&nb_pid);
    stop_server(&sb_pid);
    g_hash_table_unref(events.up);
    g_autofree char *command = g_strdup_printf("rm -rf %s", dir);
    ck_assert_int_eq(system(command), 0);
    g_free(dir);
}

// --- a person's network ---

static const struct nb_network net = {.id = NET, .name = "private", .revision = 3, .mtu = 1442};
static const struct nb_network ext = {.id = EXT,
                                      .name = "public",
                                      .revision = 1,
                                      .mtu = 1500,
                                      .external = true,
                                      .physical_network = "physnet1"};
static const char *const dns[] = {"192.0.2.53"};
static const struct nb_subnet subnet = {.id = SUBNET,
                                        .network_id = NET,
                                        .revision = 1,
                                        .ip_version = 4,
                                        .cidr = "10.0.0.0/24",
                                        .gateway_ip = "10.0.0.1",
                                        .enable_dhcp = true,
                                        .dns_servers = dns,
                                        .n_dns_servers = 1,
                                        .mtu = 1442,
                                        .metadata_address = "10.0.0.2"};
static const struct nb_security_group_rule rules[] = {
    {.id = "r1", .ip_version = 4, .port_min = -1, .port_max = -1},
    {.id = "r2",
     .ingress = true,
     .ip_version = 4,
     .protocol = "tcp",
     .port_min = 22,
     .port_max = 22},
    {.id = "r3",
     .ingress = true,
     .ip_version = 4,
     .port_min = -1,
     .port_max = -1,
     .remote_group_id = GROUP},
};
static const struct nb_security_group group = {
    .id = GROUP, .name = "default", .revision = 1, .stateful = true, .rules = rules, .n_rules = 3};
static const struct nb_fixed_ip port_ip = {SUBNET, "10.0.0.11", 24};
static const struct nb_fixed_ip router_ip = {SUBNET, "10.0.0.1", 24};
static const struct nb_fixed_ip gateway_ip = {"x", "203.0.113.10", 24};
static const struct nb_fixed_ip metadata_ip = {SUBNET, "10.0.0.2", 24};
static const char *const groups[] = {GROUP};
static const struct nb_port port = {.id = PORT,
                                    .name = "p",
                                    .network_id = NET,
                                    .revision = 5,
                                    .mac = "fa:16:3e:00:00:11",
                                    .fixed_ips = &port_ip,
                                    .n_fixed_ips = 1,
                                    .security_groups = groups,
                                    .n_security_groups = 1,
                                    .device_owner = "compute:nova",
                                    .admin_state_up = true,
                                    .port_security = true,
                                    .dhcp = true,
                                    .host = "host-1",
                                    .dns_name = "vm-1"};
static const struct nb_port router_port = {.id = RPORT,
                                           .network_id = NET,
                                           .revision = 1,
                                           .mac = "fa:16:3e:00:00:01",
                                           .fixed_ips = &router_ip,
                                           .n_fixed_ips = 1,
                                           .device_owner = NB_DEVICE_OWNER_ROUTER_INTERFACE,
                                           .admin_state_up = true};
static const struct nb_port gateway_port = {.id = GPORT,
                                            .network_id = EXT,
                                            .revision = 1,
                                            .mac = "fa:16:3e:00:00:f1",
                                            .fixed_ips = &gateway_ip,
                                            .n_fixed_ips = 1,
                                            .device_owner = NB_DEVICE_OWNER_ROUTER_GATEWAY,
                                            .admin_state_up = true};
static const struct nb_port metadata_port = {.id = MPORT,
                                             .network_id = NET,
                                             .revision = 1,
                                             .mac = "fa:16:3e:00:00:02",
                                             .fixed_ips = &metadata_ip,
                                             .n_fixed_ips = 1,
                                             .device_owner = NB_DEVICE_OWNER_METADATA,
                                             .admin_state_up = true};
static const struct nb_router_interface inside = {RPORT, "fa:16:3e:00:00:01", &router_ip, 1};
static const struct nb_router_interface outside = {GPORT, "fa:16:3e:00:00:f1", &gateway_ip, 1};
static const char *const next_hops[] = {"203.0.113.1"};
static const struct nb_router router = {.id = ROUTER,
                                        .name = "r",
                                        .revision = 2,
                                        .admin_state_up = true,
                                        .interfaces = &inside,
                                        .n_interfaces = 1,
                                        .gateway = &outside,
                                        .gateway_ips = next_hops,
                                        .n_gateway_ips = 1,
                                        .enable_snat = true};
static const struct nb_floatingip fip = {.id = FIP,
                                         .revision = 1,
                                         .floating_ip = "203.0.113.101",
                                         .router_id = ROUTER,
                                         .port_id = PORT,
                                         .fixed_ip = "10.0.0.11"};

#define ok(call)                                                                     \
    do {                                                                             \
        struct err err = {0};                                                        \
        enum rc rc_ = (call);                                                        \
        ck_assert_msg(rc_ == RC_OK, "%s: %s: %s", #call, rc_name(rc_), err.message); \
    } while (0)

static void
apply_all(struct ovn *to)
{
    ok(ovn_apply_network(to, &net, &err));
    ok(ovn_apply_network(to, &ext, &err));
    ok(ovn_apply_subnet(to, &subnet, &err));
    ok(ovn_apply_security_group(to, &group, &err));
    ok(ovn_apply_ports(to, (const struct nb_port[]){port, router_port, gateway_port, metadata_port},
                       4, &err));
    ok(ovn_apply_router(to, &router, &err));
    ok(ovn_apply_floatingip(to, &fip, &err));
}

static enum rc
each_all(void *context, struct ovn_desired *desired, struct err *err)
{
    const struct nb_port *const ports[] = {&port, &router_port, &gateway_port, &metadata_port};
    enum rc rc = ovn_desired_floatingip(desired, &fip, err); // in any order
    rc = rc == RC_OK ? ovn_desired_network(desired, &net, err) : rc;
    rc = rc == RC_OK ? ovn_desired_network(desired, &ext, err) : rc;
    rc = rc == RC_OK ? ovn_desired_subnet(desired, &subnet, err) : rc;
    rc = rc == RC_OK ? ovn_desired_security_group(desired, &group, err) : rc;
    for (size_t i = 0; i < N_ELEMENTS(ports); i++) {
        rc = rc == RC_OK ? ovn_desired_port(desired, ports[i], err) : rc;
    }
    return rc == RC_OK ? ovn_desired_router(desired, &router, err) : rc;
}

static enum rc
each_none(void *context, struct ovn_desired *desired, struct err *err)
{
    return RC_OK;
}

static struct ovn_reconcile_counts
reconcile(ovn_each_fn each)
{
    struct ovn_reconcile_counts counts = {0};
    ok(ovn_reconcile(ovn, each, NULL, &counts, &err));
    return counts;
}

static void
assert_all_there(void)
{
    static const int expected[N_ELEMENTS(our_tables)] = {2, 5, 1, 2, 6, 1, 2, 1, 2, 2};
    for (size_t i = 0; i < N_ELEMENTS(our_tables); i++) {
        int n = n_rows(our_tables[i]);
        ck_assert_msg(n == expected[i], "%s has %d rows, not %d", our_tables[i], n, expected[i]);
    }
    assert_nb("--bare --columns=type,external_ip,logical_ip find NAT type=dnat_and_snat",
              "dnat_and_snat\n203.0.113.101\n10.0.0.11");
    assert_nb("--bare --columns=addresses find Logical_Switch_Port name=" PORT,
              "fa:16:3e:00:00:11 10.0.0.11");
    assert_nb("get Logical_Switch_Port " PORT " options:requested-chassis", "host-1");
    assert_nb("--bare --columns=type find Logical_Switch_Port name=ovnmeta-" NET, "localport");
    g_autofree char *lsp =
        ctl("ovn-nbctl", "--bare --columns=_uuid find Logical_Switch_Port name=%s", PORT);
    g_autofree char *dropped =
        ctl("ovn-nbctl", "--bare --columns=ports find Port_Group name=neutron_pg_drop");
    ck_assert_str_eq(lsp, dropped);
}

static void
assert_nothing_there(void)
{
    for (size_t i = 0; i < N_ELEMENTS(our_tables); i++) {
        bool has_drop_group = !strcmp(our_tables[i], "Port_Group") || !strcmp(our_tables[i], "ACL");
        int n = n_rows(our_tables[i]);
        ck_assert_msg(has_drop_group ? n <= 3 : n == 0, "%s still has %d rows", our_tables[i], n);
    }
}

// --- tests ---

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
    int n_before = events.n_resyncs;
    stop_server(&nb_pid);
    nb_pid = start_server("nb");
    ok(ovn_apply_network(ovn, &net, &err));
    ck_assert_uint_eq(reconcile(each_all).n_repaired, 0);
    ck_assert_int_gt(events.n_resyncs, n_before);
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
    tcase_add_test(tests, port_without_its_network_is_unavailable);
    tcase_add_test(tests, rows_lost_behind_our_back_come_back);
    tcase_add_test(tests, what_nobody_desires_goes_and_foreign_rows_stay);
    tcase_add_test(tests, a_new_empty_database_is_filled_again);
    tcase_add_test(tests, a_restarted_server_is_found_again);
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
