// SPDX-License-Identifier: Apache-2.0
// The agent's parts put together, and the messages it gets.
#include "services/compute/hypervisor/agent.h"

#include <string.h>

#include "common/log/log.h"
#include "services/compute/hypervisor/agent_main.h"
#include "services/compute/hypervisor/console.h"
#include "services/compute/hypervisor/files.h"
#include "services/compute/hypervisor/layers.h"

#define TICK_MS 5000
#define TOMBSTONE_US (INT64_C(3600) * G_USEC_PER_SEC)

// clang-format off
const struct setting AGENT_SETTINGS[] = {
    {"agent", "host",               SETTING_TEXT, "",                0, 0,        "",     "this host's name; empty: the system's"},
    {"agent", "address",            SETTING_TEXT, "127.0.0.1",       0, 0,        "",     "this host's management address"},
    {"agent", "state_dir",          SETTING_TEXT, "/var/lib/haneul", 0, 0,        "",     "servers' orders, disks and consoles"},
    {"agent", "image_dir",          SETTING_TEXT, "",                0, 0,        "",     "cached images; empty: images in state_dir"},
    {"agent", "driver",             SETTING_TEXT, "libvirt",         0, 0,        "",     "libvirt or simulated"},
    {"agent", "threads",            SETTING_INT,  "4",               1, 256,      "",     "servers worked on at once"},
    {"agent", "report_interval_ms", SETTING_INT,  "5000",            100, 60000,  "ms",   "how often the host reports itself"},
    {"agent", "lease_s",            SETTING_INT,  "20",              1, 3600,     "s",    "how long a report is good for"},
    {"agent", "fence",              SETTING_BOOL, "false",           0, 0,        "",     "stop all guests when no report was confirmed for lease_s; needed where servers may be started elsewhere"},
    {"agent", "max_attempts",       SETTING_INT,  "8",               1, 1000,     "",     "failures in a row until a server is given up"},
    {"agent", "shutdown_timeout_s", SETTING_INT,  "60",              0, 3600,     "s",    "time a guest has to shut down before its power is cut"},
    {"agent", "image_max_gib",      SETTING_INT,  "1024",            1, 1048576,  "GiB",  "largest image fetched"},
    {"agent", "image_max_age_s",    SETTING_INT,  "86400",           60, 31536000, "s",   "unused cached images are removed after this"},
    {"agent", "image_min_free_gib", SETTING_INT,  "10",              0, 1048576,  "GiB",  "unused cached images are removed to keep so much free"},
    {"libvirt", "uri",              SETTING_TEXT, "qemu:///system",  0, 0,        "",     "libvirt's connection URI"},
    {"libvirt", "accel",            SETTING_TEXT, "auto",            0, 0,        "",     "auto (a timed probe), kvm or tcg"},
    {"libvirt", "cpu_model",        SETTING_TEXT, "",                0, 0,        "",     "guests' CPU model; empty: the host's with KVM, qemu64 without"},
    {"libvirt", "disk_cache",       SETTING_TEXT, "",                0, 0,        "",     "QEMU's cache mode; empty: none where direct I/O works, else writeback"},
    {"ovs", "db",                   SETTING_TEXT, "unix:/run/openvswitch/db.sock", 0, 0, "", "Open vSwitch's database; empty: no metadata service here"},
    {"ovs", "bridge",               SETTING_TEXT, "br-int",          0, 0,        "",     "the integration bridge"},
    {"ovs", "netns",                SETTING_TEXT, "",                0, 0,        "",     "path of the host's network namespace, /proc/1/ns/net; empty: our own"},
    {"ovs", "checksum_offload",     SETTING_TEXT, "auto",            0, 0,        "",     "guests leave checksums to the host: true, false, or auto: not where the datapath is in user space (netdev)"},
    {"simulated", "delay_ms",       SETTING_INT,  "0",               0, 600000,   "ms",   "how long each operation of the simulated driver takes"},
    {"simulated", "vcpus",          SETTING_INT,  "64",              1, 1000000,  "",     "what the simulated host has"},
    {"simulated", "ram_mib",        SETTING_INT,  "262144",          1, 1000000000, "MiB", "what the simulated host has"},
    {"simulated", "disk_gib",       SETTING_INT,  "10000",           1, 1000000000, "GiB", "what the simulated host has"},
    {0},
};

