// SPDX-License-Identifier: Apache-2.0
#include "services/network/api/desired.h"

#include "services/network/api/desired_db.h"

// Where an object goes: to OVN now, or into a reconciliation.
struct sink {
    struct ovn *ovn;
    struct ovn_desired *desired;
    GPtrArray *arena; // arrays of the object being handed over
};

static const char *
text(json_t *o, const char *name)
{
    return json_string_value(json_object_get(o, name));
}

static int64_t
number(json_t *o, const char *name)
{
    return json_integer_value(json_object_get(o, name));
}

static bool
flag(json_t *o, const char *name)
{
    return json_is_true(json_object_get(o, name));
}

static void *
array_new(struct sink *sink, size_t n, size_t size)
{
    void *array = g_malloc0_n(n + 1, size);
    g_ptr_array_add(sink->arena, array);
    return array;
}

static const char *const *
texts(struct sink *sink, json_t *list, size_t *ret_n)
{
    size_t n = json_array_size(list);
    const char **array = array_new(sink, n, sizeof *array);
    for (size_t i = 0; i < n; i++) {
        array[i] = json_string_value(json_array_get(list, i));
    }
    *ret_n = n;
    return array;
}

static const struct nb_route *
routes(struct sink *sink, json_t *list, size_t *ret_n)
{
    size_t n = json_array_size(list);
    struct nb_route *array = array_new(sink, n, sizeof *array);
    for (size_t i = 0; i < n; i++) {
        json_t *o = json_array_get(list, i);
        array[i] = (struct nb_route){text(o, "destination"), text(o, "nexthop")};
    }
    *ret_n = n;
    return array;
}

static const struct nb_fixed_ip *
fixed_ips(struct sink *sink, json_t *list, size_t *ret_n)
{
    size_t n = json_array_size(list);
    struct nb_fixed_ip *array = array_new(sink, n, sizeof *array);
    for (size_t i = 0; i < n; i++) {
        json_t *o = json_array_get(list, i);
        array[i] =
            (struct nb_fixed_ip){text(o, "subnet_id"), text(o, "ip"), (int)number(o, "prefix")};
    }
    *ret_n = n;
    return array;
}

static enum rc
give_network(struct sink *sink, json_t *o, struct err *err)
{
    const struct nb_network network = {
        .id = text(o, "id"),
        .name = text(o, "name"),
        .revision = number(o, "revision"),
        .mtu = (int)number(o, "mtu"),
        .external = flag(o, "external"),
        .physical_network = text(o, "physical_network"),
        .vlan = (int)number(o, "vlan"),
    };
    return sink->ovn ? ovn_apply_network(sink->ovn, &network, err)
                     : ovn_desired_network(sink->desired, &network, err);
}

static enum rc
give_subnet(struct sink *sink, json_t *o, struct err *err)
{
    struct nb_subnet subnet = {
        .id = text(o, "id"),
        .name = text(o, "name"),
        .network_id = text(o, "network_id"),
        .revision = number(o, "revision"),
        .ip_version = (int)number(o, "ip_version"),
        .cidr = text(o, "cidr"),
        .gateway_ip = text(o, "gateway_ip"),
        .enable_dhcp = flag(o, "enable_dhcp"),
        .mtu = (int)number(o, "mtu"),
        .metadata_address = text(o, "metadata_address"),
    };
    subnet.dns_servers = texts(sink, json_object_get(o, "dns_nameservers"), &subnet.n_dns_servers);
    subnet.host_routes = routes(sink, json_object_get(o, "host_routes"), &subnet.n_host_routes);
    return sink->ovn ? ovn_apply_subnet(sink->ovn, &subnet, err)
                     : ovn_desired_subnet(sink->desired, &subnet, err);
}

static void
read_port_lists(struct sink *sink, json_t *o, struct nb_port *port)
{
    json_t *pairs = json_object_get(o, "address_pairs"),
           *options = json_object_get(o, "dhcp_options");
    port->n_address_pairs = json_array_size(pairs);
    struct nb_address_pair *pair = array_new(sink, port->n_address_pairs, sizeof *pair);
    for (size_t i = 0; i < port->n_address_pairs; i++) {
        json_t *item = json_array_get(pairs, i);
        pair[i] = (struct nb_address_pair){text(item, "ip_address"), text(item, "mac_address")};
    }
    port->n_dhcp_options = json_array_size(options);
    struct nb_dhcp_option *option = array_new(sink, port->n_dhcp_options, sizeof *option);
    for (size_t i = 0; i < port->n_dhcp_options; i++) {
        json_t *item = json_array_get(options, i);
        option[i] = (struct nb_dhcp_option){text(item, "opt_name"), text(item, "opt_value"),
                                            (int)number(item, "ip_version")};
    }
    port->address_pairs = pair;
    port->dhcp_options = option;
    port->fixed_ips = fixed_ips(sink, json_object_get(o, "fixed_ips"), &port->n_fixed_ips);
    port->security_groups =
        texts(sink, json_object_get(o, "security_groups"), &port->n_security_groups);
}

static enum rc
give_port(struct sink *sink, json_t *o, struct err *err)
{
    struct nb_port port = {
        .id = text(o, "id"),
        .name = text(o, "name"),
        .network_id = text(o, "network_id"),
        .revision = number(o, "revision"),
        .mac = text(o, "mac"),
        .device_id = text(o, "device_id"),
        .device_owner = text(o, "device_owner"),
        .admin_state_up = flag(o, "admin_state_up"),
        .port_security = flag(o, "port_security"),
        .dhcp = flag(o, "dhcp"),
        .host = text(o, "host"),
        .migrating_to = text(o, "migrating_to"),
    };
    read_port_lists(sink, o, &port);
    return sink->ovn ? ovn_apply_port(sink->ovn, &port, err)
                     : ovn_desired_port(sink->desired, &port, err);
}

