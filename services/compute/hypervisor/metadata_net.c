// SPDX-License-Identifier: Apache-2.0
#include "services/compute/hypervisor/metadata_net.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/util.h"
#include "common/log/log.h"
#include "services/compute/hypervisor/command.h"
#include "services/compute/hypervisor/guest.h"

#define NAMESPACE_PREFIX "ovnmeta-"
#define NAMESPACE_DIR "/run/netns"
#define METADATA_CIDR "169.254.169.254/32"
#define DEVICE_SIZE 16

struct network {
    char id[UUID_SIZE];
    char port_id[65]; // "" : ovnmeta-<id>
    char cidr[64];    // our address on the network with its prefix; "": none but METADATA_CIDR
    int64_t prefix;   // of the subnet
    int64_t mtu;
    char outer[DEVICE_SIZE], inner[DEVICE_SIZE];              // the veth pair
    char name[UUID_SIZE + sizeof NAMESPACE_PREFIX], path[80]; // of the namespace
    pid_t proxy;                                              // 0: none
    int lifeline;                                             // -1: none
    bool is_told;                                             // the log says that it is not served
};

struct metadata_net {
    struct metadata_net_config config;
    GMutex mutex;         // guards networks, and namespaces while they are made and taken away
    GHashTable *networks; // id → struct network *
    char *self;           // our own program
    char *db_option;      // --db=…
};

static enum rc network_make(struct metadata_net *net, struct network *network,
                            struct err *err) CHECKED;
static void network_remove(struct metadata_net *net, struct network *network);
static void proxy_stop(struct network *network);

static void
network_free(gpointer data)
{
    proxy_stop(data);
    g_free(data);
}

struct metadata_net *
metadata_net_new(const struct metadata_net_config *config)
{
    struct metadata_net *net = g_new0(struct metadata_net, 1);
    net->config =
        (struct metadata_net_config){g_strdup(config->ovsdb), g_strdup(config->bridge),
                                     g_strdup(config->netns), g_strdup(config->agent_socket)};
    g_mutex_init(&net->mutex);
    net->networks = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, network_free);
    net->self = g_file_read_link("/proc/self/exe", NULL);
    net->db_option = g_strconcat("--db=", config->ovsdb, NULL);
    return net;
}

void
metadata_net_free(struct metadata_net *net)
{
    if (net) {
        g_hash_table_destroy(net->networks);
        g_mutex_clear(&net->mutex);
        g_free((char *)net->config.ovsdb);
        g_free((char *)net->config.bridge);
        g_free((char *)net->config.netns);
        g_free((char *)net->config.agent_socket);
        g_free(net->self);
        g_free(net->db_option);
        g_free(net);
    }
}

static struct network *
network_new(const char *id)
{
    struct network *network = g_new0(struct network, 1);
    g_strlcpy(network->id, id, sizeof network->id);
    g_snprintf(network->outer, DEVICE_SIZE, "mdo%.11s", id);
    g_snprintf(network->inner, DEVICE_SIZE, "mdi%.11s", id);
    g_snprintf(network->name, sizeof network->name, NAMESPACE_PREFIX "%s", id);
    g_snprintf(network->path, sizeof network->path, NAMESPACE_DIR "/%s", network->name);
    network->lifeline = -1;
    return network;
}

bool
metadata_net_has(struct metadata_net *net, const char *network_id)
{
    g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&net->mutex);
    return g_hash_table_contains(net->networks, network_id);
}

static void
network_make_or_log(struct metadata_net *net, struct network *network)
{
    struct err err = {0};
    bool is_failed = network_make(net, network, &err) != RC_OK;
    if (is_failed && !network->is_told) {
        log_warn("metadata is not served yet", kv("network_id", network->id),
                 kv("error", err.message));
    } else if (!is_failed) {
        log_info("metadata served", kv("network_id", network->id), kv("address", network->cidr));
    }
    network->is_told = is_failed;
}

void
metadata_net_add(struct metadata_net *net, const struct order_port *port)
{
    g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&net->mutex);
    if (g_hash_table_contains(net->networks, port->network_id)) {
        return;
    }
    struct network *network = network_new(port->network_id);
    network->mtu = port->mtu;
    g_strlcpy(network->port_id, port->metadata_port_id ? port->metadata_port_id : "",
              sizeof network->port_id);
    for (size_t i = 0; i < port->n_ips && network->prefix == 0; i++) {
        network->prefix = strchr(port->ips[i].ip, ':') ? 0 : port->ips[i].prefix;
    }
    if (port->metadata_ip && network->prefix) {
        g_snprintf(network->cidr, sizeof network->cidr, "%s/%d", port->metadata_ip,
                   (int)network->prefix);
    }
    g_hash_table_insert(net->networks, network->id, network);
    network_make_or_log(net, network);
}

