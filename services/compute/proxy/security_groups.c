// SPDX-License-Identifier: Apache-2.0
// /os-security-groups, /os-security-group-rules, and the groups of a server.
#include <string.h>

#include "common/base/util.h"
#include "services/compute/api/server.h"
#include "services/compute/proxy/proxy.h"

struct group_body {
    const char *name, *description;
};
static const struct field group_fields[] = {
    FIELD(struct group_body, name, "name", FIELD_TEXT, FIELD_REQUIRED, 1, 255),
    FIELD(struct group_body, description, "description", FIELD_TEXT, FIELD_NULLABLE, 0, 255),
};
static const struct body_spec group_spec = {
    .envelope = "security_group",
    .fields = group_fields,
    .n_fields = N_ELEMENTS(group_fields),
    .struct_size = sizeof(struct group_body),
};

struct rule_body {
    const char *parent_id, *protocol, *cidr, *group_id;
    int64_t from_port, to_port;
};
enum { R_PARENT, R_PROTOCOL, R_CIDR, R_GROUP, R_FROM, R_TO };
// clang-format off
static const struct field rule_fields[] = {
    [R_PARENT] = FIELD(struct rule_body, parent_id, "parent_group_id", FIELD_TEXT, FIELD_REQUIRED, 0, 255),
    [R_PROTOCOL] = FIELD(struct rule_body, protocol, "ip_protocol", FIELD_TEXT, FIELD_NULLABLE, 0, 255),
    [R_CIDR] = FIELD(struct rule_body, cidr, "cidr", FIELD_TEXT, FIELD_NULLABLE, 0, 255),
    [R_GROUP] = FIELD(struct rule_body, group_id, "group_id", FIELD_TEXT, FIELD_NULLABLE, 0, 255),
    [R_FROM] = FIELD(struct rule_body, from_port, "from_port", FIELD_INT, FIELD_NULLABLE | FIELD_LAX, -1, 65535),
    [R_TO] = FIELD(struct rule_body, to_port, "to_port", FIELD_INT, FIELD_NULLABLE | FIELD_LAX, -1, 65535),
};
// clang-format on
static const struct body_spec rule_spec = {
    .envelope = "security_group_rule",
    .fields = rule_fields,
    .n_fields = N_ELEMENTS(rule_fields),
    .struct_size = sizeof(struct rule_body),
    .unknown = BODY_ALLOW_UNKNOWN,
};

static enum rc
check_id(const char *id, const char *what, struct err *err)
{
    return uuid_is_valid(id) ? RC_OK
                             : fault(err, RC_INVALID, "Security group %s should be uuid", what);
}

// ---- wording

// A group of which nothing but the id is known, as when it is another project's, has no name.
static json_t *
peer_view(json_t *groups, const char *peer_id)
{
    json_t *peer = proxy_find(groups, peer_id);
    return peer ? json_pack("{s:s,s:s}", "name", proxy_text(peer, "name"), "tenant_id",
                            proxy_text(peer, "tenant_id"))
                : json_object();
}

static json_t *
rule_view(json_t *rule, json_t *groups)
{
    const char *peer_id = proxy_text(rule, "remote_group_id");
    const char *cidr = proxy_text(rule, "remote_ip_prefix");
    const char *protocol = proxy_text(rule, "protocol");
    json_t *view = json_pack("{s:s,s:s,s:o,s:o,s:o}", "id", proxy_text(rule, "id"),
                             "parent_group_id", proxy_text(rule, "security_group_id"),
                             "ip_protocol", proxy_or_null(rule, "protocol"), "from_port",
                             proxy_or_null(rule, "port_range_min"), "to_port",
                             proxy_or_null(rule, "port_range_max"));
    if (*protocol && !json_is_integer(json_object_get(rule, "port_range_min"))) {
        bool has_ports = !strcmp(protocol, "tcp") || !strcmp(protocol, "udp");
        json_object_set_new(view, "from_port", json_integer(has_ports ? 1 : -1));
        json_object_set_new(view, "to_port", json_integer(has_ports ? 65535 : -1));
    }
    if (!*cidr) {
        cidr = !strcmp(proxy_text(rule, "ethertype"), "IPv6") ? "::/0" : "0.0.0.0/0";
    }
    json_object_set_new(view, "group", *peer_id ? peer_view(groups, peer_id) : json_object());
    json_object_set_new(view, "ip_range",
                        *peer_id ? json_object() : json_pack("{s:s}", "cidr", cidr));
    return view;
}

