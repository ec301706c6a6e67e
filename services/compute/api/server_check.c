// SPDX-License-Identifier: Apache-2.0
#include "services/compute/api/server_check.h"

#include <string.h>

#include "common/base/util.h"

#define CALL_TIMEOUT_MS 5000

static const char *
text_of(json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

// With the requester's token.
static enum rc
get(struct request *request, const char *url, json_t **ret_json, struct err *err)
{
    struct compute *compute = request_context(request);
    struct call call = {
        .method = "GET",
        .url = url,
        .token = request_header(request, "X-Auth-Token"),
        .request_id = request_id(request),
        .timeout_ms = CALL_TIMEOUT_MS,
    };
    return client_call(compute->client, &call, ret_json, err);
}

// What was answered is kept for a moment per project.
static enum rc
get_cached(struct request *request, const char *base, const char *path, json_t **ret_json,
           struct err *err)
{
    struct compute *compute = request_context(request);
    const struct auth_context *auth = request_auth(request);
    g_autofree char *key = g_strdup_printf("%s %d %s", auth->project_id, auth->is_admin, path);
    json_t *found = cache_find(compute->cache, key);
    if (found) {
        *ret_json = found;
        return RC_OK;
    }
    g_autofree char *url = g_strconcat(base, path, NULL);
    enum rc rc = get(request, url, ret_json, err);
    if (rc == RC_OK && !*ret_json) {
        return fault(err, RC_BAD_GATEWAY, "GET %s: the reply is empty", url);
    }
    if (rc == RC_OK) {
        cache_put(compute->cache, key, *ret_json);
    }
    return rc;
}

// A peer's refusal of our lookup is the client's mistake or the peer's trouble, never our own 401.
static enum rc
lookup_failed(enum rc rc, struct err *err)
{
    return rc_is_retryable(rc) || rc == RC_UNAUTHORIZED ? rc : RC_INVALID;
}

// What is packed has no disk to boot from: container_format must be one whose content is the disk
// itself.
static bool
is_bootable(json_t *image)
{
    static const char *const disks[] = {"", "bare", "ovf", "ami", "aki", "ari"};
    const char *container = text_of(image, "container_format");
    for (size_t i = 0; i < N_ELEMENTS(disks); i++) {
        if (strcmp(disks[i], container) == 0) {
            return true;
        }
    }
    return false;
}

enum rc
check_image(struct request *request, const char *image_id, json_t **ret_image, struct err *err)
{
    struct compute *compute = request_context(request);
    json_auto_t *image = NULL;
    g_autofree char *path = g_strdup_printf("/v2/images/%s", image_id);
    enum rc rc = get_cached(request, compute->image_url, path, &image, err);
    if (rc == RC_NOT_FOUND || rc == RC_FORBIDDEN) {
        return fault(err, RC_INVALID, "Can not find requested image");
    }
    if (rc != RC_OK) {
        return rc;
    }
    if (strcmp(text_of(image, "status"), "active") != 0) {
        return fault(err, RC_INVALID, "Image %s is not active.", image_id);
    }
    if (!is_bootable(image)) {
        return fault(err, RC_INVALID,
                     "Image %s is unacceptable: a server cannot boot from container_format '%.20s'",
                     image_id, text_of(image, "container_format"));
    }
    *ret_image = json_incref(image);
    return RC_OK;
}

static enum rc
check_network(struct request *request, const char *network_id, struct wanted_port *port,
              struct err *err)
{
    struct compute *compute = request_context(request);
    const struct auth_context *auth = request_auth(request);
    json_auto_t *reply = NULL;
    g_autofree char *path = g_strdup_printf("/v2.0/networks/%s", network_id);
    enum rc rc = get_cached(request, compute->network_url, path, &reply, err);
    if (rc == RC_NOT_FOUND || rc == RC_FORBIDDEN) {
        return fault(err, RC_INVALID, "Network %.64s could not be found.", network_id);
    }
    if (rc != RC_OK) {
        return lookup_failed(rc, err);
    }
    json_t *network = json_object_get(reply, "network");
    if (!port->port_id && json_array_size(json_object_get(network, "subnets")) == 0) {
        return fault(err, RC_INVALID, "Network %s requires a subnet in order to boot instances on.",
                     network_id);
    }
    bool is_external = json_is_true(json_object_get(network, "router:external"));
    if (is_external && !port->port_id && !auth->is_admin &&
        !json_is_true(json_object_get(network, "shared"))) {
        return fault(err, RC_FORBIDDEN,
                     "It is not allowed to create an interface on external network %s", network_id);
    }
    g_strlcpy(port->network_name, text_of(network, "name"), sizeof(port->network_name));
    return RC_OK;
}

static enum rc
check_given_port(struct request *request, struct wanted_port *port, struct err *err)
{
    struct compute *compute = request_context(request);
    json_auto_t *reply = NULL;
    g_autofree char *url = g_strdup_printf("%s/v2.0/ports/%s", compute->network_url, port->port_id);
    enum rc rc = get(request, url, &reply, err);
    if (rc == RC_NOT_FOUND || rc == RC_FORBIDDEN) {
        return fault(err, RC_INVALID, "Port id %.64s could not be found.", port->port_id);
    }
    if (rc != RC_OK) {
        return lookup_failed(rc, err);
    }
    json_t *found = json_object_get(reply, "port");
    if (*text_of(found, "device_id")) {
        return fault(err, RC_CONFLICT, "Port %.64s is still in use.", port->port_id);
    }
    if (json_array_size(json_object_get(found, "fixed_ips")) == 0) {
        return fault(err, RC_INVALID, "Port %.64s requires a FixedIP in order to be used.",
                     port->port_id);
    }
    g_strlcpy(port->network_id_found, text_of(found, "network_id"), sizeof(port->network_id_found));
    port->network_id = port->network_id_found;
    return RC_OK;
}

enum rc
check_port(struct request *request, struct wanted_port *port, struct err *err)
{
    enum rc rc = port->port_id ? check_given_port(request, port, err) : RC_OK;
    return rc == RC_OK ? check_network(request, port->network_id, port, err) : rc;
}

enum rc
check_auto_network(struct request *request, struct wanted_port *port, bool *ret_found,
                   struct err *err)
{
    struct compute *compute = request_context(request);
    json_auto_t *reply = NULL;
    json_t *network, *only = NULL;
    size_t i, n = 0;
    enum rc rc = get_cached(request, compute->network_url, "/v2.0/networks", &reply, err);
    if (rc != RC_OK) {
        return lookup_failed(rc, err);
    }
    json_array_foreach(json_object_get(reply, "networks"), i, network)
    {
        bool is_own = strcmp(text_of(network, "tenant_id"), request_project(request)) == 0;
        bool is_shared = json_is_true(json_object_get(network, "shared"));
        if ((is_own || is_shared) && !json_is_true(json_object_get(network, "router:external")) &&
            json_array_size(json_object_get(network, "subnets"))) {
            only = network;
            n++;
        }
    }
    if (n > 1) {
        return fault(err, RC_CONFLICT,
                     "Multiple possible networks found, use a Network ID to be more specific.");
    }
    *ret_found = n == 1;
    if (only) {
        g_strlcpy(port->network_id_found, text_of(only, "id"), sizeof(port->network_id_found));
        g_strlcpy(port->network_name, text_of(only, "name"), sizeof(port->network_name));
        port->network_id = port->network_id_found;
    }
    return RC_OK;
}

static enum rc
find_group(struct request *request, json_t *known, const char *wanted, json_t **ret_group,
           struct err *err)
{
    json_t *group, *found = NULL;
    size_t i;
    json_array_foreach(known, i, group)
    {
        if (strcmp(text_of(group, "id"), wanted) == 0) {
            found = group;
            break;
        }
        if (strcmp(text_of(group, "name"), wanted) != 0) {
            continue;
        }
        if (found) {
            return fault(err, RC_CONFLICT,
                         "Multiple security_group matches found for name '%.200s', use an ID to be "
                         "more specific.",
                         wanted);
        }
        found = group;
    }
    if (!found) {
        return fault(err, RC_INVALID, "Security group %.200s not found for project %s.", wanted,
                     request_project(request));
    }
    *ret_group = json_pack("{s:s,s:s}", "id", text_of(found, "id"), "name", text_of(found, "name"));
    return RC_OK;
}

enum rc
check_security_groups(struct request *request, json_t *names, json_t **ret_groups, struct err *err)
{
    struct compute *compute = request_context(request);
    json_auto_t *reply = NULL, *groups = json_array();
    g_autofree char *path =
        g_strdup_printf("/v2.0/security-groups?tenant_id=%s", request_project(request));
    json_t *item;
    size_t i;
    enum rc rc = get_cached(request, compute->network_url, path, &reply, err);
    if (rc != RC_OK) {
        return lookup_failed(rc, err);
    }
    json_array_foreach(names, i, item)
    {
        json_t *group = NULL;
        const char *name = json_string_value(json_object_get(item, "name"));
        if (!name || json_object_size(item) != 1 || strlen(name) > 255) {
            return fault(err, RC_INVALID,
                         "Invalid input for field 'security_groups': each needs 'name' alone");
        }
        rc = find_group(request, json_object_get(reply, "security_groups"), name, &group, err);
        if (rc != RC_OK) {
            return rc;
        }
        json_array_append_new(groups, group);
    }
    *ret_groups = json_incref(groups);
    return RC_OK;
}
