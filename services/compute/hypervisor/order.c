// SPDX-License-Identifier: Apache-2.0
#include "services/compute/hypervisor/order.h"

#include <arpa/inet.h>
#include <string.h>

#include "common/base/digest.h"
#include "common/base/util.h"
#include "common/json/body.h"

// clang-format off
static const char *const WANT_NAMES[] = {"running", "stopped", "absent", "paused", "suspended", NULL};

static const struct {
    const char *disk_format, *qemu_format;
} FORMATS[] = {
    {"qcow2", "qcow2"}, {"raw", "raw"}, {"vmdk", "vmdk"}, {"vdi", "vdi"}, {"vhd", "vpc"}, {"vhdx", "vhdx"},
};

static const struct field ORDER_FIELDS[] = {
    FIELD(struct order, server_id, "server_id", FIELD_UUID, FIELD_REQUIRED),
    FIELD(struct order, generation, "generation", FIELD_INT, FIELD_REQUIRED, 0, INT64_MAX),
    {.name = "state", .type = FIELD_TEXT, .flags = FIELD_REQUIRED, .offset = offsetof(struct order, state), .values = WANT_NAMES},
    FIELD(struct order, reboot_count, "reboot_count", FIELD_INT, 0, 0, INT64_MAX),
    FIELD(struct order, reboot_hard, "reboot_hard", FIELD_BOOL, FIELD_NULLABLE),
    FIELD(struct order, config_drive, "config_drive", FIELD_BOOL, FIELD_NULLABLE),
    FIELD(struct order, flavor_json, "flavor", FIELD_OBJECT, FIELD_NULLABLE),
    FIELD(struct order, image_json, "image", FIELD_OBJECT, FIELD_NULLABLE),
    FIELD(struct order, ports_json, "ports", FIELD_ARRAY, FIELD_NULLABLE, 0, MAX_ORDER_PORTS),
    FIELD(struct order, metadata, "metadata", FIELD_OBJECT, FIELD_NULLABLE),
};
static const struct field FLAVOR_FIELDS[] = {
    FIELD(struct order_flavor, vcpus, "vcpus", FIELD_INT, FIELD_REQUIRED, 1, 1024),
    FIELD(struct order_flavor, ram_mib, "ram_mib", FIELD_INT, FIELD_REQUIRED, 1, 64 * 1024 * 1024),
    FIELD(struct order_flavor, disk_gib, "disk_gib", FIELD_INT, FIELD_REQUIRED, 0, 1024 * 1024),
};
static const struct field IMAGE_FIELDS[] = {
    FIELD(struct order_image, id, "id", FIELD_UUID, FIELD_REQUIRED),
    FIELD(struct order_image, url, "url", FIELD_TEXT, FIELD_REQUIRED, 8, 4096),
    FIELD(struct order_image, size, "size", FIELD_INT, FIELD_REQUIRED, 1, INT64_MAX),
    FIELD(struct order_image, hash_algo, "os_hash_algo", FIELD_TEXT, FIELD_NULLABLE, 1, 20),
    FIELD(struct order_image, hash_value, "os_hash_value", FIELD_TEXT, FIELD_NULLABLE, 1, 128),
    FIELD(struct order_image, sha512, "sha512", FIELD_TEXT, FIELD_NULLABLE, 1, 128),
    FIELD(struct order_image, disk_format, "disk_format", FIELD_TEXT, FIELD_REQUIRED, 1, 20),
};
static const struct field PORT_FIELDS[] = {
    FIELD(struct order_port, id, "id", FIELD_UUID, FIELD_REQUIRED),
    FIELD(struct order_port, mac, "mac", FIELD_TEXT, FIELD_REQUIRED, 17, 17),
    FIELD(struct order_port, network_id, "network_id", FIELD_UUID, FIELD_REQUIRED),
    FIELD(struct order_port, metadata_port_id, "metadata_port_id", FIELD_TEXT, FIELD_NULLABLE, 1, 64),
    FIELD(struct order_port, metadata_ip, "metadata_ip", FIELD_TEXT, FIELD_NULLABLE, 2, 45),
    FIELD(struct order_port, fixed_ips, "fixed_ips", FIELD_ARRAY, FIELD_NULLABLE, 0, MAX_PORT_IPS),
    FIELD(struct order_port, mtu, "mtu", FIELD_INT, FIELD_NULLABLE, 0, 65535),
};
static const struct field IP_FIELDS[] = {
    FIELD(struct order_ip, ip, "ip", FIELD_TEXT, FIELD_REQUIRED, 2, 45),
    FIELD(struct order_ip, subnet_id, "subnet_id", FIELD_UUID, FIELD_NULLABLE),
    FIELD(struct order_ip, gateway, "gateway", FIELD_TEXT, FIELD_NULLABLE, 2, 45),
    FIELD(struct order_ip, prefix, "prefix", FIELD_INT, FIELD_REQUIRED, 0, 128),
};
#define SPEC(fields_, struct_) \
    {.fields = fields_, .n_fields = N_ELEMENTS(fields_), .struct_size = sizeof(struct struct_), .unknown = BODY_ALLOW_UNKNOWN}
