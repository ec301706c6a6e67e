// SPDX-License-Identifier: Apache-2.0
// For test_ovn_server.c: private OVN databases in a folder of their own, and a person's network to
// put into them.
#pragma once
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
#define DEADLINE_MS 40000

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

static bool
wait_resync(int n_before)
{
    int64_t until = g_get_monotonic_time() + DEADLINE_MS * 1000;
    g_mutex_lock(&events.lock);
    while (events.n_resyncs <= n_before && g_cond_wait_until(&events.cond, &events.lock, until)) {
    }
    bool found = events.n_resyncs > n_before;
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

#ifndef ok // whoever is no test says what to do on failure
#define ok(call)                                                                     \
    do {                                                                             \
        struct err err = {0};                                                        \
        enum rc rc_ = (call);                                                        \
        ck_assert_msg(rc_ == RC_OK, "%s: %s: %s", #call, rc_name(rc_), err.message); \
    } while (0)
#endif

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
