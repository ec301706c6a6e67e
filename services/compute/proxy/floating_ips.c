// SPDX-License-Identifier: Apache-2.0
// /os-floating-ips, /os-floating-ip-pools (external networks), and the actions that give and take.
#include <string.h>

#include "common/base/util.h"
#include "services/compute/api/server.h"
#include "services/compute/proxy/proxy.h"

#define ACTIONS_MAX_VERSION 43
#define EXTERNAL "/v2.0/networks?router:external=true"
#define FLOATING "/v2.0/floatingips"

struct view_context { // what floating IPs refer to
    json_t *networks, *ports;
};

static void
view_context_done(struct view_context *context)
{
    json_decref(context->networks);
    json_decref(context->ports);
}
#define auto_view_context __attribute__((cleanup(view_context_done))) struct view_context

// Ports of all these floating IPs, asked for at once.
static enum rc
ports_load(struct request *request, json_t *ips, json_t **ret_ports, struct err *err)
{
    g_autoptr(GString) path = g_string_new("/v2.0/ports?fields=id&fields=device_id");
    json_t *ip;
    size_t i, n = 0;
    json_array_foreach(ips, i, ip)
    {
        if (*proxy_text(ip, "port_id")) {
            g_string_append_printf(path, "&id=%s", proxy_text(ip, "port_id"));
            n++;
        }
    }
    *ret_ports = NULL;
    return n ? proxy_network_get(request, path->str, ret_ports, err) : RC_OK;
}

static enum rc
context_load(struct request *request, json_t *ips, struct view_context *ret_context,
             struct err *err)
{
    json_t *ports = NULL, *networks = NULL;
    enum rc rc = ports_load(request, ips, &ports, err);
    if (rc == RC_OK) {
        rc = proxy_network_get(request, EXTERNAL, &networks, err);
    }
    if (rc != RC_OK) {
        json_decref(ports);
        return rc;
    }
    *ret_context = (struct view_context){networks, ports};
    return RC_OK;
}

static json_t *
ip_view(json_t *ip, const struct view_context *context)
{
    json_t *port = proxy_find(json_object_get(context->ports, "ports"), proxy_text(ip, "port_id"));
    json_t *network = proxy_find(json_object_get(context->networks, "networks"),
                                 proxy_text(ip, "floating_network_id"));
    const char *device = port ? proxy_text(port, "device_id") : "";
    return json_pack("{s:s,s:s,s:o,s:s?,s:s?}", "id", proxy_text(ip, "id"), "ip",
                     proxy_text(ip, "floating_ip_address"), "fixed_ip",
                     proxy_or_null(ip, "fixed_ip_address"), "instance_id", *device ? device : NULL,
                     "pool", network ? proxy_text(network, "name") : NULL);
}

static enum rc
ips_list(struct request *request, struct reply *reply, struct err *err)
{
    auto_view_context context = {0};
    json_auto_t *found = NULL;
    g_autofree char *path = g_strconcat(FLOATING "?tenant_id=", request_project(request), NULL);
    enum rc rc = proxy_network_get(request, path, &found, err);
    json_t *ips = json_object_get(found, "floatingips"), *ip, *list;
    if (rc == RC_OK) {
        rc = context_load(request, ips, &context, err);
    }
    if (rc != RC_OK) {
        return rc;
    }
    size_t i;
    list = json_array();
    json_array_foreach(ips, i, ip)
    {
        json_array_append_new(list, ip_view(ip, &context));
    }
    reply->json = json_pack("{s:o}", "floating_ips", list);
    return RC_OK;
}

static enum rc
reply_ip(struct request *request, struct reply *reply, json_t *ip, struct err *err)
{
    auto_view_context context = {0};
    json_auto_t *one = json_pack("[O]", ip);
    enum rc rc = context_load(request, one, &context, err);
    if (rc == RC_OK) {
        reply->json = json_pack("{s:o}", "floating_ip", ip_view(ip, &context));
    }
    return rc;
}

static enum rc
ip_call(struct request *request, const char *method, json_t **ret_reply, struct err *err)
{
    const char *id = request_param(request, "ip_id");
    g_autofree char *path = g_strconcat(FLOATING "/", id, NULL);
    enum rc rc =
        uuid_is_valid(id)
            ? proxy_network(request, &(struct proxy_call){method, path, NULL, NULL}, ret_reply, err)
            : RC_NOT_FOUND;
    return rc == RC_NOT_FOUND ? fault(err, rc, "Floating IP not found for ID %.64s", id) : rc;
}

