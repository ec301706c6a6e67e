// SPDX-License-Identifier: Apache-2.0
// A server's ports, through the network API. Ours have ids derived from the server's, so that
// making and deleting them again finds the same ones; ports that the user gave are bound and given
// back.
#include <string.h>

#include "common/log/log.h"
#include "services/compute/scheduler/work_db.h"

#define CALL_MS 5000 // four calls fit in a lease

static const char *
text_of(json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

static enum rc
network_call(struct scheduler *scheduler, const char *method, const char *path, json_t *body,
             json_t **ret_json, struct err *err)
{
    g_autofree char *url = g_strconcat(scheduler->network_url, path, NULL);
    struct call call = {.method = method, .url = url, .body = body, .timeout_ms = CALL_MS};
    return client_call(scheduler->client, &call, ret_json, err);
}

static enum rc
get_cached(struct scheduler *scheduler, const char *path, json_t **ret_json, struct err *err)
{
    json_t *found = cache_find(scheduler->cache, path);
    if (found) {
        *ret_json = found;
        return RC_OK;
    }
    enum rc rc = network_call(scheduler, "GET", path, NULL, ret_json, err);
    if (rc == RC_OK && *ret_json) {
        cache_put(scheduler->cache, path, *ret_json);
    }
    return rc;
}

static json_t *
group_ids(const struct job *job)
{
    json_t *ids = json_array(), *group;
    size_t i;
    json_array_foreach(json_object_get(job->server, "security_groups"), i, group)
    {
        if (text_of(group, "id")) { // "default" by its name alone: the network knows which one
            json_array_append(ids, json_object_get(group, "id"));
        }
    }
    return ids;
}

static json_t *
new_port_body(const struct job *job, json_t *row)
{
    json_t *port = json_pack("{s:O,s:O,s:s,s:s,s:s,s:s}", "id", json_object_get(row, "port_id"),
                             "network_id", json_object_get(row, "network_id"), "device_id", job->id,
                             "device_owner", "compute:nova", "binding:host_id",
                             job_text(job, "host"), "tenant_id", job_text(job, "project_id"));
    json_t *groups = group_ids(job);
    if (json_array_size(groups)) {
        json_object_set(port, "security_groups", groups);
    }
    json_decref(groups);
    if (text_of(row, "asked_ip")) {
        json_object_set_new(port, "fixed_ips",
                            json_pack("[{s:s}]", "ip_address", text_of(row, "asked_ip")));
    }
    return json_pack("{s:o}", "port", port);
}

static enum rc
see_given(struct scheduler *scheduler, json_t *row, json_t **ret_seen, struct err *err)
{
    g_autofree char *path = g_strdup_printf("/v2.0/ports/%s", text_of(row, "port_id"));
    enum rc rc = network_call(scheduler, "GET", path, NULL, ret_seen, err);
    return rc == RC_OK && !json_is_object(json_object_get(*ret_seen, "port"))
               ? fault(err, RC_BAD_GATEWAY, "the network's reply has no port")
               : rc;
}

// A port of the user's is changed as it was seen or not at all (RC_PRECONDITION): a change that was
// overtaken on its way by another server's, or by the end of this one, is nobody's.
static enum rc
write_given(struct scheduler *scheduler, json_t *seen, json_t *binding, json_t **ret_reply,
            struct err *err)
{
    json_t *port = json_object_get(seen, "port");
    g_autofree char *url =
        g_strdup_printf("%s/v2.0/ports/%s", scheduler->network_url, text_of(port, "id"));
    g_autofree char *match =
        g_strdup_printf("revision_number=%" JSON_INTEGER_FORMAT,
                        json_integer_value(json_object_get(port, "revision_number")));
    struct call call = {
        .method = "PUT", .url = url, .body = binding, .timeout_ms = CALL_MS, .if_match = match};
    return client_call(scheduler->client, &call, ret_reply, err);
}

// The server is still ours after the port was seen: who gives it back does so later than that.
static enum rc
bind_given(struct scheduler *scheduler, const struct job *job, json_t *row, json_t **ret_reply,
           struct err *err)
{
    struct db *db;
    json_auto_t *seen = NULL;
    enum rc rc = see_given(scheduler, row, &seen, err);
    if (rc != RC_OK || (rc = db_get(scheduler->pool, &db, err)) != RC_OK ||
        (rc = work_db_renew(db, job, err)) != RC_OK) {
        return rc;
    }
    json_auto_t *binding =
        json_pack("{s:{s:s,s:s,s:s}}", "port", "device_id", job->id, "device_owner", "compute:nova",
                  "binding:host_id", job_text(job, "host"));
    return write_given(scheduler, seen, binding, ret_reply, err);
}

static enum rc
make_one(struct scheduler *scheduler, const struct job *job, json_t *row, json_t **ret_port,
         struct err *err)
{
    json_auto_t *reply = NULL;
    enum rc rc;
    if (json_is_true(json_object_get(row, "is_ours"))) {
        json_auto_t *body = new_port_body(job, row);
        rc = network_call(scheduler, "POST", "/v2.0/ports", body, &reply, err);
    } else {
        rc = bind_given(scheduler, job, row, &reply, err);
    }
    if (rc == RC_OK && !json_is_object(json_object_get(reply, "port"))) {
        rc = fault(err, RC_BAD_GATEWAY, "the network's reply has no port");
    }
    if (rc == RC_OK) {
        *ret_port = json_incref(json_object_get(reply, "port"));
    }
    return rc;
}

static enum rc
address_of(struct scheduler *scheduler, json_t *fixed_ip, json_t **ret_address, struct err *err)
{
    json_auto_t *reply = NULL;
    g_autofree char *path = g_strdup_printf("/v2.0/subnets/%s", text_of(fixed_ip, "subnet_id"));
    enum rc rc = get_cached(scheduler, path, &reply, err);
    if (rc != RC_OK) {
        return rc;
    }
    json_t *subnet = json_object_get(reply, "subnet");
    const char *cidr = text_of(subnet, "cidr"), *slash = cidr ? strchr(cidr, '/') : NULL;
    *ret_address = json_pack("{s:O,s:O,s:i,s:s?}", "ip", json_object_get(fixed_ip, "ip_address"),
                             "subnet_id", json_object_get(fixed_ip, "subnet_id"), "prefix",
                             slash ? atoi(slash + 1) : 0, "gateway", text_of(subnet, "gateway_ip"));
    return *ret_address ? RC_OK : fault(err, RC_BAD_GATEWAY, "the network's reply has no address");
}

// The network's metadata port: where the host's agent answers 169.254.169.254. A network may have
// none.
static enum rc
add_metadata_port(struct scheduler *scheduler, const char *network_id, json_t *row, struct err *err)
{
    json_auto_t *reply = NULL;
    g_autofree char *path =
        g_strdup_printf("/v2.0/ports?network_id=%s&device_owner=network:distributed", network_id);
    enum rc rc = get_cached(scheduler, path, &reply, err);
    if (rc != RC_OK) {
        return rc;
    }
    json_t *port = json_array_get(json_object_get(reply, "ports"), 0);
    json_t *address = json_array_get(json_object_get(port, "fixed_ips"), 0);
    if (text_of(address, "ip_address")) {
        json_object_set(row, "metadata_port_id", json_object_get(port, "id"));
        json_object_set(row, "metadata_ip", json_object_get(address, "ip_address"));
    }
    return RC_OK;
}

static enum rc
add_network(struct scheduler *scheduler, const char *network_id, json_t *row, struct err *err)
{
    json_auto_t *reply = NULL;
    g_autofree char *path = g_strdup_printf("/v2.0/networks/%s", network_id);
    enum rc rc = get_cached(scheduler, path, &reply, err);
    if (rc != RC_OK) {
        return rc;
    }
    json_t *network = json_object_get(reply, "network"), *mtu = json_object_get(network, "mtu");
    json_object_set_new(row, "mtu",
                        json_integer(json_is_integer(mtu) ? json_integer_value(mtu) : 1500));
    json_object_set(row, "network_name", json_object_get(network, "name"));
    return RC_OK;
}

// Everything a host must know about the port, as server_port keeps it.
static enum rc
describe(struct scheduler *scheduler, json_t *port, json_t *ret_row, struct err *err)
{
    const char *network_id = text_of(port, "network_id");
    json_t *addresses = json_array(), *fixed_ip;
    size_t i;
    json_object_set_new(ret_row, "fixed_ips", addresses);
    json_object_set(ret_row, "mac", json_object_get(port, "mac_address"));
    json_object_set(ret_row, "status", json_object_get(port, "status"));
    json_array_foreach(json_object_get(port, "fixed_ips"), i, fixed_ip)
    {
        json_t *address = NULL;
        enum rc rc = address_of(scheduler, fixed_ip, &address, err);
        if (rc != RC_OK) {
            return rc;
        }
        json_array_append_new(addresses, address);
    }
    enum rc rc = add_network(scheduler, network_id, ret_row, err);
    return rc == RC_OK ? add_metadata_port(scheduler, network_id, ret_row, err) : rc;
}

static enum rc
make_and_describe(struct scheduler *scheduler, const struct job *job, json_t *row, json_t *made,
                  struct err *err)
{
    json_auto_t *port = NULL;
    enum rc rc = make_one(scheduler, job, row, &port, err);
    if (rc != RC_OK) {
        return rc;
    }
    json_t *described = json_pack("{s:O}", "position", json_object_get(row, "position"));
    json_array_append_new(made, described);
    rc = describe(scheduler, port, described, err);
    json_object_update(row, described); // the order is made from this job
    return rc;
}

static enum rc
make_all(struct scheduler *scheduler, struct db *db, struct job *job, struct err *err)
{
    json_auto_t *made = json_array();
    json_t *row;
    size_t i;
    enum rc rc = RC_OK;
    json_array_foreach(job->ports, i, row)
    {
        if (rc != RC_OK || (rc = work_db_renew(db, job, err)) != RC_OK) {
            return rc;
        }
        rc = make_and_describe(scheduler, job, row, made, err);
    }
    return rc == RC_OK && json_array_size(made) ? work_db_store_ports(db, job, made, err) : rc;
}

// A deletion takes the server over at once, and may have taken away a port that the network was yet
// to make or bind: the network refuses that (ARCHITECTURE.md, Network).
enum rc
ports_make(struct scheduler *scheduler, struct job *job, struct err *err)
{
    struct db *db;
    enum rc rc = db_get(scheduler->pool, &db, err);
    return rc == RC_OK ? make_all(scheduler, db, job, err) : rc;
}

// Also written when it is nobody's, so that a binding on its way comes too late.
static enum rc
unbind_given(struct scheduler *scheduler, const struct job *job, json_t *row, struct err *err)
{
    json_auto_t *seen = NULL;
    enum rc rc = see_given(scheduler, row, &seen, err);
    const char *device = text_of(json_object_get(seen, "port"), "device_id");
    if (rc != RC_OK || (device && *device && strcmp(device, job->id) != 0)) {
        return rc;
    }
    json_auto_t *binding = json_pack("{s:{s:s,s:s,s:s}}", "port", "device_id", "", "device_owner",
                                     "", "binding:host_id", "");
    return write_given(scheduler, seen, binding, NULL, err);
}

static enum rc
delete_ours(struct scheduler *scheduler, const char *port_id, struct err *err)
{
    g_autofree char *path = g_strdup_printf("/v2.0/ports/%s", port_id);
    return network_call(scheduler, "DELETE", path, NULL, NULL, err);
}

enum rc
ports_unmake(struct scheduler *scheduler, const struct job *job, struct err *err)
{
    json_t *row;
    size_t i;
    json_array_foreach(job->ports, i, row)
    {
        enum rc rc = json_is_true(json_object_get(row, "is_ours"))
                         ? delete_ours(scheduler, text_of(row, "port_id"), err)
                         : unbind_given(scheduler, job, row, err);
        if (rc != RC_OK && rc != RC_NOT_FOUND) {
            return rc;
        }
    }
    return RC_OK;
}

enum rc
ports_ask(struct scheduler *scheduler, const struct job *job, struct err *err)
{
    json_auto_t *reply = NULL;
    json_t *port;
    size_t i;
    struct db *db;
    g_autofree char *path = g_strdup_printf("/v2.0/ports?device_id=%s", job->id);
    enum rc rc = network_call(scheduler, "GET", path, NULL, &reply, err);
    if (rc != RC_OK || (rc = db_get(scheduler->pool, &db, err)) != RC_OK) {
        return rc;
    }
    json_array_foreach(json_object_get(reply, "ports"), i, port)
    {
        struct port_event event = {.port_id = text_of(port, "id"),
                                   .status = text_of(port, "status")};
        if (event.port_id && event.status) {
            rc = work_db_note_port(db, &event, err);
            rc = rc == RC_NOT_FOUND ? RC_OK : rc;
        }
        if (rc != RC_OK) {
            return rc;
        }
    }
    return rc;
}

// Floating IPs are the network's; servers show them. The newest is asked for, so that a late or
// doubled hint does no harm.
enum rc
ports_refresh_floating(struct scheduler *scheduler, const char *port_id, struct err *err)
{
    json_auto_t *reply = NULL, *addresses = json_array();
    json_t *floating;
    size_t i;
    struct db *db;
    g_autofree char *path = g_strdup_printf(
        "/v2.0/floatingips?port_id=%s&sort_key=floating_ip_address&fields=floating_ip_address",
        port_id);
    enum rc rc = network_call(scheduler, "GET", path, NULL, &reply, err);
    if (rc != RC_OK || (rc = db_get(scheduler->pool, &db, err)) != RC_OK) {
        return rc;
    }
    json_array_foreach(json_object_get(reply, "floatingips"), i, floating)
    {
        json_array_append(addresses, json_object_get(floating, "floating_ip_address"));
    }
    return work_db_set_port_floating(db, port_id, addresses, err);
}

// What no hint told: now and then all are looked up.
void
ports_sweep_floating(void *context)
{
    struct scheduler *scheduler = context;
    json_auto_t *reply = NULL, *list = json_array();
    json_t *floating;
    size_t i;
    struct db *db;
    struct err err = {0};
    enum rc rc = network_call(
        scheduler, "GET", "/v2.0/floatingips?fields=port_id&fields=floating_ip_address&fields=id",
        NULL, &reply, &err);
    if (rc != RC_OK || !reply || (rc = db_get(scheduler->pool, &db, &err)) != RC_OK) {
        return;
    }
    json_array_foreach(json_object_get(reply, "floatingips"), i, floating)
    {
        if (text_of(floating, "port_id")) {
            json_array_append_new(
                list, json_pack("{s:s,s:O}", "port_id", text_of(floating, "port_id"), "ip",
                                json_object_get(floating, "floating_ip_address")));
        }
    }
    char *text = json_dumps(list, JSON_COMPACT);
    if (work_db_set_floating(db, text, &err) != RC_OK) {
        log_warn("floating IPs not stored", kv("error", err.message));
    }
    free(text);
}
