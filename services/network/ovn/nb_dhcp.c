// SPDX-License-Identifier: Apache-2.0
#include "services/network/ovn/nb_dhcp.h"
#include "services/network/ovn/nb_address.h"
#include <string.h>

#define METADATA_ADDRESS "169.254.169.254/32"
#define DEFAULT_LEASE_TIME_S 43200

enum option_form { OPTION_PLAIN, OPTION_QUOTED, OPTION_ADDRESSES };

// Neutron takes dnsmasq's names or option numbers; these are the ones that OVN has (ovn-nb(5),
// DHCP_Options).
// clang-format off
static const struct dhcp_name {
    const char *name;
    const char *number;
    const char *ovn;
    enum option_form form;
} dhcp_names[] = {
    {"bootfile-name",     "67",  "bootfile_name",            OPTION_QUOTED},
    {"broadcast",         "28",  "broadcast_address",        OPTION_ADDRESSES},
    {"default-ttl",       "23",  "default_ttl",              OPTION_PLAIN},
    {"dns-server",        "6",   "dns_server",               OPTION_ADDRESSES},
    {"domain-name",       "15",  "domain_name",              OPTION_QUOTED},
    {"domain-search",     "119", "domain_search_list",       OPTION_QUOTED},
    {"interface-mtu",     "26",  "mtu",                      OPTION_PLAIN},
    {"lease-time",        "51",  "lease_time",               OPTION_PLAIN},
    {"log-server",        "7",   "log_server",               OPTION_ADDRESSES},
    {"lpr-server",        "9",   "lpr_server",               OPTION_ADDRESSES},
    {"mtu",               "26",  "mtu",                      OPTION_PLAIN},
    {"netmask",           "1",   "netmask",                  OPTION_ADDRESSES},
    {"nis-server",        "41",  "nis_server",               OPTION_ADDRESSES},
    {"ntp-server",        "42",  "ntp_server",               OPTION_ADDRESSES},
    {"path-prefix",       "210", "path_prefix",              OPTION_QUOTED},
    {"router",            "3",   "router",                   OPTION_ADDRESSES},
    {"server-ip-address", NULL,  "tftp_server_address",      OPTION_ADDRESSES},
    {"swap-server",       "16",  "swap_server",              OPTION_ADDRESSES},
    {"tftp-server",       "66",  "tftp_server",              OPTION_QUOTED},
    {"wpad",              "252", "wpad",                     OPTION_QUOTED},
};
// clang-format on

// The text inside OVN's quotes must not end them.
static bool
is_quotable(const char *text)
{
    return *text && strlen(text) <= 255 && !strpbrk(text, "\"\\\n\r");
}

static enum rc
add_addresses(struct nb_row *row, const char *option, const char *const *ips, size_t n_ips,
              struct err *err)
{
    g_autoptr(GString) text = g_string_new(n_ips > 1 ? "{" : "");
    for (size_t i = 0; i < n_ips; i++) {
        if (nb_address_version(ips[i]) == 6) {
            continue; // DHCPv4 cannot carry it
        }
        enum rc rc = nb_check_ip(option, ips[i], 4, err);
        if (rc != RC_OK) {
            return rc;
        }
        g_string_append_printf(text, "%s%s", text->len > 1 && i ? ", " : "", ips[i]);
    }
    if (text->len > 1) {
        g_string_append(text, n_ips > 1 ? "}" : "");
        nb_row_map(row, "options", option, text->str);
    }
    return RC_OK;
}

static enum rc
append_route(GString *text, const char *destination, const char *nexthop, struct err *err)
{
    char cidr[NB_ADDRESS_SIZE];
    bool is_all;
    enum rc rc = nb_cidr("host route", destination, 4, cidr, &is_all, err);
    rc = rc == RC_OK ? nb_check_ip("next hop", nexthop, 4, err) : rc;
    if (rc == RC_OK) {
        const char *length = strchr(cidr, '/') ? "" : "/32";
        g_string_append_printf(text, "%s%s%s,%s", text->len ? ", " : "", cidr, length, nexthop);
    }
    return rc;
}

// Option 121 makes clients ignore option 3, so the default route is among them (RFC 3442).
static enum rc
add_routes(struct nb_row *row, const struct nb_subnet *subnet, struct err *err)
{
    g_autoptr(GString) text = g_string_new(NULL);
    enum rc rc = RC_OK;
    if (subnet->metadata_address) {
        rc = append_route(text, METADATA_ADDRESS, subnet->metadata_address, err);
    }
    bool has_default = false;
    for (size_t i = 0; rc == RC_OK && i < subnet->n_host_routes; i++) {
        const struct nb_route *route = &subnet->host_routes[i];
        has_default = has_default || g_str_has_suffix(route->destination, "/0");
        rc = append_route(text, route->destination, route->nexthop, err);
    }
    if (rc == RC_OK && text->len && subnet->gateway_ip && !has_default) {
        rc = append_route(text, "0.0.0.0/0", subnet->gateway_ip, err);
    }
    if (rc == RC_OK && text->len) {
        g_autofree char *braced = g_strdup_printf("{%s}", text->str);
        nb_row_map(row, "options", "classless_static_route", braced);
    }
    return rc;
}