void
metadata_net_tick(struct metadata_net *net)
{
    g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&net->mutex);
    GHashTableIter iter;
    gpointer value;
    g_hash_table_iter_init(&iter, net->networks);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        struct network *network = value;
        if (network->proxy && waitpid(network->proxy, NULL, WNOHANG) == network->proxy) {
            network->proxy = 0;
            proxy_stop(network);
        }
        if (!network->proxy) {
            network_make_or_log(net, network);
        }
    }
}

void
metadata_net_sweep(struct metadata_net *net, metadata_used_fn is_used, void *context)
{
    g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&net->mutex);
    g_autoptr(GDir) listing = g_dir_open(NAMESPACE_DIR, 0, NULL);
    for (const char *name = listing ? g_dir_read_name(listing) : NULL; name;
         name = g_dir_read_name(listing)) {
        const char *id = name + strlen(NAMESPACE_PREFIX);
        if (!g_str_has_prefix(name, NAMESPACE_PREFIX) || !order_id_is_safe(id) ||
            is_used(id, context)) {
            continue;
        }
        struct network *network = network_new(id);
        g_hash_table_remove(net->networks, id);
        network_remove(net, network);
        network_free(network);
    }
    // Those that could not be made: one without a port for it never can.
    GHashTableIter iter;
    gpointer each;
    g_hash_table_iter_init(&iter, net->networks);
    while (g_hash_table_iter_next(&iter, &each, NULL)) {
        if (!is_used(each, context)) {
            g_hash_table_iter_remove(&iter);
        }
    }
}

// Runs in the host's network namespace.
#define HOST(net, output, err, ...) COMMAND_RUN((net)->config.netns, output, err, __VA_ARGS__)
#define OVS(net, output, err, ...)                                                               \
    COMMAND_RUN((net)->config.netns, output, err, "ovs-vsctl", (net)->db_option, "--timeout=10", \
                __VA_ARGS__)

enum rc
metadata_net_tap_remove(struct metadata_net *net, const char *port_id, struct err *err)
{
    char tap[GUEST_TAP_SIZE];
    guest_tap(port_id, tap);
    return OVS(net, NULL, err, "--if-exists", "del-port", net->config.bridge, tap);
}

// ---- making

static enum rc
southbound_find(struct metadata_net *net, char **ret_address, struct err *err)
{
    enum rc rc = OVS(net, ret_address, err, "get", "open_vswitch", ".", "external_ids:ovn-remote");
    if (rc == RC_OK) {
        g_strdelimit(*ret_address, "\"\n", ' ');
        g_strstrip(*ret_address);
    }
    return rc;
}

// "fa:16:3e:00:00:02 10.0.0.2" of a localport that the southbound database has; "": it has none of
// that name.
static enum rc
localport_ask(struct metadata_net *net, const char *southbound, const char *name, char **ret_line,
              struct err *err)
{
    g_autofree char *db = g_strconcat("--db=", southbound, NULL);
    g_autofree char *condition = g_strconcat("logical_port=", name, NULL);
    return HOST(net, ret_line, err, "ovn-sbctl", db, "--timeout=5", "--no-leader-only", "--bare",
                "--columns=mac", "find", "port_binding", "type=localport", condition);
}

// The hardware address that the switch tells guests for the metadata address: the leg must have the
// same.
static enum rc
localport_find(struct metadata_net *net, struct network *network, char ret_mac[18], struct err *err)
{
    g_autofree char *southbound = NULL;
    enum rc rc = southbound_find(net, &southbound, err);
    const char *const names[] = {network->port_id, network->name};
    for (size_t i = 0; rc == RC_OK && i < N_ELEMENTS(names); i++) {
        g_autofree char *line = NULL;
        rc = *names[i] ? localport_ask(net, southbound, names[i], &line, err) : RC_OK;
        g_auto(GStrv) words = g_strsplit_set(line ? g_strstrip(line) : "", " \n", 0);
        if (rc || !words[0] || strlen(words[0]) != 17) {
            continue;
        }
        g_strlcpy(network->port_id, names[i], sizeof network->port_id);
        g_strlcpy(ret_mac, words[0], 18);
        if (!*network->cidr && words[1] && network->prefix) {
            g_snprintf(network->cidr, sizeof network->cidr, "%s/%d", words[1],
                       (int)network->prefix);
        }
        return RC_OK;
    }
    return rc ? rc
              : fault(err, RC_UNAVAILABLE, "the southbound database has no localport '%s'",
                      network->name);
}

