// SPDX-License-Identifier: Apache-2.0
// The body of POST /servers: its fields by microversion, and the parts that a field table cannot
// describe.
#include <arpa/inet.h>
#include <string.h>

#include "common/base/util.h"
#include "services/compute/api/server_create.h"
#include "services/compute/api/server_meta.h"

#define B struct server_body
static const char *const disk_configs[] = {"AUTO", "MANUAL", NULL};

// clang-format off
static const struct field fields[] = {
    FIELD(B, name, "name", FIELD_TEXT, FIELD_REQUIRED, 1, 255),
    FIELD(B, image, "imageRef", FIELD_ANY, 0),
    FIELD(B, flavor, "flavorRef", FIELD_ANY, FIELD_REQUIRED),
    FIELD(B, networks, "networks", FIELD_ANY, 0),
    FIELD(B, key_name, "key_name", FIELD_TEXT, 0, 1, 255),
    FIELD(B, user_data, "user_data", FIELD_TEXT, FIELD_NULLABLE | FIELD_SECRET, 0, 65535),
    FIELD(B, security_groups, "security_groups", FIELD_ARRAY, 0, 0, 64),
    FIELD(B, metadata, "metadata", FIELD_OBJECT, 0),
    FIELD(B, config_drive, "config_drive", FIELD_BOOL, FIELD_LAX | FIELD_NULLABLE),
    FIELD(B, zone, "availability_zone", FIELD_TEXT, 0, 1, 255),
    FIELD(B, min_count, "min_count", FIELD_INT, FIELD_LAX, 1, SERVER_MAX_COUNT),
    FIELD(B, max_count, "max_count", FIELD_INT, FIELD_LAX, 1, SERVER_MAX_COUNT),
    FIELD(B, return_reservation_id, "return_reservation_id", FIELD_BOOL, FIELD_LAX),
    FIELD(B, admin_pass, "adminPass", FIELD_TEXT, FIELD_SECRET, 1, 255),
    FIELD(B, access_ipv4, "accessIPv4", FIELD_TEXT, FIELD_NULLABLE, 0, 64),
    FIELD(B, access_ipv6, "accessIPv6", FIELD_TEXT, FIELD_NULLABLE, 0, 64),
    {.name = "OS-DCF:diskConfig", .type = FIELD_TEXT, .offset = offsetof(B, disk_config), .values = disk_configs},
    FIELD(B, block_devices, "block_device_mapping", FIELD_ARRAY, 0, 0, 255),
    FIELD(B, block_devices_v2, "block_device_mapping_v2", FIELD_ARRAY, 0, 0, 255),
    FIELD(B, personality, "personality", FIELD_ARRAY, 0, 0, 255),
    FIELD(B, description, "description", FIELD_TEXT, FIELD_NULLABLE, 0, 255),
    FIELD(B, tags, "tags", FIELD_ARRAY, 0, 0, 50),
    FIELD(B, certificates, "trusted_image_certificates", FIELD_ANY, 0),
    FIELD(B, host, "host", FIELD_TEXT, 0, 1, 255),
    FIELD(B, hypervisor_hostname, "hypervisor_hostname", FIELD_TEXT, 0, 1, 255),
    FIELD(B, hostname, "hostname", FIELD_TEXT, 0, 2, 63),
};
static const struct body_spec spec = {.fields = fields, .n_fields = N_ELEMENTS(fields), .struct_size = sizeof(B)};
// From and to which microversion a field exists; the rest always.
static const struct { const char *name; unsigned min, max; } field_versions[] = {
    {"personality", 1, 56}, {"description", 19, 0}, {"tags", 52, 0}, {"trusted_image_certificates", 63, 0},
    {"host", 74, 0}, {"hypervisor_hostname", 74, 0}, {"hostname", 90, 0},
};
// clang-format on

static enum rc
invalid(struct err *err, const char *field, const char *what)
{
    return fault(err, RC_INVALID, "Invalid input for field '%s': %s", field, what);
}

static enum rc
check_versions(json_t *server, unsigned version, struct err *err)
{
    for (size_t i = 0; i < N_ELEMENTS(field_versions); i++) {
        unsigned max = field_versions[i].max;
        if (json_object_get(server, field_versions[i].name) &&
            (version < field_versions[i].min || (max && version > max))) {
            return fault(err, RC_INVALID,
                         "Additional properties are not allowed ('%s' was unexpected)",
                         field_versions[i].name);
        }
    }
    return RC_OK;
}

static bool
is_address(const char *text, int family)
{
    unsigned char buffer[16];
    return inet_pton(family, text, buffer) == 1;
}