static enum rc on_order(struct agent *agent, const struct message *message, struct err *err);
static enum rc on_sync(struct agent *agent, const struct message *message, struct err *err);
static enum rc on_console(struct agent *agent, const struct message *message, struct err *err);
static enum rc on_layers(struct agent *agent, const struct message *message, struct err *err);
static const struct {
    const char *type;
    enum rc (*handle)(struct agent *agent, const struct message *message, struct err *err);
} MESSAGES[] = {
    {"server.order", on_order},
    {"host.sync", on_sync},
    {"server.console", on_console},
    {"server.layers", on_layers},
};
// clang-format on

static enum rc agent_open(struct agent *agent, struct err *err) CHECKED;
static enum rc on_message(const struct message *message, void *context, struct err *err);
static void tick(void *context);

static void
boot_id_read(char ret_id[UUID_SIZE])
{
    g_autofree char *text = NULL;
    if (g_file_get_contents("/proc/sys/kernel/random/boot_id", &text, NULL, NULL)) {
        g_strlcpy(ret_id, g_strstrip(text), UUID_SIZE);
    }
}

enum rc
agent_start(struct service *service, void **ret_context, struct err *err)
{
    struct agent *agent = g_new0(struct agent, 1);
    agent->service = service;
    agent->conf = service_conf(service);
    const char *host = conf_text(agent->conf, "agent", "host");
    agent->host = g_strdup(*host ? host : g_get_host_name());
    agent->state_dir = conf_text(agent->conf, "agent", "state_dir");
    g_mutex_init(&agent->mutex);
    agent->tracks = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    boot_id_read(agent->boot_id);
    *ret_context = agent;
    enum rc rc = agent_open(agent, err);
    if (rc) {
        return rc;
    }
    g_autofree char *key = g_strconcat("host.", agent->host, NULL);
    const char *const bindings[] = {key, NULL};
    const struct subscription subscription = {.kind = QUEUE_HOST,
                                              .queue = key,
                                              .bindings = bindings,
                                              .handle = on_message,
                                              .context = agent};
    rc = bus_subscribe(service_bus(service), &subscription, err);
    if (rc) {
        return rc;
    }
    server_wake_all(agent);
    service_every(service, "report", (int)conf_int(agent->conf, "agent", "report_interval_ms"),
                  report_host, agent);
    service_every(service, "tick", TICK_MS, tick, agent);
    return RC_OK;
}

void
agent_stop(struct service *service, void *context)
{
    struct agent *agent = context;
    if (!agent) {
        return;
    }
    if (agent->converge) { // its threads use the driver
        converge_stop(agent->converge);
    }
    if (agent->driver_self) { // it wakes servers
        agent->driver->close(agent->driver_self);
    }
    if (agent->converge) {
        converge_free(agent->converge);
    }
    metadata_server_stop(agent->metadata);
    metadata_net_free(agent->net);
    image_cache_free(agent->images);
    desired_free(agent->desired);
    g_hash_table_destroy(agent->tracks);
    g_mutex_clear(&agent->mutex);
    g_free(agent->host);
    g_free(agent);
}

// ---- opening

static void
on_notify(const char *server_id, void *context)
{
    struct agent *agent = context;
    if (server_id) {
        converge_wake(agent->converge, server_id);
    } else {
        server_wake_all(agent);
    }
}

static enum rc
driver_open(struct agent *agent, struct err *err)
{
    const char *name = conf_text(agent->conf, "agent", "driver");
    agent->driver = driver_find(name);
    if (!agent->driver) {
        return fault(err, RC_INVALID, "setting [agent] driver: there is no driver '%s'", name);
    }
    const struct driver_setup setup = {agent->conf, agent->state_dir, on_notify, agent};
    return agent->driver->open(&setup, &agent->driver_self, err);
}

static enum rc
images_open(struct agent *agent, struct err *err)
{
    const char *set = conf_text(agent->conf, "agent", "image_dir");
    g_autofree char *dir =
        *set ? g_strdup(set) : g_build_filename(agent->state_dir, "images", NULL);
    const struct image_cache_config config = {
        .dir = dir,
        .max_image_bytes = conf_int(agent->conf, "agent", "image_max_gib") << 30,
        .max_age_s = conf_int(agent->conf, "agent", "image_max_age_s"),
        .min_free_bytes = conf_int(agent->conf, "agent", "image_min_free_gib") << 30,
    };
    return image_cache_open(&config, &agent->images, err);
}