static enum rc
namespace_make(struct metadata_net *net, const struct network *network, struct err *err)
{
    struct err ignored;
    if (COMMAND_RUN(network->path, NULL, &ignored, "ip", "link", "show", "dev", network->inner) ==
        RC_OK) {
        return RC_OK;
    }
    rc_ignore(HOST(net, NULL, &ignored, "ip", "netns", "delete", network->name));
    rc_ignore(HOST(net, NULL, &ignored, "ip", "link", "delete", "dev", network->outer));
    rc_ignore(OVS(net, NULL, &ignored, "--if-exists", "del-port", network->outer));
    enum rc rc = HOST(net, NULL, err, "ip", "netns", "add", network->name);
    if (rc == RC_OK) {
        rc = HOST(net, NULL, err, "ip", "link", "add", "name", network->outer, "type", "veth",
                  "peer", "name", network->inner);
    }
    return rc ? rc
              : HOST(net, NULL, err, "ip", "link", "set", "dev", network->inner, "netns",
                     network->name);
}

// Every command may run again.
static enum rc
leg_set_up(struct metadata_net *net, const struct network *network, const char *mac,
           struct err *err)
{
    const char *ns = network->path;
    char mtu[16];
    g_snprintf(mtu, sizeof mtu, "%d", network->mtu > 0 ? (int)network->mtu : 1500);
    const char *const commands[][9] = {
        {"ip", "link", "set", "dev", "lo", "up"},
        {"ip", "link", "set", "dev", network->inner, "address", mac},
        {"ip", "link", "set", "dev", network->inner, "mtu", mtu, "up"},
        {"ip", "address", "replace", METADATA_CIDR, "dev", network->inner},
        // The switch's datapath may read raw frames: nobody would fill in a checksum left to
        // hardware.
        {"ethtool", "-K", network->inner, "tx", "off"},
        {"ip", "address", "replace", network->cidr, "dev", network->inner},
    };
    size_t n = N_ELEMENTS(commands) - (*network->cidr ? 0 : 1);
    for (size_t i = 0; i < n; i++) {
        enum rc rc =
            command_run(&(const struct command){.argv = commands[i], .netns = ns}, NULL, err);
        if (rc) {
            return rc;
        }
    }
    enum rc rc = HOST(net, NULL, err, "ip", "link", "set", "dev", network->outer, "up");
    return rc ? rc : HOST(net, NULL, err, "ethtool", "-K", network->outer, "tx", "off");
}

static enum rc
network_make(struct metadata_net *net, struct network *network, struct err *err)
{
    char mac[18];
    enum rc rc = localport_find(net, network, mac, err);
    if (rc == RC_OK) {
        rc = namespace_make(net, network, err);
    }
    if (rc == RC_OK) {
        rc = leg_set_up(net, network, mac, err);
    }
    g_autofree char *iface = g_strconcat("external_ids:iface-id=", network->port_id, NULL);
    if (rc == RC_OK) {
        rc = OVS(net, NULL, err, "--may-exist", "add-port", net->config.bridge, network->outer,
                 "--", "set", "interface", network->outer, iface);
    }
    if (rc == RC_OK) {
        const char *argv[] = {net->self, "--metadata-proxy", net->config.agent_socket, network->id,
                              NULL};
        const struct command proxy = {.argv = argv, .netns = network->path};
        rc = command_start(&proxy, &network->proxy, &network->lifeline, err);
    }
    return rc;
}

// ---- taking away

static void
proxy_stop(struct network *network)
{
    if (network->lifeline >= 0) {
        close(network->lifeline);
        network->lifeline = -1;
    }
    if (network->proxy) {
        kill(network->proxy, SIGKILL);
        waitpid(network->proxy, NULL, 0);
        network->proxy = 0;
    }
}

static void
network_remove(struct metadata_net *net, struct network *network)
{
    struct err err = {0};
    enum rc rc =
        OVS(net, NULL, &err, "--if-exists", "del-port", net->config.bridge, network->outer);
    struct err ignored;
    rc_ignore(HOST(net, NULL, &ignored, "ip", "link", "delete", "dev", network->outer));
    if (rc == RC_OK) {
        rc = HOST(net, NULL, &err, "ip", "netns", "delete", network->name);
    }
    if (rc) {
        log_warn("metadata namespace not removed, trying again later",
                 kv("network_id", network->id), kv("error", err.message));
    } else {
        log_info("metadata namespace removed", kv("network_id", network->id));
    }
}