static const struct body_spec ORDER_SPEC = SPEC(ORDER_FIELDS, order);
static const struct body_spec FLAVOR_SPEC = SPEC(FLAVOR_FIELDS, order_flavor);
static const struct body_spec IMAGE_SPEC = SPEC(IMAGE_FIELDS, order_image);
static const struct body_spec PORT_SPEC = SPEC(PORT_FIELDS, order_port);
static const struct body_spec IP_SPEC = SPEC(IP_FIELDS, order_ip);
// clang-format on

static enum rc order_decode(json_t *json, struct order *order, struct err *err) CHECKED;
static enum rc parts_decode(struct order *order, struct err *err) CHECKED;
static enum rc ports_decode(struct order *order, struct err *err) CHECKED;
static enum rc port_decode(json_t *json, struct order_port *port, struct err *err) CHECKED;

enum rc
order_from_json(json_t *json, struct order **ret_order, struct err *err)
{
    struct order *order = g_atomic_rc_box_new0(struct order);
    enum rc rc = order_decode(json, order, err);
    if (rc) {
        order_unref(order);
        return rc;
    }
    *ret_order = order;
    return RC_OK;
}

struct order *
order_ref(const struct order *order)
{
    return order ? g_atomic_rc_box_acquire((struct order *)order) : NULL;
}

static void
order_clear(gpointer data)
{
    struct order *order = data;
    json_decref(order->json);
}

void
order_unref(struct order *order)
{
    if (order) {
        g_atomic_rc_box_release_full(order, order_clear);
    }
}

const char *
want_name(enum want want)
{
    return WANT_NAMES[want];
}

const char *
order_qemu_format(const char *disk_format)
{
    for (size_t i = 0; i < N_ELEMENTS(FORMATS); i++) {
        if (strcmp(FORMATS[i].disk_format, disk_format) == 0) {
            return FORMATS[i].qemu_format;
        }
    }
    return NULL;
}

bool
order_id_is_safe(const char *id)
{
    if (strlen(id) != UUID_LEN) {
        return false;
    }
    for (size_t i = 0; i < UUID_LEN; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        bool digit = (id[i] >= '0' && id[i] <= '9') || (id[i] >= 'a' && id[i] <= 'f');
        if (dash ? id[i] != '-' : !digit) {
            return false;
        }
    }
    return true;
}

static enum want
want_from_name(const char *name)
{
    size_t want = 0;
    while (strcmp(WANT_NAMES[want], name) != 0) {
        want++;
    }
    return want;
}

static enum rc
id_check(const char *field, const char *id, struct err *err)
{
    return order_id_is_safe(id)
               ? RC_OK
               : fault(err, RC_INVALID, "invalid input for field '%s': not a lower-case UUID",
                       field);
}

static enum rc
order_decode(json_t *json, struct order *order, struct err *err)
{
    enum rc rc = body_decode(&ORDER_SPEC, json, order, NULL, err);
    if (rc) {
        order->json = NULL;
        return rc;
    }
    order->json = json_incref(json);
    order->want = want_from_name(order->state);
    rc = id_check("server_id", order->server_id, err);
    if (rc) {
        return rc;
    }
    if (order->want != WANT_ABSENT) {
        rc = parts_decode(order, err);
    }
    return rc ? rc : ports_decode(order, err);
}

// Orders on disk and in rows from before the algorithm could be chosen have only `sha512`.
static enum rc
image_hash_check(struct order_image *image, struct err *err)
{
    if (!image->hash_value && image->sha512) {
        image->hash_algo = "sha512";
        image->hash_value = image->sha512;
    }
    const struct digest_algo *algo = image->hash_algo ? digest_algo_find(image->hash_algo) : NULL;
    if (!algo) {
        return fault(err, RC_INVALID,
                     "invalid input for field 'os_hash_algo': missing, or not known here");
    }
    return image->hash_value && digest_algo_of(image->hash_value) == algo
               ? RC_OK
               : fault(err, RC_INVALID,
                       "invalid input for field 'os_hash_value': not %u hexadecimal digits",
                       algo->n_hex);
}