static struct order *
guest_find(const char *network_id, const char *address, void *context)
{
    struct agent *agent = context;
    g_autoptr(GPtrArray) ids = desired_list(agent->desired);
    for (guint i = 0; i < ids->len; i++) {
        struct server_record record;
        if (!desired_find(agent->desired, ids->pdata[i], &record)) {
            continue;
        }
        struct order *order = record.order;
        for (size_t k = 0; order->want != WANT_ABSENT && k < order->n_ports; k++) {
            const struct order_port *port = &order->ports[k];
            for (size_t n = 0; n < port->n_ips; n++) {
                if (strcmp(port->network_id, network_id) == 0 &&
                    strcmp(port->ips[n].ip, address) == 0) {
                    return order; // record's reference goes to the caller
                }
            }
        }
        server_record_done(&record);
    }
    return NULL;
}

static enum rc
metadata_open(struct agent *agent, struct err *err)
{
    const char *db = conf_text(agent->conf, "ovs", "db");
    if (!*db || !agent->driver->uses_network) {
        return RC_OK;
    }
    g_autofree char *socket_path = g_build_filename(agent->state_dir, "metadata.sock", NULL);
    g_autofree char *ovsdb = *db == '/' ? g_strconcat("unix:", db, NULL) : g_strdup(db);
    const struct metadata_net_config config = {ovsdb, conf_text(agent->conf, "ovs", "bridge"),
                                               conf_text(agent->conf, "ovs", "netns"), socket_path};
    enum rc rc = metadata_server_start(socket_path, guest_find, agent, &agent->metadata, err);
    if (rc == RC_OK) {
        agent->net = metadata_net_new(&config);
    }
    return rc;
}

static enum rc
agent_open(struct agent *agent, struct err *err)
{
    g_autofree char *servers = g_build_filename(agent->state_dir, "servers", NULL);
    g_autofree char *instances = g_build_filename(agent->state_dir, "instances", NULL);
    size_t n_broken = 0;
    enum rc rc = file_dir_make(instances, 0711, err);
    if (rc == RC_OK) {
        rc = desired_open(servers, &agent->desired, &n_broken, err);
    }
    if (n_broken) {
        log_error("broken server records set aside", kv_int("n", (int64_t)n_broken));
    }
    if (rc == RC_OK) {
        rc = images_open(agent, err);
    }
    if (rc) {
        return rc;
    }
    int n_threads = (int)conf_int(agent->conf, "agent", "threads");
    agent->converge = converge_new(n_threads, server_converge, agent);
    rc = driver_open(agent, err);
    return rc ? rc : metadata_open(agent, err);
}

// ---- now and then

static void
images_evict(struct agent *agent)
{
    g_autoptr(GHashTable) used = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GPtrArray) ids = desired_list(agent->desired);
    for (guint i = 0; i < ids->len; i++) {
        struct server_record record;
        if (desired_find(agent->desired, ids->pdata[i], &record)) {
            if (record.order->image.id) {
                g_hash_table_add(used, g_strdup(record.order->image.id));
            }
            server_record_done(&record);
        }
    }
    size_t n = image_cache_evict(agent->images, used);
    if (n) {
        log_info("cached images removed", kv_int("n", (int64_t)n));
    }
}

static void
tracks_prune(struct agent *agent)
{
    g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agent->mutex);
    GHashTableIter iter;
    gpointer id;
    g_hash_table_iter_init(&iter, agent->tracks);
    while (g_hash_table_iter_next(&iter, &id, NULL)) {
        struct server_record record;
        if (desired_find(agent->desired, id, &record)) {
            server_record_done(&record);
        } else {
            g_hash_table_iter_remove(&iter);
        }
    }
}

static void
tick(void *context)
{
    struct agent *agent = context;
    if (agent->net) {
        metadata_net_tick(agent->net);
    }
    images_evict(agent);
    desired_prune(agent->desired, now_us() - TOMBSTONE_US);
    tracks_prune(agent);
}

// ---- messages