static struct nb_router_interface
read_interface(struct sink *sink, json_t *o)
{
    struct nb_router_interface interface = {.port_id = text(o, "port_id"), .mac = text(o, "mac")};
    interface.fixed_ips = fixed_ips(sink, json_object_get(o, "fixed_ips"), &interface.n_fixed_ips);
    return interface;
}

static enum rc
give_router(struct sink *sink, json_t *o, struct err *err)
{
    json_t *list = json_object_get(o, "interfaces"), *gateway = json_object_get(o, "gateway");
    size_t n = json_array_size(list);
    struct nb_router_interface *interfaces = array_new(sink, n + 1, sizeof *interfaces);
    for (size_t i = 0; i < n; i++) {
        interfaces[i] = read_interface(sink, json_array_get(list, i));
    }
    interfaces[n] = read_interface(sink, gateway);
    struct nb_router router = {
        .id = text(o, "id"),
        .name = text(o, "name"),
        .revision = number(o, "revision"),
        .admin_state_up = flag(o, "admin_state_up"),
        .interfaces = interfaces,
        .n_interfaces = n,
        .gateway = json_is_object(gateway) ? &interfaces[n] : NULL,
        .enable_snat = flag(o, "enable_snat"),
    };
    router.gateway_ips = texts(sink, json_object_get(o, "gateway_ips"), &router.n_gateway_ips);
    router.routes = routes(sink, json_object_get(o, "routes"), &router.n_routes);
    return sink->ovn ? ovn_apply_router(sink->ovn, &router, err)
                     : ovn_desired_router(sink->desired, &router, err);
}

static enum rc
give_floatingip(struct sink *sink, json_t *o, struct err *err)
{
    const struct nb_floatingip floatingip = {
        .id = text(o, "id"),
        .revision = number(o, "revision"),
        .floating_ip = text(o, "floating_ip"),
        .router_id = text(o, "router_id"),
        .port_id = text(o, "port_id"),
        .fixed_ip = text(o, "fixed_ip"),
    };
    return sink->ovn ? ovn_apply_floatingip(sink->ovn, &floatingip, err)
                     : ovn_desired_floatingip(sink->desired, &floatingip, err);
}

static enum rc
give_security_group(struct sink *sink, json_t *o, struct err *err)
{
    json_t *list = json_object_get(o, "rules");
    size_t n = json_array_size(list);
    struct nb_security_group_rule *rules = array_new(sink, n, sizeof *rules);
    for (size_t i = 0; i < n; i++) {
        json_t *item = json_array_get(list, i);
        rules[i] = (struct nb_security_group_rule){
            .id = text(item, "id"),
            .ingress = flag(item, "ingress"),
            .ip_version = (int)number(item, "ip_version"),
            .protocol = text(item, "protocol"),
            .port_min = (int)number(item, "port_min"),
            .port_max = (int)number(item, "port_max"),
            .remote_ip_prefix = text(item, "remote_ip_prefix"),
            .remote_group_id = text(item, "remote_group_id"),
        };
    }
    const struct nb_security_group group = {
        text(o, "id"), text(o, "name"), number(o, "revision"), flag(o, "stateful"), rules, n};
    return sink->ovn ? ovn_apply_security_group(sink->ovn, &group, err)
                     : ovn_desired_security_group(sink->desired, &group, err);
}

static enum rc (*const give[N_NB_KINDS])(struct sink *sink, json_t *o, struct err *err) = {
    [NB_NETWORK] = give_network,
    [NB_SUBNET] = give_subnet,
    [NB_PORT] = give_port,
    [NB_ROUTER] = give_router,
    [NB_FLOATINGIP] = give_floatingip,
    [NB_SECURITY_GROUP] = give_security_group,
};

static enum rc
give_row(struct sink *sink, enum nb_kind kind, json_t *o, struct err *err)
{
    sink->arena = g_ptr_array_new_with_free_func(g_free);
    enum rc rc = give[kind](sink, o, err);
    g_ptr_array_unref(sink->arena);
    return rc;
}

enum rc
desired_apply(struct db *db, struct ovn *ovn, enum nb_kind kind, const char *id, bool *ret_exists,
              int64_t *ret_revision, struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc = db_run(db, desired_sql[kind], DB_ARGS(db_s(id)), &rows, err);
    if (rc == RC_OK && db_n_rows(rows) == 0) {
        *ret_exists = false;
        rc = ovn_delete(ovn, kind, id, err);
        // It may have been made again under the same id, and applied, before this deletion.
        g_clear_pointer(&rows, db_result_free);
        rc = rc == RC_OK ? db_run(db, desired_sql[kind], DB_ARGS(db_s(id)), &rows, err) : rc;
    }
    if (rc != RC_OK || db_n_rows(rows) == 0) {
        return rc;
    }
    struct sink sink = {.ovn = ovn};
    json_auto_t *o = db_json(rows, 0, "o");
    *ret_exists = true;
    *ret_revision = number(o, "revision");
    return give_row(&sink, kind, o, err);
}

enum rc
desired_each(struct db *db, struct ovn_desired *desired, struct err *err)
{
    struct sink sink = {.desired = desired};
    enum rc rc = RC_OK;
    for (int kind = 0; rc == RC_OK && kind < N_NB_KINDS; kind++) {
        g_autoptr(db_result) rows = NULL;
        rc = db_run(db, desired_sql[kind], DB_ARGS(db_s(NULL)), &rows, err);
        for (int i = 0; rc == RC_OK && i < db_n_rows(rows); i++) {
            json_auto_t *o = db_json(rows, i, "o");
            rc = give_row(&sink, (enum nb_kind)kind, o, err);
        }
    }
    return rc;
}
