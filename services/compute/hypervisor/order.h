// SPDX-License-Identifier: Apache-2.0
// One server as the scheduler wants it on this host: the decoded `server.order` message. Immutable
// and reference-counted; texts are borrowed from the JSON it keeps. Pure: no I/O.
#pragma once
#include "common/base/err.h"
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

enum want { WANT_RUNNING, WANT_STOPPED, WANT_ABSENT, WANT_PAUSED, WANT_SUSPENDED };

#define MAX_ORDER_PORTS 32
#define MAX_PORT_IPS 16

struct order_ip {
    const char *ip;
    const char *subnet_id; // may be NULL
    const char *gateway;   // NULL: none
    int64_t prefix;
};
struct order_port {
    const char *id, *mac, *network_id;
    const char *metadata_port_id; // logical port of the network's metadata localport; NULL:
                                  // ovnmeta-<network id>
    const char *metadata_ip;      // its address; NULL: as the southbound database says
    json_t *fixed_ips;
    int64_t mtu; // 0: unknown
    struct order_ip ips[MAX_PORT_IPS];
    size_t n_ips;
};
struct order_image {
    const char *id, *url, *disk_format;
    const char *hash_algo, *hash_value; // common/base/digest.h
    const char *sha512;                 // the same, as orders of before had it; not to be read
    int64_t size;
};
struct order_flavor {
    int64_t vcpus, ram_mib, disk_gib;
};
struct order {
    json_t *json; // the whole order, as it is stored
    const char *server_id;
    const char *state; // as in the message; `want` is what to use
    int64_t generation;
    int64_t reboot_count;
    bool reboot_hard;
    bool config_drive;
    json_t *flavor_json, *image_json, *ports_json;
    json_t *metadata; // object; NULL for absent servers
    enum want want;
    struct order_flavor flavor;
    struct order_image image;
    struct order_port ports[MAX_ORDER_PORTS];
    size_t n_ports;
};

// json: borrowed. RC_INVALID names the field. What is wanted absent needs server_id, generation and
// state only.
enum rc order_from_json(json_t *json, struct order **ret_order, struct err *err) CHECKED;
// One more or one less holder; NULL is fine.
struct order *order_ref(const struct order *order);
void order_unref(struct order *order);

const char *want_name(enum want want);
// The format's name for qemu-img and libvirt ("vhd" is "vpc" there); NULL: not supported.
const char *order_qemu_format(const char *disk_format);
// Dashed, lower case, 36 characters: safe as a file name.
bool order_id_is_safe(const char *id);
static inline void
order_unref_pointer(struct order **order)
{
    order_unref(*order);
}
#define auto_order __attribute__((cleanup(order_unref_pointer))) struct order
