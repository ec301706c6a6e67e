// SPDX-License-Identifier: Apache-2.0
#include "services/compute/hypervisor/metadata_doc.h"

#include <string.h>

#include "common/base/util.h"

#define OCTETS "application/octet-stream"
#define TEXT "text/plain; charset=utf-8"
#define JSON "application/json"

// NULL: there is nothing of that name for this server.
typedef GBytes *(*doc_fn)(const struct order *order);

struct doc {
    const char *name;
    doc_fn make;
    const char *type;
    const char *since; // first OpenStack version that has it
};

static GBytes *openstack_meta_data(const struct order *order);
static GBytes *openstack_network_data(const struct order *order);
static GBytes *empty_object(const struct order *order);
static GBytes *user_data(const struct order *order);
static GBytes *ec2_instance_id(const struct order *order);
static GBytes *ec2_hostname(const struct order *order);
static GBytes *ec2_local_ipv4(const struct order *order);
static GBytes *ec2_mac(const struct order *order);
static GBytes *ec2_zone(const struct order *order);
static GBytes *ec2_launch_index(const struct order *order);
static GBytes *ec2_ami_id(const struct order *order);
static GBytes *ec2_instance_type(const struct order *order);
static GBytes *ec2_reservation_id(const struct order *order);
static GBytes *ec2_security_groups(const struct order *order);
static GBytes *ec2_key_names(const struct order *order);
static GBytes *ec2_key_formats(const struct order *order);
static GBytes *ec2_key(const struct order *order);

// clang-format off
static const char *const OPENSTACK_VERSIONS[] = {
    "2012-08-10", "2013-04-04", "2013-10-17", "2015-10-15", "2016-06-30", "2016-10-06", "2017-02-22", "2018-08-27",
    "2020-10-14", "latest",
};
static const char *const EC2_VERSIONS[] = {
    "1.0", "2007-01-19", "2007-03-01", "2007-08-29", "2007-10-10", "2007-12-15", "2008-02-01", "2008-09-01", "2009-04-04",
    "latest",
};
static const struct doc OPENSTACK_DOCS[] = {
    {"meta_data.json",    openstack_meta_data,    JSON,   "2012-08-10"},
    {"user_data",         user_data,              OCTETS, "2012-08-10"},
    {"vendor_data.json",  empty_object,           JSON,   "2013-10-17"},
    {"network_data.json", openstack_network_data, JSON,   "2015-10-15"},
    {"vendor_data2.json", empty_object,           JSON,   "2016-10-06"},
};
static const struct doc EC2_DOCS[] = {
    {"ami-id",                      ec2_ami_id,          TEXT, NULL},
    {"ami-launch-index",            ec2_launch_index,    TEXT, NULL},
    {"hostname",                    ec2_hostname,        TEXT, NULL},
    {"instance-id",                 ec2_instance_id,     TEXT, NULL},
    {"instance-type",               ec2_instance_type,   TEXT, NULL},
    {"local-hostname",              ec2_hostname,        TEXT, NULL},
    {"local-ipv4",                  ec2_local_ipv4,      TEXT, NULL},
    {"mac",                         ec2_mac,             TEXT, NULL},
    {"placement/availability-zone", ec2_zone,            TEXT, NULL},
    {"public-hostname",             ec2_hostname,        TEXT, NULL},
    {"public-keys/",                ec2_key_names,       TEXT, NULL},
    {"public-keys/0/",              ec2_key_formats,     TEXT, NULL},
    {"public-keys/0/openssh-key",   ec2_key,             TEXT, NULL},
    {"reservation-id",              ec2_reservation_id,  TEXT, NULL},
    {"security-groups",             ec2_security_groups, TEXT, NULL},
};
const char *const CONFIG_DRIVE_FILES[] = {
    "openstack/latest/meta_data.json", "openstack/latest/user_data", "openstack/latest/vendor_data.json",
    "openstack/latest/vendor_data2.json", "openstack/latest/network_data.json", "openstack/2018-08-27/meta_data.json",
    "openstack/2018-08-27/user_data", "openstack/2018-08-27/vendor_data.json", "openstack/2018-08-27/network_data.json",
    "ec2/latest/user-data", NULL,
};
// clang-format on