// Nova knew rules for what comes in alone.
static json_t *
group_view(json_t *group, json_t *groups)
{
    json_t *rules = json_array(), *rule;
    size_t i;
    json_array_foreach(json_object_get(group, "security_group_rules"), i, rule)
    {
        if (!strcmp(proxy_text(rule, "direction"), "ingress")) {
            json_array_append_new(rules, rule_view(rule, groups));
        }
    }
    return json_pack("{s:s,s:s,s:s,s:s,s:o}", "id", proxy_text(group, "id"), "name",
                     proxy_text(group, "name"), "description", proxy_text(group, "description"),
                     "tenant_id", proxy_text(group, "tenant_id"), "rules", rules);
}

static enum rc
groups_load(struct request *request, json_t **ret_reply, struct err *err)
{
    bool all = request_is_admin(request) && request_query(request, "all_tenants");
    g_autofree char *path = g_strdup_printf(
        "/v2.0/security-groups%s%s", all ? "" : "?tenant_id=", all ? "" : request_project(request));
    return proxy_network_get(request, path, ret_reply, err);
}

static enum rc
reply_group(struct request *request, struct reply *reply, json_t *group, struct err *err)
{
    json_auto_t *all = NULL;
    enum rc rc = groups_load(request, &all, err);
    if (rc == RC_OK) {
        reply->json = json_pack("{s:o}", "security_group",
                                group_view(group, json_object_get(all, "security_groups")));
    }
    return rc;
}

// ---- groups

static enum rc
groups_list(struct request *request, struct reply *reply, struct err *err)
{
    json_auto_t *all = NULL;
    enum rc rc = groups_load(request, &all, err);
    if (rc != RC_OK) {
        return rc;
    }
    json_t *groups = json_object_get(all, "security_groups"), *group, *list = json_array();
    size_t i;
    json_array_foreach(groups, i, group)
    {
        json_array_append_new(list, group_view(group, groups));
    }
    reply->json = json_pack("{s:o}", "security_groups", list);
    return RC_OK;
}

// Calls the network service for the path's group; ret_reply may be NULL.
static enum rc
group_call(struct request *request, const char *method, json_t *body, json_t **ret_reply,
           struct err *err)
{
    const char *id = request_param(request, "group_id");
    enum rc rc = check_id(id, "id", err);
    if (rc != RC_OK) {
        return rc;
    }
    g_autofree char *path = g_strconcat("/v2.0/security-groups/", id, NULL);
    rc = proxy_network(request, &(struct proxy_call){method, path, body, NULL}, ret_reply, err);
    return rc == RC_NOT_FOUND ? fault(err, rc, "Security group %s not found.", id) : rc;
}

static enum rc
group_show(struct request *request, struct reply *reply, struct err *err)
{
    json_auto_t *found = NULL;
    enum rc rc = group_call(request, "GET", NULL, &found, err);
    return rc == RC_OK ? reply_group(request, reply, json_object_get(found, "security_group"), err)
                       : rc;
}

static enum rc
group_nameless(struct request *request, struct reply *reply, struct err *err)
{
    return fault(err, RC_NOT_FOUND, "The resource could not be found.");
}

static json_t *
group_to_network(const struct group_body *body)
{
    return json_pack("{s:{s:s,s:s}}", "security_group", "name", body->name, "description",
                     body->description ? body->description : "");
}

static enum rc
group_create(struct request *request, struct reply *reply, struct err *err)
{
    json_auto_t *body = group_to_network(request_body(request)), *made = NULL;
    const struct proxy_call call = {"POST", "/v2.0/security-groups", body, NULL};
    enum rc rc = proxy_network(request, &call, &made, err);
    if (rc == RC_CONFLICT) { // the quota
        return fault(err, RC_FORBIDDEN, "%s", err->message);
    }
    return rc == RC_OK ? reply_group(request, reply, json_object_get(made, "security_group"), err)
                       : rc;
}