static enum rc
image_decode(struct order *order, struct err *err)
{
    enum rc rc = body_decode(&IMAGE_SPEC, order->image_json, &order->image, NULL, err);
    if (rc) {
        return rc;
    }
    const struct order_image *image = &order->image;
    if (!order_qemu_format(image->disk_format)) {
        return fault(err, RC_INVALID,
                     "invalid input for field 'disk_format': '%s' cannot be booted here",
                     image->disk_format);
    }
    if (!g_str_has_prefix(image->url, "http://") && !g_str_has_prefix(image->url, "https://")) {
        return fault(err, RC_INVALID, "invalid input for field 'url': not an HTTP address");
    }
    rc = image_hash_check(&order->image, err);
    return rc ? rc : id_check("image.id", image->id, err);
}

static enum rc
parts_decode(struct order *order, struct err *err)
{
    if (!order->flavor_json || !order->image_json || !order->metadata) {
        return fault(err, RC_INVALID, "invalid input for field '%s': missing",
                     !order->flavor_json  ? "flavor"
                     : !order->image_json ? "image"
                                          : "metadata");
    }
    enum rc rc = body_decode(&FLAVOR_SPEC, order->flavor_json, &order->flavor, NULL, err);
    return rc ? rc : image_decode(order, err);
}

static enum rc
ports_decode(struct order *order, struct err *err)
{
    enum rc rc = RC_OK;
    size_t i;
    json_t *port;
    json_array_foreach(order->ports_json, i, port)
    {
        if (rc == RC_OK) {
            rc = port_decode(port, &order->ports[i], err);
        }
    }
    order->n_ports = rc ? 0 : i;
    return rc;
}

static bool
mac_is_valid(const char *mac)
{
    for (size_t i = 0; i < 17; i++) {
        if (i % 3 == 2 ? mac[i] != ':' : !g_ascii_isxdigit(mac[i])) {
            return false;
        }
    }
    return true;
}

// It becomes part of what ovs-vsctl reads.
static bool
name_is_plain(const char *name)
{
    for (; *name; name++) {
        if (!g_ascii_isalnum(*name) && *name != '-' && *name != '_') {
            return false;
        }
    }
    return true;
}

static bool
ip_is_valid(const char *ip, int64_t prefix)
{
    unsigned char binary[16];
    return (inet_pton(AF_INET, ip, binary) == 1 && prefix <= 32) ||
           inet_pton(AF_INET6, ip, binary) == 1;
}

static enum rc
ips_decode(struct order_port *port, struct err *err)
{
    size_t i;
    json_t *json;
    json_array_foreach(port->fixed_ips, i, json)
    {
        struct order_ip *ip = &port->ips[i];
        enum rc rc = body_decode(&IP_SPEC, json, ip, NULL, err);
        if (rc) {
            return rc;
        }
        if (!ip_is_valid(ip->ip, ip->prefix) || (ip->gateway && !ip_is_valid(ip->gateway, 0))) {
            return fault(err, RC_INVALID, "invalid input for field 'ip': '%s'", ip->ip);
        }
    }
    port->n_ips = i;
    return RC_OK;
}

static enum rc
port_decode(json_t *json, struct order_port *port, struct err *err)
{
    enum rc rc = body_decode(&PORT_SPEC, json, port, NULL, err);
    if (rc == RC_OK) {
        rc = id_check("port.id", port->id, err);
    }
    if (rc == RC_OK) {
        rc = id_check("network_id", port->network_id, err);
    }
    if (rc) {
        return rc;
    }
    if (!mac_is_valid(port->mac)) {
        return fault(err, RC_INVALID, "invalid input for field 'mac': '%s'", port->mac);
    }
    if (port->metadata_port_id && !name_is_plain(port->metadata_port_id)) {
        return fault(err, RC_INVALID, "invalid input for field 'metadata_port_id': '%s'",
                     port->metadata_port_id);
    }
    if (port->metadata_ip && !ip_is_valid(port->metadata_ip, 0)) {
        return fault(err, RC_INVALID, "invalid input for field 'metadata_ip': '%s'",
                     port->metadata_ip);
    }
    return ips_decode(port, err);
}
