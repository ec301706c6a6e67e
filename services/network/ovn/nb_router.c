// SPDX-License-Identifier: Apache-2.0
// Routers and floating IPs as logical routers with gateways, routes and NAT. Pure.
#include "services/network/ovn/nb_address.h"
#include "services/network/ovn/nb_plan.h"
#include <string.h>

struct candidate {
    const char *chassis;
    uint64_t weight;
};

static int
compare_candidates(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    if (x->weight != y->weight) {
        return x->weight < y->weight ? 1 : -1;
    }
    return strcmp(x->chassis, y->chassis);
}

// Rendezvous hashing.
size_t
nb_gateways_choose(const char *router_id, const struct nb_chassis *chassis,
                   struct nb_gateway ret_gateways[NB_MAX_GATEWAY_CHASSIS])
{
    g_autofree struct candidate *candidates = g_new0(struct candidate, chassis->n_gateways + 1);
    for (size_t i = 0; i < chassis->n_gateways; i++) {
        g_autofree char *text = g_strdup_printf("%s %s", router_id, chassis->gateways[i]);
        g_autofree char *digest = sha256_hex(text, strlen(text));
        digest[16] = 0;
        candidates[i] =
            (struct candidate){chassis->gateways[i], g_ascii_strtoull(digest, NULL, 16)};
    }
    qsort(candidates, chassis->n_gateways, sizeof *candidates, compare_candidates);
    size_t n = MIN(chassis->n_gateways, (size_t)NB_MAX_GATEWAY_CHASSIS);
    for (size_t i = 0; i < n; i++) {
        ret_gateways[i] =
            (struct nb_gateway){candidates[i].chassis, NB_MAX_GATEWAY_CHASSIS - (int)i};
    }
    return n;
}

static enum rc
add_router_port(struct nb_object *object, const struct nb_router_interface *interface,
                struct err *err)
{
    g_autofree char *name = g_strdup_printf("lrp-%s", interface->port_id);
    enum rc rc = nb_check_mac(interface->mac, err);
    if (rc == RC_OK && !interface->n_fixed_ips) {
        rc = fault(err, RC_INVALID, "router port '%s' has no address", interface->port_id);
    }
    struct nb_row *row = rc == RC_OK ? nb_row_add(object, NB_LOGICAL_ROUTER_PORT, name) : NULL;
    for (size_t i = 0; rc == RC_OK && i < interface->n_fixed_ips; i++) {
        const struct nb_fixed_ip *ip = &interface->fixed_ips[i];
        char cidr[NB_ADDRESS_SIZE];
        rc = nb_network_of(ip->ip, ip->prefix, cidr, err);
        g_autofree char *network = g_strdup_printf("%s/%d", ip->ip, ip->prefix);
        nb_row_item(row, "networks", network);
    }
    if (rc == RC_OK) {
        nb_row_link(row, object->owner, "router");
        nb_row_text(row, "name", name);
        nb_row_text(row, "mac", interface->mac);
        nb_row_map(row, "external_ids", "neutron:port_id", interface->port_id);
    }
    return rc;
}

static enum rc
add_route(struct nb_object *object, const struct nb_route *route, struct err *err)
{
    int version = nb_address_version(route->nexthop);
    char cidr[NB_ADDRESS_SIZE];
    bool is_all;
    enum rc rc = nb_check_ip("next hop", route->nexthop, 0, err);
    rc = rc == RC_OK ? nb_cidr("route destination", route->destination, version, cidr, &is_all, err)
                     : rc;
    if (rc == RC_OK) {
        g_autofree char *key = g_strdup_printf("route-%s-%s", cidr, route->nexthop);
        struct nb_row *row = nb_row_add(object, NB_STATIC_ROUTE, key);
        nb_row_link(row, object->owner, "router");
        nb_row_text(row, "ip_prefix", cidr);
        nb_row_text(row, "nexthop", route->nexthop);
    }
    return rc;
}

static struct nb_row *
add_nat(struct nb_object *object, const char *key, const char *router_owner, const char *type)
{
    struct nb_row *row = nb_row_add(object, NB_NAT, key);
    nb_row_link(row, router_owner, "router");
    nb_row_text(row, "type", type);
    return row;
}

static const char *
first_ip4(const struct nb_router_interface *interface)
{
    for (size_t i = 0; i < interface->n_fixed_ips; i++) {
        if (nb_address_version(interface->fixed_ips[i].ip) == 4) {
            return interface->fixed_ips[i].ip;
        }
    }
    return NULL;
}