static enum rc
group_update(struct request *request, struct reply *reply, struct err *err)
{
    json_auto_t *body = group_to_network(request_body(request)), *changed = NULL;
    enum rc rc = group_call(request, "PUT", body, &changed, err);
    if (rc == RC_CONFLICT) {
        return fault(err, RC_INVALID, "%s", err->message);
    }
    return rc == RC_OK
               ? reply_group(request, reply, json_object_get(changed, "security_group"), err)
               : rc;
}

static enum rc
group_delete(struct request *request, struct reply *reply, struct err *err)
{
    enum rc rc = group_call(request, "DELETE", NULL, NULL, err);
    return rc == RC_CONFLICT ? fault(err, RC_INVALID, "%s", err->message) : rc;
}

// ---- rules

static enum rc
check_ports(const struct rule_body *body, uint64_t present, bool is_icmp, struct err *err)
{
    bool both = present >> R_FROM & 1 && present >> R_TO & 1;
    if (!both) {
        return fault(err, RC_INVALID, "Invalid input for field 'from_port' or 'to_port': missing");
    }
    if (is_icmp ? body->from_port > 255 || body->to_port > 255
                : body->from_port < 1 || body->to_port < body->from_port) {
        return fault(err, RC_INVALID, "Invalid port range %lld:%lld.", (long long)body->from_port,
                     (long long)body->to_port);
    }
    return RC_OK;
}

static enum rc
check_rule(const struct rule_body *body, uint64_t present, struct err *err)
{
    static const char *const protocols[] = {"tcp", "udp", "icmp"};
    enum rc rc = check_id(body->parent_id, "id", err);
    if (rc != RC_OK || (body->group_id && (rc = check_id(body->group_id, "id", err)) != RC_OK)) {
        return rc;
    }
    if (!body->protocol) {
        return body->group_id
                   ? RC_OK
                   : fault(err, RC_INVALID, "Invalid input for field 'ip_protocol': it is missing");
    }
    for (size_t i = 0; i < N_ELEMENTS(protocols); i++) {
        if (!g_ascii_strcasecmp(protocols[i], body->protocol)) {
            return check_ports(body, present, !strcmp(protocols[i], "icmp"), err);
        }
    }
    return fault(err, RC_INVALID, "Invalid IP protocol %.60s.", body->protocol);
}

static json_t *
rule_to_network(const struct rule_body *body)
{
    const char *cidr = body->group_id ? NULL : body->cidr ? body->cidr : "0.0.0.0/0";
    g_autofree char *protocol = body->protocol ? g_ascii_strdown(body->protocol, -1) : NULL;
    json_t *rule =
        json_pack("{s:s,s:s,s:s,s:s?,s:s?,s:s?}", "security_group_id", body->parent_id, "direction",
                  "ingress", "ethertype", cidr && strchr(cidr, ':') ? "IPv6" : "IPv4", "protocol",
                  protocol, "remote_ip_prefix", cidr, "remote_group_id", body->group_id);
    if (protocol && body->from_port >= 0) {
        json_object_set_new(rule, "port_range_min", json_integer(body->from_port));
    }
    if (protocol && body->to_port >= 0) {
        json_object_set_new(rule, "port_range_max", json_integer(body->to_port));
    }
    return json_pack("{s:o}", "security_group_rule", rule);
}

static enum rc
rule_create(struct request *request, struct reply *reply, struct err *err)
{
    struct rule_body body;
    uint64_t present = 0;
    json_auto_t *sent = NULL, *made = NULL, *all = NULL;
    enum rc rc = body_decode(&rule_spec, request_json(request), &body, &present, err);
    if (rc == RC_OK) {
        rc = check_rule(&body, present, err);
    }
    if (rc != RC_OK) {
        return rc;
    }
    sent = rule_to_network(&body);
    const struct proxy_call call = {"POST", "/v2.0/security-group-rules", sent, NULL};
    rc = proxy_network(request, &call, &made, err);
    if (rc == RC_CONFLICT) {
        bool is_quota = strstr(err->message, "Quota") != NULL;
        return fault(err, is_quota ? RC_FORBIDDEN : RC_INVALID, "%s", err->message);
    }
    if (rc == RC_OK) {
        rc = groups_load(request, &all, err);
    }
    if (rc == RC_OK) {
        reply->json = json_pack("{s:o}", "security_group_rule",
                                rule_view(json_object_get(made, "security_group_rule"),
                                          json_object_get(all, "security_groups")));
    }
    return rc;
}