static GBytes *openstack_find(const struct order *order, char **parts, const char **ret_type);
static GBytes *ec2_find(const struct order *order, char **parts, const char **ret_type);

static GBytes *
text_bytes(const char *text)
{
    return text ? g_bytes_new(text, strlen(text)) : NULL;
}

static const char *
meta_text(const struct order *order, const char *key)
{
    return json_string_value(json_object_get(order->metadata, key));
}

static GBytes *
names_list(const char *const *names, size_t n_names)
{
    GString *list = g_string_new(NULL);
    for (size_t i = 0; i < n_names; i++) {
        g_string_append_printf(list, "%s%s", i ? "\n" : "", names[i]);
    }
    return g_string_free_to_bytes(list);
}

// Path elements without empty ones; whether the path ended with a slash does not matter to clients.
static char **
path_split(const char *path)
{
    g_autofree char *bare = g_strndup(path, strcspn(path, "?#"));
    g_auto(GStrv) raw = g_strsplit(bare, "/", 12);
    GPtrArray *parts = g_ptr_array_new();
    for (char **part = raw; *part; part++) {
        if (**part) {
            g_ptr_array_add(parts, g_strdup(*part));
        }
    }
    g_ptr_array_add(parts, NULL);
    return (char **)g_ptr_array_free(parts, FALSE);
}

GBytes *
metadata_doc_find(const struct order *order, const char *path, const char **ret_type)
{
    g_auto(GStrv) parts = path_split(path);
    *ret_type = TEXT;
    if (!parts[0]) {
        return names_list(EC2_VERSIONS, N_ELEMENTS(EC2_VERSIONS));
    }
    if (strcmp(parts[0], "openstack") == 0) {
        return openstack_find(order, parts + 1, ret_type);
    }
    // The config drive has EC2's documents below their own directory.
    return ec2_find(order, strcmp(parts[0], "ec2") == 0 ? parts + 1 : parts, ret_type);
}

