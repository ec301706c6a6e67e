// SPDX-License-Identifier: Apache-2.0
// What the scheduler is told: each server's state when it changes, and the host with all its
// servers every few seconds.
#include <string.h>

#include "common/log/log.h"
#include "services/compute/hypervisor/agent.h"

#define ROUTING_KEY "compute.host"

static enum rc
publish(struct agent *agent, const char *type, int64_t generation, json_t *body, struct err *err)
{
    char id[UUID_SIZE];
    uuid_new(id);
    const struct message message = {
        .id = id,
        .type = type,
        .routing_key = ROUTING_KEY,
        .request_id = log_request_id(),
        .generation = generation,
        .body = body,
    };
    enum rc rc = body ? bus_publish(service_bus(agent->service), &message, err)
                      : fault(err, RC_INTERNAL, "cannot encode '%s'", type);
    json_decref(body);
    return rc;
}

enum rc
report_state(struct agent *agent, const struct state_report *report, struct err *err)
{
    json_t *body = json_pack(
        "{s:s, s:s, s:I, s:s, s:s, s:s, s:s}", "host", agent->host, "server_id", report->server_id,
        "generation", (json_int_t)report->generation, "state", report->state, "power_state",
        power_name(report->power), "step", report->step, "message", report->message);
    return publish(agent, "server.state", report->generation, body, err);
}

// ---- the host

struct used {
    json_int_t vcpus, ram_mib, disk_gib;
};

// Every server we have an order for, and every guest of ours nobody ordered: the scheduler then
// orders it away.
static json_t *
servers_list(struct agent *agent, GHashTable *powers, struct used *ret_used)
{
    json_t *list = json_array();
    struct used used = {0};
    g_autoptr(GPtrArray) ids = desired_list(agent->desired);
    for (guint i = 0; i < ids->len; i++) {
        struct server_record record;
        if (!desired_find(agent->desired, ids->pdata[i], &record)) {
            continue;
        }
        // Half-way through an order (a reboot, say) the guest's power says nothing.
        bool settled = server_is_settled(agent, ids->pdata[i], record.order->generation);
        enum power power =
            settled ? GPOINTER_TO_INT(g_hash_table_lookup(powers, ids->pdata[i])) : POWER_NONE;
        json_array_append_new(list, json_pack("{s:s, s:I, s:s}", "server_id", ids->pdata[i],
                                              "generation", (json_int_t)record.order->generation,
                                              "power_state", power_name(power)));
        used.vcpus += record.order->flavor.vcpus;
        used.ram_mib += record.order->flavor.ram_mib;
        used.disk_gib += record.order->flavor.disk_gib;
        g_hash_table_remove(powers, ids->pdata[i]);
        server_record_done(&record);
    }
    GHashTableIter iter;
    gpointer id, power;
    g_hash_table_iter_init(&iter, powers);
    while (g_hash_table_iter_next(&iter, &id, &power)) {
        json_array_append_new(list, json_pack("{s:s, s:i, s:s}", "server_id", id, "generation", 0,
                                              "power_state", power_name(GPOINTER_TO_INT(power))));
    }
    *ret_used = used;
    return list;
}

static enum rc
powers_find(struct agent *agent, GHashTable **ret_powers, struct err *err)
{
    g_autoptr(GPtrArray) ids = NULL;
    g_autoptr(GArray) list = NULL;
    enum rc rc = agent->driver->list(agent->driver_self, &ids, &list, err);
    if (rc) {
        return rc;
    }
    GHashTable *powers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (guint i = 0; i < ids->len; i++) {
        g_hash_table_replace(powers, g_strdup(ids->pdata[i]),
                             GINT_TO_POINTER(g_array_index(list, enum power, i)));
    }
    *ret_powers = powers;
    return RC_OK;
}

static enum rc
report_make(struct agent *agent, json_t **ret_body, struct err *err)
{
    struct host_facts facts;
    enum rc rc = agent->driver->facts(agent->driver_self, &facts, err);
    g_autoptr(GHashTable) powers = NULL;
    if (rc == RC_OK) {
        rc = powers_find(agent, &powers, err);
    }
    if (rc) {
        return rc;
    }
    struct used used;
    json_t *servers = servers_list(agent, powers, &used);
    *ret_body = json_pack(
        "{s:s, s:s, s:s, s:I, s:{s:I, s:s, s:s}, s:I, s:I, s:{s:I, s:I, s:I}, s:s, s:o}", "host",
        agent->host, "boot_id", agent->boot_id, "hypervisor_type", facts.hypervisor_type,
        "hypervisor_version", (json_int_t)facts.hypervisor_version, "cpu", "vcpus",
        (json_int_t)facts.vcpus, "arch", facts.arch, "model", facts.cpu_model, "ram_mib",
        (json_int_t)facts.ram_mib, "disk_gib", (json_int_t)facts.disk_gib, "used", "vcpus",
        used.vcpus, "ram_mib", used.ram_mib, "disk_gib", used.disk_gib, "address",
        conf_text(agent->conf, "agent", "address"), "servers", servers);
    return RC_OK;
}

// Nobody may start our guests elsewhere while they run here: who cannot renew the lease stops them
// in time.
static void
fence_if_due(struct agent *agent)
{
    int64_t lease_ms = 1000 * conf_int(agent->conf, "agent", "lease_s");
    if (agent->fenced || !agent->has_started || !conf_bool(agent->conf, "agent", "fence") ||
        monotonic_ms() - agent->confirmed_ms < lease_ms) {
        return;
    }
    agent->fenced = true;
    struct err err = {0};
    g_autoptr(GHashTable) powers = NULL;
    if (powers_find(agent, &powers, &err)) {
        log_error("cannot stop guests after the lease ran out", kv("error", err.message));
        agent->fenced = false;
        return;
    }
    GHashTableIter iter;
    gpointer id, power;
    g_hash_table_iter_init(&iter, powers);
    while (g_hash_table_iter_next(&iter, &id, &power)) {
        if (GPOINTER_TO_INT(power) != POWER_RUNNING && GPOINTER_TO_INT(power) != POWER_PAUSED) {
            continue;
        }
        enum rc rc = agent->driver->destroy(agent->driver_self, id, &err);
        agent->fenced = agent->fenced && rc == RC_OK;
        log_error("the host's lease ran out, guest stopped", kv("server_id", id),
                  kv("result", rc ? err.message : "ok"));
    }
}

void
report_host(void *context)
{
    struct agent *agent = context;
    static struct log_limit limit; // this thread's only
    struct err err = {0};
    json_t *body = NULL;
    enum rc rc = report_make(agent, &body, &err);
    if (rc == RC_OK) {
        rc = publish(agent, "host.report", 0, body, &err);
    }
    if (rc == RC_OK) {
        agent->confirmed_ms = monotonic_ms();
        agent->has_started = true;
        agent->fenced = false;
    } else if (log_limit_allows(&limit, 2)) {
        log_warn("host not reported", kv("error", err.message));
    }
    fence_if_due(agent);
}