static enum rc
rule_delete(struct request *request, struct reply *reply, struct err *err)
{
    const char *id = request_param(request, "rule_id");
    enum rc rc = check_id(id, "rule id", err);
    if (rc != RC_OK) {
        return rc;
    }
    g_autofree char *path = g_strconcat("/v2.0/security-group-rules/", id, NULL);
    return proxy_network(request, &(struct proxy_call){"DELETE", path, NULL, NULL}, NULL, err);
}

// ---- of a server

static bool
port_has_group(json_t *ports, const char *group_id)
{
    json_t *port, *item;
    size_t i, j;
    json_array_foreach(ports, i, port)
    {
        json_array_foreach(json_object_get(port, "security_groups"), j, item)
        {
            if (g_strcmp0(json_string_value(item), group_id) == 0) {
                return true;
            }
        }
    }
    return false;
}

static enum rc
server_groups(struct request *request, struct reply *reply, struct err *err)
{
    struct server_brief server;
    struct db *db;
    json_auto_t *ports = NULL, *all = NULL;
    enum rc rc = server_find(request, &db, &server, err);
    if (rc != RC_OK) {
        return rc;
    }
    g_autofree char *path = g_strconcat("/v2.0/ports?device_id=", server.id, NULL);
    rc = proxy_network_get(request, path, &ports, err);
    if (rc == RC_OK) {
        rc = groups_load(request, &all, err);
    }
    if (rc != RC_OK) {
        return rc;
    }
    json_t *groups = json_object_get(all, "security_groups"), *group, *list = json_array();
    size_t i;
    json_array_foreach(groups, i, group)
    {
        if (port_has_group(json_object_get(ports, "ports"), proxy_text(group, "id"))) {
            json_array_append_new(list, group_view(group, groups));
        }
    }
    reply->json = json_pack("{s:o}", "security_groups", list);
    return RC_OK;
}

#define GROUPS "/v2.1/os-security-groups"
#define RULES "/v2.1/os-security-group-rules"
#define OLD .flags = ROUTE_SLOW, .max_version = PROXY_MAX_VERSION
// clang-format off
const struct route proxy_security_group_routes[] = {
    {.method = "GET", .path = GROUPS, .handle = groups_list, OLD, .status = 200, .summary = "list security groups, as the network service has them"},
    {.method = "POST", .path = GROUPS, .handle = group_create, .body = &group_spec, OLD, .status = 200, .summary = "make a security group"},
    {.method = "GET", .path = GROUPS "/{group_id}", .handle = group_show, OLD, .status = 200, .summary = "show a security group"},
    {.method = "PUT", .path = GROUPS "/{group_id}", .handle = group_update, .body = &group_spec, OLD, .status = 200, .summary = "rename a security group"},
    {.method = "DELETE", .path = GROUPS "/{group_id}", .handle = group_delete, OLD, .status = 202, .summary = "delete a security group"},
    {.method = "DELETE", .path = GROUPS, .handle = group_nameless, OLD, .status = 202, .summary = "not allowed: an id is missing"},
    {.method = "POST", .path = RULES, .handle = rule_create, OLD, .status = 200, .summary = "add a rule to a security group"},
    {.method = "DELETE", .path = RULES "/{rule_id}", .handle = rule_delete, OLD, .status = 202, .summary = "delete a security group's rule"},
    {.method = "GET", .path = "/v2.1/servers/{server_id}/os-security-groups", .handle = server_groups, .flags = ROUTE_SLOW, .status = 200, .summary = "list a server's security groups"},
    {0},
};
// clang-format on