static void
add_number(struct nb_row *row, const char *option, int number)
{
    g_autofree char *text = g_strdup_printf("%d", number);
    nb_row_map(row, "options", option, text);
}

static void
add_quoted(struct nb_row *row, const char *option, const char *value)
{
    if (value && is_quotable(value)) {
        g_autofree char *text = g_strdup_printf("\"%s\"", value);
        nb_row_map(row, "options", option, text);
    }
}

enum rc
nb_dhcp_fill(struct nb_row *row, const struct nb_subnet *subnet, struct err *err)
{
    char cidr[NB_ADDRESS_SIZE], mac[18];
    bool is_all;
    enum rc rc = nb_cidr("cidr", subnet->cidr, 4, cidr, &is_all, err);
    const char *server = subnet->gateway_ip ? subnet->gateway_ip : subnet->metadata_address;
    rc = rc == RC_OK && server ? nb_check_ip("gateway_ip", server, 4, err) : rc;
    if (rc != RC_OK) {
        return rc;
    }
    nb_mac_derive(subnet->id, mac);
    nb_row_text(row, "cidr", subnet->cidr);
    nb_row_map(row, "options", "server_mac", mac);
    nb_row_map(row, "options", "server_id", server ? server : "169.254.169.253");
    if (subnet->gateway_ip) {
        nb_row_map(row, "options", "router", subnet->gateway_ip);
    }
    add_number(row, "lease_time",
               subnet->lease_time_s ? subnet->lease_time_s : DEFAULT_LEASE_TIME_S);
    add_number(row, "mtu", subnet->mtu ? subnet->mtu : 1500);
    add_quoted(row, "domain_name", subnet->dns_domain);
    rc = add_addresses(row, "dns_server", subnet->dns_servers, subnet->n_dns_servers, err);
    return rc == RC_OK ? add_routes(row, subnet, err) : rc;
}

static const struct dhcp_name *
find_name(const char *name)
{
    for (size_t i = 0; i < N_ELEMENTS(dhcp_names); i++) {
        if (!g_strcmp0(name, dhcp_names[i].name) || !g_strcmp0(name, dhcp_names[i].number) ||
            !g_strcmp0(name, dhcp_names[i].ovn)) {
            return &dhcp_names[i];
        }
    }
    return NULL;
}

enum rc
nb_dhcp_override(struct nb_row *row, const struct nb_port *port, struct err *err)
{
    for (size_t i = 0; i < port->n_dhcp_options; i++) {
        const struct nb_dhcp_option *option = &port->dhcp_options[i];
        const struct dhcp_name *found = option->ip_version == 6 ? NULL : find_name(option->name);
        enum rc rc = RC_OK;
        int64_t number;
        if (found && found->form == OPTION_ADDRESSES) {
            g_auto(GStrv) ips = g_strsplit_set(option->value, ",;", 16);
            rc = add_addresses(row, found->ovn, (const char *const *)ips, g_strv_length(ips), err);
        } else if (found && found->form == OPTION_QUOTED) {
            add_quoted(row, found->ovn, option->value);
        } else if (found && parse_int64(option->value, 0, UINT32_MAX, &number)) {
            nb_row_map(row, "options", found->ovn, option->value);
        }
        if (rc != RC_OK) {
            return rc;
        }
    }
    return RC_OK;
}

enum rc
nb_dhcp_of_port(struct nb_object *object, const struct nb_port *port,
                const struct replica_row *subnet_row, struct err *err)
{
    const struct ovsdb_table *table = &nb_schema.tables[NB_DHCP_OPTIONS];
    const struct ovsdb_value *options = &subnet_row->values[ovsdb_column_index(table, "options")];
    struct nb_row *switch_port = object->rows->pdata[0];
    struct nb_row *row = nb_row_add(object, NB_DHCP_OPTIONS, "dhcp4");
    nb_row_text(row, "cidr", subnet_row->values[ovsdb_column_index(table, "cidr")].text);
    GHashTableIter iter;
    gpointer key, text;
    if (options->items) {
        g_hash_table_iter_init(&iter, options->items);
    }
    while (options->items && g_hash_table_iter_next(&iter, &key, &text)) {
        nb_row_map(row, "options", key, text);
    }
    g_free(switch_port->dhcpv4_options.owner);
    switch_port->dhcpv4_options.owner = g_strdup(object->owner);
    return nb_dhcp_override(row, port, err);
}