static bool
is_in(const char *const *names, size_t n_names, const char *name)
{
    for (size_t i = 0; i < n_names; i++) {
        if (strcmp(names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static bool
doc_is_in_version(const struct doc *doc, const char *version)
{
    return !doc->since || strcmp(version, doc->since) >= 0; // "latest" sorts behind digits
}

static GBytes *
openstack_listing(const struct order *order, const char *version)
{
    GString *list = g_string_new(NULL);
    for (size_t i = 0; i < N_ELEMENTS(OPENSTACK_DOCS); i++) {
        const struct doc *doc = &OPENSTACK_DOCS[i];
        g_autoptr(GBytes) there = doc_is_in_version(doc, version) ? doc->make(order) : NULL;
        if (there) {
            g_string_append_printf(list, "%s%s", list->len ? "\n" : "", doc->name);
        }
    }
    return g_string_free_to_bytes(list);
}

static GBytes *
openstack_find(const struct order *order, char **parts, const char **ret_type)
{
    if (!parts[0]) {
        return names_list(OPENSTACK_VERSIONS, N_ELEMENTS(OPENSTACK_VERSIONS));
    }
    if (!is_in(OPENSTACK_VERSIONS, N_ELEMENTS(OPENSTACK_VERSIONS), parts[0])) {
        return NULL;
    }
    if (!parts[1]) {
        return openstack_listing(order, parts[0]);
    }
    for (size_t i = 0; i < N_ELEMENTS(OPENSTACK_DOCS) && !parts[2]; i++) {
        const struct doc *doc = &OPENSTACK_DOCS[i];
        if (strcmp(doc->name, parts[1]) == 0 && doc_is_in_version(doc, parts[0])) {
            *ret_type = doc->type;
            return doc->make(order);
        }
    }
    return NULL;
}

// Names directly below `prefix`, directories with a slash behind.
static GBytes *
ec2_listing(const struct order *order, const char *prefix)
{
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    GString *list = g_string_new(NULL);
    for (size_t i = 0; i < N_ELEMENTS(EC2_DOCS); i++) {
        const char *rest = EC2_DOCS[i].name + strlen(prefix);
        if (!g_str_has_prefix(EC2_DOCS[i].name, prefix) || !*rest) {
            continue;
        }
        g_autoptr(GBytes) there = EC2_DOCS[i].make(order);
        size_t len = strcspn(rest, "/");
        char *name = g_strndup(rest, len + (rest[len] == '/'));
        if (there && !g_hash_table_contains(seen, name)) {
            g_string_append_printf(list, "%s%s", list->len ? "\n" : "", name);
            g_hash_table_add(seen, name);
        } else {
            g_free(name);
        }
    }
    if (list->len == 0) {
        g_string_free(list, TRUE);
        return NULL;
    }
    return g_string_free_to_bytes(list);
}

static GBytes *
ec2_find(const struct order *order, char **parts, const char **ret_type)
{
    if (!is_in(EC2_VERSIONS, N_ELEMENTS(EC2_VERSIONS), parts[0] ? parts[0] : "")) {
        return NULL;
    }
    if (!parts[1]) {
        g_autoptr(GBytes) data = user_data(order);
        return text_bytes(data ? "meta-data/\nuser-data" : "meta-data/");
    }
    if (strcmp(parts[1], "user-data") == 0 && !parts[2]) {
        *ret_type = OCTETS;
        return user_data(order);
    }
    if (strcmp(parts[1], "meta-data") != 0) {
        return NULL;
    }
    g_autofree char *name = g_strjoinv("/", parts + 2);
    g_autofree char *as_directory = *name ? g_strconcat(name, "/", NULL) : g_strdup("");
    for (size_t i = 0; i < N_ELEMENTS(EC2_DOCS); i++) {
        if (strcmp(EC2_DOCS[i].name, name) == 0 || strcmp(EC2_DOCS[i].name, as_directory) == 0) {
            return EC2_DOCS[i].make(order);
        }
    }
    return ec2_listing(order, as_directory);
}

// ---- OpenStack documents

static GBytes *
json_bytes(json_t *json)
{
    char *text = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    return text ? g_bytes_new_with_free_func(text, strlen(text), free, text) : NULL;
}

static GBytes *
openstack_meta_data(const struct order *order)
{
    json_t *metadata = order->metadata;
    json_t *doc = json_object();
    static const char *const COPIED[] = {
        "uuid",         "name", "hostname", "project_id", "availability_zone",
        "launch_index", "keys", "meta",     "admin_pass"};
    for (size_t i = 0; i < N_ELEMENTS(COPIED); i++) {
        json_t *value = json_object_get(metadata, COPIED[i]);
        if (value && !json_is_null(value)) {
            json_object_set(doc, COPIED[i], value);
        }
    }
    json_t *keys = json_object_get(metadata, "keys");
    size_t i;
    json_t *key;
    json_t *public_keys = json_object();
    json_array_foreach(keys, i, key)
    {
        const char *name = json_string_value(json_object_get(key, "name"));
        if (name) {
            json_object_set(public_keys, name, json_object_get(key, "data"));
        }
    }
    json_object_set_new(doc, "uuid", json_string(order->server_id));
    if (json_object_size(public_keys) > 0) {
        json_object_set(doc, "public_keys", public_keys);
    }
    json_decref(public_keys);
    json_object_set_new(doc, "devices", json_array());
    json_object_set_new(doc, "dedicated_cpus", json_array());
    return json_bytes(doc);
}

static void
network_add(const struct order_port *port, json_t *links, json_t *networks)
{
    char link[16];
    g_snprintf(link, sizeof link, "tap%.11s", port->id);
    json_array_append_new(links, json_pack("{s:s, s:s, s:s, s:o, s:s}", "id", link, "vif_id",
                                           port->id, "type", "ovs", "mtu",
                                           port->mtu ? json_integer(port->mtu) : json_null(),
                                           "ethernet_mac_address", port->mac));
    for (size_t i = 0; i < port->n_ips; i++) {
        g_autofree char *id = g_strdup_printf("network%zu", json_array_size(networks));
        const char *type = strchr(port->ips[i].ip, ':') ? "ipv6_dhcp" : "ipv4_dhcp";
        json_array_append_new(networks, json_pack("{s:s, s:s, s:s, s:s}", "id", id, "type", type,
                                                  "link", link, "network_id", port->network_id));
    }
}

static GBytes *
openstack_network_data(const struct order *order)
{
    json_t *links = json_array();
    json_t *networks = json_array();
    for (size_t i = 0; i < order->n_ports; i++) {
        network_add(&order->ports[i], links, networks);
    }
    return json_bytes(
        json_pack("{s:o, s:o, s:[]}", "links", links, "networks", networks, "services"));
}

static GBytes *
empty_object(const struct order *order)
{
    return text_bytes("{}");
}

static GBytes *
user_data(const struct order *order)
{
    const char *base64 = meta_text(order, "user_data");
    if (!base64 || !*base64) {
        return NULL;
    }
    gsize size;
    guchar *data = g_base64_decode(base64, &size);
    return g_bytes_new_take(data, size);
}

// ---- EC2 documents

// EC2's ids are "i-" and eight hexadecimal digits.
static GBytes *
ec2_id(const char *prefix, const char *uuid)
{
    g_autofree char *id = g_strdup_printf("%s-%.8s", prefix, uuid);
    return text_bytes(id);
}

static GBytes *
ec2_instance_id(const struct order *order)
{
    return ec2_id("i", order->server_id);
}

static GBytes *
ec2_reservation_id(const struct order *order)
{
    return ec2_id("r", order->server_id);
}

static GBytes *
ec2_ami_id(const struct order *order)
{
    return order->image.id ? ec2_id("ami", order->image.id) : NULL;
}

static GBytes *
ec2_instance_type(const struct order *order)
{
    json_t *name = json_object_get(order->flavor_json, "name");
    return text_bytes(json_string_value(name));
}

static GBytes *
ec2_hostname(const struct order *order)
{
    return text_bytes(meta_text(order, "hostname"));
}

static GBytes *
ec2_local_ipv4(const struct order *order)
{
    for (size_t i = 0; i < order->n_ports; i++) {
        for (size_t k = 0; k < order->ports[i].n_ips; k++) {
            if (!strchr(order->ports[i].ips[k].ip, ':')) {
                return text_bytes(order->ports[i].ips[k].ip);
            }
        }
    }
    return NULL;
}

static GBytes *
ec2_mac(const struct order *order)
{
    return order->n_ports ? text_bytes(order->ports[0].mac) : NULL;
}

static GBytes *
ec2_zone(const struct order *order)
{
    return text_bytes(meta_text(order, "availability_zone"));
}

static GBytes *
ec2_launch_index(const struct order *order)
{
    json_t *index = json_object_get(order->metadata, "launch_index");
    g_autofree char *text = g_strdup_printf("%" JSON_INTEGER_FORMAT,
                                            json_is_integer(index) ? json_integer_value(index) : 0);
    return text_bytes(text);
}

static GBytes *
ec2_security_groups(const struct order *order)
{
    GString *list = g_string_new(NULL);
    size_t i;
    json_t *name;
    json_array_foreach(json_object_get(order->metadata, "security_groups"), i, name)
    {
        g_string_append_printf(list, "%s%s", i ? "\n" : "", json_string_value(name));
    }
    return g_string_free_to_bytes(list);
}

static json_t *
first_key(const struct order *order)
{
    return json_array_get(json_object_get(order->metadata, "keys"), 0);
}

static GBytes *
ec2_key_names(const struct order *order)
{
    const char *name = json_string_value(json_object_get(first_key(order), "name"));
    g_autofree char *line = name ? g_strdup_printf("0=%s", name) : NULL;
    return text_bytes(line);
}

static GBytes *
ec2_key_formats(const struct order *order)
{
    return first_key(order) ? text_bytes("openssh-key") : NULL;
}

static GBytes *
ec2_key(const struct order *order)
{
    return text_bytes(json_string_value(json_object_get(first_key(order), "data")));
}