static enum rc
on_message(const struct message *message, void *context, struct err *err)
{
    for (size_t i = 0; i < N_ELEMENTS(MESSAGES); i++) {
        if (strcmp(MESSAGES[i].type, message->type) == 0) {
            return MESSAGES[i].handle(context, message, err);
        }
    }
    return fault(err, RC_INVALID, "message type '%s' is not known here", message->type);
}

// An absent order need not say which ports the server had.
static json_t *
order_complete(struct agent *agent, json_t *body)
{
    const char *id = json_string_value(json_object_get(body, "server_id"));
    json_t *whole = json_copy(body);
    struct server_record record;
    if (id && desired_find(agent->desired, id, &record)) {
        json_t *ports = json_object_get(record.order->json, "ports");
        if (ports && !json_object_get(body, "ports")) {
            json_object_set(whole, "ports", ports);
        }
        server_record_done(&record);
    }
    return whole;
}

static enum rc
on_order(struct agent *agent, const struct message *message, struct err *err)
{
    json_auto_t *body = order_complete(agent, message->body);
    auto_order *order = NULL;
    bool is_newer = false;
    enum rc rc = order_from_json(body, &order, err);
    if (rc) {
        log_error("order refused", kv("message_id", message->id), kv("error", err->message));
        return rc;
    }
    rc = desired_put(agent->desired, order, &is_newer, err);
    if (rc) {
        return rc;
    }
    if (is_newer) {
        log_info("order", kv("server_id", order->server_id), kv("state", order->state),
                 kv_int("generation", order->generation));
        g_autoptr(GMutexLocker) lock = g_mutex_locker_new(&agent->mutex);
        struct track *track = track_get(agent, order->server_id);
        track->attempts = 0;
        track->due_ms = 0;
        track->shutdown_ms = -1; // a guest that may go on and is stopped later gets its full time
    } else {
        server_report_again(agent, order->server_id);
    }
    converge_wake(agent->converge, order->server_id);
    return RC_OK;
}

static enum rc
on_sync(struct agent *agent, const struct message *message, struct err *err)
{
    server_report_again(agent, NULL);
    server_wake_all(agent);
    return RC_OK;
}

// The server that a question is about; answers it when there is none.
static bool
asked_find(struct agent *agent, const struct message *message, struct server_record *ret_record,
           enum rc *ret_rc, struct err *err)
{
    const char *id = json_string_value(json_object_get(message->body, "server_id"));
    if (id && order_id_is_safe(id) && desired_find(agent->desired, id, ret_record)) {
        return true;
    }
    struct err missing;
    rc_ignore(fault(&missing, RC_NOT_FOUND, "server '%s' is not on host '%s'", id ? id : "?",
                    agent->host));
    *ret_rc = bus_reply(service_bus(agent->service), message, NULL, &missing, err);
    return false;
}

static enum rc
on_console(struct agent *agent, const struct message *message, struct err *err)
{
    json_t *length = json_object_get(message->body, "length");
    struct server_record record;
    enum rc rc;
    if (!asked_find(agent, message, &record, &rc, err)) {
        return rc;
    }
    auto_guest_paths paths = guest_paths_new(agent->state_dir, record.order->server_id);
    server_record_done(&record);
    g_autofree char *text =
        console_tail(paths.console, json_is_integer(length) ? json_integer_value(length) : -1);
    json_auto_t *body = json_pack("{s:s}", "output", text);
    return bus_reply(service_bus(agent->service), message, body, NULL, err);
}

static enum rc
on_layers(struct agent *agent, const struct message *message, struct err *err)
{
    struct server_record record;
    enum rc rc;
    if (!asked_find(agent, message, &record, &rc, err)) {
        return rc;
    }
    auto_guest_paths paths = guest_paths_new(agent->state_dir, record.order->server_id);
    const struct order_image *image = &record.order->image;
    json_auto_t *body =
        json_pack("{s:o, s:s?, s:s?, s:s?, s:s?}", "layers", layers_read(paths.disk), "image_id",
                  image->id, "image_disk_format", image->disk_format, "image_os_hash_algo",
                  image->hash_algo, "image_os_hash_value", image->hash_value);
    server_record_done(&record);
    return bus_reply(service_bus(agent->service), message, body, NULL, err);
}