static enum rc
add_snat(struct nb_object *object, const struct nb_router_interface *interface,
         const char *external_ip, struct err *err)
{
    enum rc rc = RC_OK;
    for (size_t i = 0; rc == RC_OK && i < interface->n_fixed_ips; i++) {
        const struct nb_fixed_ip *ip = &interface->fixed_ips[i];
        char cidr[NB_ADDRESS_SIZE];
        if (nb_address_version(ip->ip) != 4) {
            continue;
        }
        rc = nb_network_of(ip->ip, ip->prefix, cidr, err);
        if (rc == RC_OK) {
            g_autofree char *key = g_strdup_printf("snat-%s", cidr);
            struct nb_row *row = add_nat(object, key, object->owner, "snat");
            nb_row_text(row, "external_ip", external_ip);
            nb_row_text(row, "logical_ip", cidr);
        }
    }
    return rc;
}

static void
add_gateway_chassis(struct nb_object *object, const struct nb_router *router,
                    const struct nb_chassis *chassis)
{
    g_autofree char *port = g_strdup_printf("lrp-%s", router->gateway->port_id);
    struct nb_gateway gateways[NB_MAX_GATEWAY_CHASSIS];
    size_t n = nb_gateways_choose(router->id, chassis, gateways);
    for (size_t i = 0; i < n; i++) {
        g_autofree char *name = g_strdup_printf("%s_%s", port, gateways[i].chassis);
        struct nb_row *row = nb_row_add(object, NB_GATEWAY_CHASSIS, name);
        nb_row_link(row, object->owner, port);
        nb_row_text(row, "name", name);
        nb_row_text(row, "chassis_name", gateways[i].chassis);
        nb_row_int(row, "priority", gateways[i].priority);
    }
}

static enum rc
add_gateway(struct nb_object *object, const struct nb_router *router,
            const struct nb_chassis *chassis, struct err *err)
{
    enum rc rc = add_router_port(object, router->gateway, err);
    if (rc == RC_OK) {
        add_gateway_chassis(object, router, chassis);
    }
    for (size_t i = 0; rc == RC_OK && i < router->n_gateway_ips; i++) {
        const char *ip = router->gateway_ips[i];
        rc = add_route(object,
                       &(struct nb_route){nb_address_version(ip) == 6 ? "::/0" : "0.0.0.0/0", ip},
                       err);
    }
    const char *external_ip = router->enable_snat ? first_ip4(router->gateway) : NULL;
    for (size_t i = 0; rc == RC_OK && external_ip && i < router->n_interfaces; i++) {
        rc = add_snat(object, &router->interfaces[i], external_ip, err);
    }
    return rc;
}

enum rc
nb_plan_router(const struct nb_router *router, const struct nb_chassis *chassis,
               struct nb_object **ret_object, struct err *err)
{
    g_autofree char *owner = nb_owner(NB_ROUTER, router->id);
    g_autofree char *name = g_strdup_printf("neutron-%s", router->id);
    g_autoptr(nb_object) object = nb_object_new(owner, router->revision);
    struct nb_row *row = nb_row_add(object, NB_LOGICAL_ROUTER, "router");
    nb_row_text(row, "name", name);
    nb_row_text(row, "enabled", router->admin_state_up ? "true" : "false");
    nb_row_map(row, "options", "always_learn_from_arp_request", "false");
    nb_row_map(row, "options", "dynamic_neigh_routers", "true");
    nb_row_map(row, "external_ids", "neutron:router_name", router->name);
    enum rc rc = RC_OK;
    for (size_t i = 0; rc == RC_OK && i < router->n_interfaces; i++) {
        rc = add_router_port(object, &router->interfaces[i], err);
    }
    for (size_t i = 0; rc == RC_OK && i < router->n_routes; i++) {
        rc = add_route(object, &router->routes[i], err);
    }
    rc = rc == RC_OK && router->gateway ? add_gateway(object, router, chassis, err) : rc;
    if (rc == RC_OK) {
        *ret_object = g_steal_pointer(&object);
    }
    return rc;
}

enum rc
nb_plan_floatingip(const struct nb_floatingip *floatingip, struct nb_object **ret_object,
                   struct err *err)
{
    g_autofree char *owner = nb_owner(NB_FLOATINGIP, floatingip->id);
    g_autoptr(nb_object) object = nb_object_new(owner, floatingip->revision);
    if (floatingip->router_id && floatingip->fixed_ip) {
        enum rc rc = nb_check_ip("floating IP", floatingip->floating_ip, 4, err);
        rc = rc == RC_OK ? nb_check_ip("fixed IP", floatingip->fixed_ip, 4, err) : rc;
        if (rc != RC_OK) {
            return rc;
        }
        g_autofree char *router = nb_owner(NB_ROUTER, floatingip->router_id);
        struct nb_row *row = add_nat(object, "nat", router, "dnat_and_snat");
        nb_row_text(row, "external_ip", floatingip->floating_ip);
        nb_row_text(row, "logical_ip", floatingip->fixed_ip);
        nb_row_map(row, "external_ids", "neutron:fip_id", floatingip->id);
        nb_row_map(row, "external_ids", "neutron:fip_port_id", floatingip->port_id);
    }
    *ret_object = g_steal_pointer(&object);
    return RC_OK;
}