static enum rc
check_texts(struct server_body *body, struct err *err)
{
    size_t length = strlen(body->name);
    if (!text_is_clean(body->name, 255) || g_ascii_isspace(body->name[0]) ||
        g_ascii_isspace(body->name[length - 1])) {
        return invalid(err, "name", "it has control characters or outer spaces");
    }
    if (body->user_data && *body->user_data) {
        gsize size = strlen(body->user_data);
        if (size % 4 ||
            strspn(body->user_data,
                   "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=") != size) {
            return invalid(err, "user_data", "it is not base64");
        }
    }
    if (body->access_ipv4 && *body->access_ipv4 && !is_address(body->access_ipv4, AF_INET)) {
        return invalid(err, "accessIPv4", "it is not an IPv4 address");
    }
    if (body->access_ipv6 && *body->access_ipv6 && !is_address(body->access_ipv6, AF_INET6)) {
        return invalid(err, "accessIPv6", "it is not an IPv6 address");
    }
    if (body->hostname &&
        strspn(body->hostname, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") !=
            strlen(body->hostname)) {
        return invalid(err, "hostname", "it is not a host name");
    }
    return RC_OK;
}

static enum rc
read_references(struct request *request, struct server_body *body, struct err *err)
{
    if (json_is_integer(body->flavor)) {
        body->flavor_id =
            request_printf(request, "%lld", (long long)json_integer_value(body->flavor));
    } else if (!(body->flavor_id = json_string_value(body->flavor)) || !*body->flavor_id) {
        return invalid(err, "flavorRef", "it is not a flavor's id");
    }
    body->image_id = json_string_value(body->image);
    if (body->image && !body->image_id) {
        return invalid(err, "imageRef", "it is not of type 'string'");
    }
    if (!body->image_id || !*body->image_id) {
        return fault(err, RC_INVALID, "Invalid imageRef provided: servers boot from images here.");
    }
    if (!uuid_is_valid(body->image_id)) {
        return fault(err, RC_INVALID, "Invalid imageRef provided.");
    }
    return RC_OK;
}

// The image as the one block device is what clients send beside imageRef; volumes are not offered.
static enum rc
check_block_devices(const struct server_body *body, struct err *err)
{
    size_t i;
    json_t *device;
    if (json_array_size(body->block_devices) || json_array_size(body->personality)) {
        return fault(err, RC_INVALID, "%s is not supported.",
                     json_array_size(body->personality) ? "personality" : "block_device_mapping");
    }
    json_array_foreach(body->block_devices_v2, i, device)
    {
        const char *uuid = json_string_value(json_object_get(device, "uuid"));
        const char *source = json_string_value(json_object_get(device, "source_type"));
        const char *destination = json_string_value(json_object_get(device, "destination_type"));
        if (i > 0 || g_strcmp0(source, "image") != 0 ||
            (destination && strcmp(destination, "local") != 0) ||
            g_strcmp0(uuid, body->image_id) != 0) {
            return fault(err, RC_INVALID,
                         "Block Device Mapping is Invalid: only the image itself can be given.");
        }
    }
    return RC_OK;
}

static enum rc
read_network(json_t *item, unsigned version, struct wanted_port *port, struct err *err)
{
    static const char *const names[] = {"uuid", "port", "fixed_ip", "tag", NULL};
    if (!json_is_object(item)) {
        return invalid(err, "networks", "each must be an object");
    }
    enum rc rc = refuse_unknown_keys(item, names, err);
    if (rc != RC_OK) {
        return rc;
    }
    port->network_id = json_string_value(json_object_get(item, "uuid"));
    port->port_id = json_string_value(json_object_get(item, "port"));
    port->asked_ip = json_string_value(json_object_get(item, "fixed_ip"));
    port->tag = json_string_value(json_object_get(item, "tag"));
    if (port->port_id && !uuid_is_valid(port->port_id)) {
        return invalid(err, "port", "it is not a 'uuid'");
    }
    if (!port->port_id && (!port->network_id || !uuid_is_valid(port->network_id))) {
        return fault(err, RC_INVALID,
                     "Bad networks format: network uuid is not in proper format (%.100s)",
                     port->network_id ? port->network_id : "");
    }
    if (port->asked_ip && !is_address(port->asked_ip, AF_INET) &&
        !is_address(port->asked_ip, AF_INET6)) {
        return invalid(err, "fixed_ip", "it is not an address");
    }
    if (port->asked_ip && port->port_id) {
        return fault(err, RC_INVALID,
                     "Specified Fixed IP '%s' cannot be used with port '%s': the two cannot be "
                     "specified together.",
                     port->asked_ip, port->port_id);
    }
    if (port->tag && (version < 32 || (version >= 37 && version < 42))) {
        return fault(err, RC_INVALID,
                     "Additional properties are not allowed ('tag' was unexpected)");
    }
    return RC_OK;
}

static enum rc
read_networks(struct server_body *body, unsigned version, struct err *err)
{
    const char *word = json_string_value(body->networks);
    size_t i;
    json_t *item;
    if (!body->networks || json_is_null(body->networks)) {
        if (version >= 37) {
            return fault(err, RC_INVALID, "Invalid input: 'networks' is a required property");
        }
        body->is_auto_network = true;
        return RC_OK;
    }
    if (word && version >= 37 && (strcmp(word, "auto") == 0 || strcmp(word, "none") == 0)) {
        body->is_auto_network = strcmp(word, "auto") == 0;
        return RC_OK;
    }
    if (!json_is_array(body->networks) || json_array_size(body->networks) > SERVER_MAX_PORTS) {
        return invalid(err, "networks", "it is not an array of at most 16 networks");
    }
    json_array_foreach(body->networks, i, item)
    {
        enum rc rc = read_network(item, version, &body->ports[body->n_ports], err);
        if (rc != RC_OK) {
            return rc;
        }
        body->n_ports++;
    }
    body->is_auto_network = body->n_ports == 0;
    return RC_OK;
}

static enum rc
read_host_list(json_t *value, const char *name, json_t **ret_array, struct err *err)
{
    size_t i;
    json_t *item;
    json_t *array = json_is_string(value) ? json_pack("[O]", value) : json_incref(value);
    if (!json_is_array(array) || json_array_size(array) > 64) {
        json_decref(array);
        return invalid(err, name, "it is not an id or an array of ids");
    }
    json_array_foreach(array, i, item)
    {
        if (!json_is_string(item) || !uuid_is_valid(json_string_value(item))) {
            json_decref(array);
            return invalid(err, name, "it is not a 'uuid'");
        }
    }
    *ret_array = array;
    return RC_OK;
}

static enum rc
read_hints(json_t *root, json_t *server, struct server_body *body, struct err *err)
{
    json_t *hints = json_object_get(root, "os:scheduler_hints"), *value;
    if (!hints) {
        hints = json_object_get(root, "OS-SCH-HNT:scheduler_hints");
    }
    if (!hints) {
        return RC_OK;
    }
    if (!json_is_object(hints)) {
        return invalid(err, "os:scheduler_hints", "it is not of type 'object'");
    }
    if ((value = json_object_get(hints, "group"))) {
        body->group_id = json_string_value(value);
        if (!body->group_id || !uuid_is_valid(body->group_id)) {
            return invalid(err, "group", "it is not a 'uuid'");
        }
    }
    enum rc rc = RC_OK;
    if ((value = json_object_get(hints, "same_host"))) {
        rc = read_host_list(value, "same_host", &body->same_host, err);
        json_object_set_new(hints, "same_host", body->same_host); // owned by the body from here
    }
    if (rc == RC_OK && (value = json_object_get(hints, "different_host"))) {
        rc = read_host_list(value, "different_host", &body->different_host, err);
        json_object_set_new(hints, "different_host", body->different_host);
    }
    return rc;
}

// "zone:host" and, from 2.74, "host": the administrator's choice of a host.
static enum rc
read_zone(struct request *request, struct server_body *body, struct err *err)
{
    const char *colon = body->zone ? strchr(body->zone, ':') : NULL;
    if (colon) {
        body->forced_host = request_strdup(request, colon + 1);
        char *zone = request_strdup(request, body->zone);
        zone[colon - body->zone] = '\0';
        body->zone = *zone ? zone : NULL;
    }
    if (body->host || body->hypervisor_hostname) {
        body->forced_host = body->host ? body->host : body->hypervisor_hostname;
    }
    return body->forced_host
               ? request_allow(request, "os_compute_api:servers:create:forced_host", NULL, err)
               : RC_OK;
}

static enum rc
read_counts(const json_t *server, struct server_body *body, struct err *err)
{
    bool has_min = json_object_get(server, "min_count"),
         has_max = json_object_get(server, "max_count");
    body->min_count = has_min ? body->min_count : 1;
    body->max_count = has_max ? body->max_count : body->min_count;
    if (body->min_count > body->max_count) {
        return fault(err, RC_INVALID, "min_count must be <= max_count");
    }
    for (unsigned i = 0; body->max_count > 1 && i < body->n_ports; i++) {
        if (body->ports[i].port_id || body->ports[i].asked_ip) {
            return fault(
                err, RC_INVALID,
                "Unable to launch multiple instances with a single configured port or fixed IP.");
        }
    }
    return RC_OK;
}

enum rc
server_body_read(struct request *request, struct server_body *ret_body, struct err *err)
{
    static const char *const roots[] = {"server", "os:scheduler_hints",
                                        "OS-SCH-HNT:scheduler_hints", NULL};
    json_t *root = request_json(request), *server = json_object_get(root, "server");
    unsigned version = request_version(request);
    if (!json_is_object(server)) {
        return fault(err, RC_INVALID,
                     "Invalid input for field 'server': it is not of type 'object'");
    }
    enum rc rc = refuse_unknown_keys(root, roots, err);
    if (rc != RC_OK || (rc = check_versions(server, version, err)) != RC_OK ||
        (rc = body_decode(&spec, server, ret_body, NULL, err)) != RC_OK ||
        (rc = check_texts(ret_body, err)) != RC_OK ||
        (rc = read_references(request, ret_body, err)) != RC_OK ||
        (rc = check_block_devices(ret_body, err)) != RC_OK ||
        (rc = read_networks(ret_body, version, err)) != RC_OK ||
        (rc = read_counts(server, ret_body, err)) != RC_OK ||
        (rc = read_hints(root, server, ret_body, err)) != RC_OK ||
        (rc = meta_check(ret_body->metadata, err)) != RC_OK ||
        (rc = tags_check(ret_body->tags, err)) != RC_OK) {
        return rc;
    }
    return read_zone(request, ret_body, err);
}