static enum rc
ip_show(struct request *request, struct reply *reply, struct err *err)
{
    json_auto_t *found = NULL;
    enum rc rc = ip_call(request, "GET", &found, err);
    return rc == RC_OK ? reply_ip(request, reply, json_object_get(found, "floatingip"), err) : rc;
}

static enum rc
ip_delete(struct request *request, struct reply *reply, struct err *err)
{
    return ip_call(request, "DELETE", NULL, err);
}

// By name or id; without one the first.
static const char *
pool_find(json_t *networks, const char *wanted)
{
    json_t *network;
    size_t i;
    json_array_foreach(networks, i, network)
    {
        const char *id = proxy_text(network, "id");
        if (!wanted || !strcmp(wanted, id) || !strcmp(wanted, proxy_text(network, "name"))) {
            return id;
        }
    }
    return NULL;
}

static enum rc
ip_create(struct request *request, struct reply *reply, struct err *err)
{
    json_t *root = request_json(request);
    const char *pool = json_string_value(json_object_get(root, "pool"));
    json_auto_t *networks = NULL, *body = NULL, *made = NULL;
    if (root && !json_is_object(root) && !json_is_null(root)) {
        return fault(err, RC_INVALID, "Invalid input: the body is not an object");
    }
    enum rc rc = proxy_network_get(request, EXTERNAL, &networks, err);
    if (rc != RC_OK) {
        return rc;
    }
    const char *network_id = pool_find(json_object_get(networks, "networks"), pool);
    if (!network_id) {
        return fault(err, RC_NOT_FOUND, "Floating IP pool %.100s not found.", pool ? pool : "");
    }
    body = json_pack("{s:{s:s}}", "floatingip", "floating_network_id", network_id);
    rc = proxy_network(request, &(struct proxy_call){"POST", FLOATING, body, NULL}, &made, err);
    if (rc == RC_CONFLICT) { // the quota
        return fault(err, RC_FORBIDDEN, "%s", err->message);
    }
    return rc == RC_OK ? reply_ip(request, reply, json_object_get(made, "floatingip"), err) : rc;
}

static enum rc
pools_list(struct request *request, struct reply *reply, struct err *err)
{
    json_auto_t *networks = NULL;
    enum rc rc = proxy_network_get(request, EXTERNAL, &networks, err);
    if (rc != RC_OK) {
        return rc;
    }
    json_t *network, *list = json_array();
    size_t i;
    json_array_foreach(json_object_get(networks, "networks"), i, network)
    {
        json_array_append_new(list, json_pack("{s:s}", "name", proxy_text(network, "name")));
    }
    reply->json = json_pack("{s:o}", "floating_ip_pools", list);
    return RC_OK;
}

// ---- actions

static enum rc
ip_by_address(struct request *request, const char *address, json_t **ret_ip, struct err *err)
{
    json_auto_t *found = NULL;
    g_autofree char *escaped = g_uri_escape_string(address, NULL, false);
    g_autofree char *path = g_strconcat(FLOATING "?floating_ip_address=", escaped, NULL);
    enum rc rc = proxy_network_get(request, path, &found, err);
    if (rc != RC_OK) {
        return rc;
    }
    json_t *ip = json_array_get(json_object_get(found, "floatingips"), 0);
    if (!ip) {
        return fault(err, RC_NOT_FOUND, "floating IP not found");
    }
    *ret_ip = json_incref(ip);
    return RC_OK;
}

static bool
port_has_address(json_t *port, const char *fixed)
{
    json_t *ip;
    size_t i;
    json_array_foreach(json_object_get(port, "fixed_ips"), i, ip)
    {
        const char *address = proxy_text(ip, "ip_address");
        if (fixed ? !strcmp(address, fixed) : !strchr(address, ':')) {
            return true;
        }
    }
    return false;
}

static enum rc
port_of_server(struct request *request, const char *server_id, const char *fixed, char **ret_id,
               struct err *err)
{
    json_auto_t *found = NULL;
    g_autofree char *path = g_strconcat("/v2.0/ports?device_id=", server_id, NULL);
    enum rc rc = proxy_network_get(request, path, &found, err);
    json_t *port;
    size_t i;
    json_array_foreach(json_object_get(found, "ports"), i, port)
    {
        if (rc == RC_OK && port_has_address(port, fixed)) {
            *ret_id = g_strdup(proxy_text(port, "id"));
            return RC_OK;
        }
    }
    return rc == RC_OK ? fault(err, RC_INVALID, "No fixed IPs associated to instance") : rc;
}

// argument: {"address", "fixed_address"?}.
static enum rc
action_begin(struct request *request, json_t *argument, struct server_brief *ret_server,
             json_t **ret_ip, struct err *err)
{
    struct db *db;
    const char *address = json_string_value(json_object_get(argument, "address"));
    if (request_version(request) > ACTIONS_MAX_VERSION) {
        return fault(err, RC_INVALID, "There is no such action: addFloatingIp");
    }
    if (!address || strlen(address) > 64) {
        return fault(err, RC_INVALID, "Invalid input for field 'address': it is no IP address");
    }
    enum rc rc = server_find(request, &db, ret_server, err);
    return rc == RC_OK ? ip_by_address(request, address, ret_ip, err) : rc;
}

static enum rc
ip_point(struct request *request, json_t *ip, const char *port_id, const char *fixed,
         struct err *err)
{
    json_auto_t *body = json_pack("{s:{s:s?}}", "floatingip", "port_id", port_id);
    g_autofree char *path = g_strconcat(FLOATING "/", proxy_text(ip, "id"), NULL);
    if (fixed) {
        json_object_set_new(json_object_get(body, "floatingip"), "fixed_ip_address",
                            json_string(fixed));
    }
    return proxy_network(request, &(struct proxy_call){"PUT", path, body, NULL}, NULL, err);
}

enum rc
act_add_floating_ip(struct request *request, struct reply *reply, json_t *argument, struct err *err)
{
    struct server_brief server;
    json_auto_t *ip = NULL;
    g_autofree char *port_id = NULL;
    const char *fixed = json_string_value(json_object_get(argument, "fixed_address"));
    enum rc rc = action_begin(request, argument, &server, &ip, err);
    if (rc == RC_OK) {
        rc = port_of_server(request, server.id, fixed, &port_id, err);
    }
    if (rc == RC_OK) {
        rc = ip_point(request, ip, port_id, fixed, err);
    }
    return rc == RC_CONFLICT ? fault(err, RC_INVALID, "%s", err->message) : rc;
}

enum rc
act_remove_floating_ip(struct request *request, struct reply *reply, json_t *argument,
                       struct err *err)
{
    struct server_brief server;
    json_auto_t *ip = NULL, *ports = NULL;
    enum rc rc = action_begin(request, argument, &server, &ip, err);
    if (rc != RC_OK) {
        return rc;
    }
    g_autofree char *path = g_strconcat("/v2.0/ports?device_id=", server.id, NULL);
    rc = proxy_network_get(request, path, &ports, err);
    if (rc == RC_OK && !proxy_find(json_object_get(ports, "ports"), proxy_text(ip, "port_id"))) {
        return fault(err, RC_CONFLICT, "Floating IP %s is not associated with instance %s.",
                     proxy_text(ip, "floating_ip_address"), server.id);
    }
    return rc == RC_OK ? ip_point(request, ip, NULL, NULL, err) : rc;
}

#define IPS "/v2.1/os-floating-ips"
#define OLD .flags = ROUTE_SLOW, .max_version = PROXY_MAX_VERSION
// clang-format off
const struct route proxy_floating_ip_routes[] = {
    {.method = "GET", .path = IPS, .handle = ips_list, OLD, .status = 200, .summary = "list floating IPs, as the network service has them"},
    {.method = "POST", .path = IPS, .handle = ip_create, .flags = ROUTE_SLOW | ROUTE_OPTIONAL_BODY, .max_version = PROXY_MAX_VERSION, .status = 200,
     .summary = "take a floating IP from a pool"},
    {.method = "GET", .path = IPS "/{ip_id}", .handle = ip_show, OLD, .status = 200, .summary = "show a floating IP"},
    {.method = "DELETE", .path = IPS "/{ip_id}", .handle = ip_delete, OLD, .status = 202, .summary = "give a floating IP back"},
    {.method = "GET", .path = "/v2.1/os-floating-ip-pools", .handle = pools_list, OLD, .status = 200, .summary = "list external networks by name"},
    {0},
};
// clang-format on
