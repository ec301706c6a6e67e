// SPDX-License-Identifier: Apache-2.0
#include "services/network/api/subnet_plan.h"

#include <glib.h>
#include <string.h>

enum rc
subnet_plan_cidr(const char *cidr, int ip_version, struct subnet_plan *plan, struct err *err)
{
    struct prefix prefix;
    if (!strchr(cidr, '/') || !prefix_parse(cidr, &prefix)) {
        return fault_typed(err, RC_INVALID, "HTTPBadRequest",
                           "Invalid input for cidr. Reason: '%s' is not a valid IP subnet.", cidr);
    }
    if (prefix.address.version != ip_version) {
        return fault_typed(
            err, RC_INVALID, "InvalidInput",
            "Invalid input for operation: cidr '%s' does not match the ip_version '%d'.", cidr,
            ip_version);
    }
    struct address first = prefix_first(&prefix);
    if (prefix.length == 0) {
        return fault_typed(err, RC_INVALID, "InvalidInput",
                           "Invalid input for operation: 0 is not allowed as CIDR prefix length.");
    }
    plan->cidr = (struct prefix){first, prefix.length};
    return RC_OK;
}

enum rc
subnet_plan_gateway(json_t *gateway, struct subnet_plan *plan, struct err *err)
{
    plan->has_gateway = !json_is_null(gateway);
    if (!gateway) {
        struct address first = prefix_first(&plan->cidr);
        bool is_single = plan->cidr.length == (first.version == 4 ? 32 : 128);
        plan->gateway = address_add(first, is_single ? 0 : 1);
        return RC_OK;
    }
    if (json_is_null(gateway)) {
        return RC_OK;
    }
    const char *text = json_string_value(gateway);
    if (!text || !address_parse(text, &plan->gateway)) {
        return fault_typed(err, RC_INVALID, "HTTPBadRequest",
                           "Invalid input for gateway_ip. Reason: '%s' is not a valid IP address.",
                           text ? text : "");
    }
    if (plan->gateway.version != plan->cidr.address.version) {
        return fault_typed(
            err, RC_INVALID, "InvalidInput",
            "Invalid input for operation: gateway_ip '%s' does not match the ip_version '%d'.",
            text, plan->cidr.address.version);
    }
    if (plan->gateway.version == 4 && prefix_contains(&plan->cidr, &plan->gateway) &&
        plan->cidr.length < 31 && !prefix_has_host(&plan->cidr, &plan->gateway)) {
        return fault_typed(err, RC_INVALID, "InvalidInput",
                           "Invalid input for operation: Gateway is not valid on subnet.");
    }
    return RC_OK;
}

static void
add_pool(struct subnet_plan *plan, struct address first, struct address last)
{
    if (address_compare(&first, &last) <= 0) {
        plan->pools[plan->n_pools++] = (struct address_range){first, last};
    }
}

// Everything that a host may have, split around the gateway.
static void
default_pools(struct subnet_plan *plan)
{
    struct address first = prefix_first(&plan->cidr), last = prefix_last(&plan->cidr);
    plan->n_pools = 0;
    if (address_compare(&first, &last) == 0) {
        add_pool(plan, first, last);
        return;
    }
    if (first.version == 6) {
        first = address_add(first, 1);
    } else if (plan->cidr.length <= 30) {
        first = address_add(first, 1);
        last = address_add(last, -1);
    }
    if (!plan->has_gateway || address_compare(&plan->gateway, &first) < 0 ||
        address_compare(&plan->gateway, &last) > 0) {
        add_pool(plan, first, last);
        return;
    }
    if (address_compare(&plan->gateway, &first) > 0) {
        add_pool(plan, first, address_add(plan->gateway, -1));
    }
    if (address_compare(&plan->gateway, &last) < 0) {
        add_pool(plan, address_add(plan->gateway, 1), last);
    }
}

static enum rc
parse_pool(json_t *item, const struct subnet_plan *plan, struct address_range *ret_range,
           struct err *err)
{
    const char *start = json_string_value(json_object_get(item, "start"));
    const char *end = json_string_value(json_object_get(item, "end"));
    if (!start || !end || json_object_size(item) != 2) {
        return fault_typed(
            err, RC_INVALID, "HTTPBadRequest",
            "Invalid input for allocation_pools. Reason: Invalid data format for IP pool.");
    }
    struct address_range range;
    if (!address_parse(start, &range.first) || !address_parse(end, &range.last)) {
        return fault_typed(
            err, RC_INVALID, "HTTPBadRequest",
            "Invalid input for allocation_pools. Reason: '%s-%s' is not a valid range.", start,
            end);
    }
    if (range.first.version != plan->cidr.address.version ||
        range.last.version != plan->cidr.address.version ||
        address_compare(&range.first, &range.last) > 0) {
        return fault_typed(err, RC_INVALID, "InvalidAllocationPool",
                           "The allocation pool %s-%s is not valid.", start, end);
    }
    if (!prefix_has_host(&plan->cidr, &range.first) || !prefix_has_host(&plan->cidr, &range.last)) {
        char cidr[PREFIX_SIZE];
        prefix_format(&plan->cidr, cidr);
        return fault_typed(err, RC_INVALID, "OutOfBoundsAllocationPool",
                           "The allocation pool %s-%s spans beyond the subnet cidr %s.", start, end,
                           cidr);
    }
    *ret_range = range;
    return RC_OK;
}

static enum rc
check_overlap(const struct subnet_plan *plan, struct err *err)
{
    for (size_t i = 0; i < plan->n_pools; i++) {
        for (size_t j = 0; j < i; j++) {
            const struct address_range *a = &plan->pools[i], *b = &plan->pools[j];
            if (address_compare(&a->first, &b->last) <= 0 &&
                address_compare(&b->first, &a->last) <= 0) {
                char one[ADDRESS_SIZE], two[ADDRESS_SIZE], cidr[PREFIX_SIZE];
                address_format(&a->first, one);
                address_format(&b->first, two);
                prefix_format(&plan->cidr, cidr);
                return fault_typed(err, RC_CONFLICT, "OverlappingAllocationPools",
                                   "Found overlapping allocation pools: those that start at %s and "
                                   "%s for subnet %s.",
                                   one, two, cidr);
            }
        }
    }
    return RC_OK;
}

enum rc
subnet_plan_pools(json_t *pools, struct subnet_plan *plan, struct err *err)
{
    if (!pools) {
        default_pools(plan);
        return RC_OK;
    }
    if (json_array_size(pools) > SUBNET_MAX_POOLS) {
        return fault_typed(err, RC_INVALID, "HTTPBadRequest",
                           "Invalid input for allocation_pools. Reason: more than %d pools.",
                           SUBNET_MAX_POOLS);
    }
    plan->n_pools = 0;
    size_t i;
    json_t *item;
    json_array_foreach(pools, i, item)
    {
        enum rc rc = parse_pool(item, plan, &plan->pools[i], err);
        if (rc != RC_OK) {
            return rc;
        }
        plan->n_pools++;
    }
    return check_overlap(plan, err);
}

enum rc
subnet_plan_check_gateway(const struct subnet_plan *plan, struct err *err)
{
    for (size_t i = 0; plan->has_gateway && i < plan->n_pools; i++) {
        const struct address_range *pool = &plan->pools[i];
        if (address_compare(&plan->gateway, &pool->first) >= 0 &&
            address_compare(&plan->gateway, &pool->last) <= 0) {
            char gateway[ADDRESS_SIZE], first[ADDRESS_SIZE], last[ADDRESS_SIZE];
            address_format(&plan->gateway, gateway);
            address_format(&pool->first, first);
            address_format(&pool->last, last);
            return fault_typed(err, RC_CONFLICT, "GatewayConflictWithAllocationPools",
                               "Gateway ip %s conflicts with allocation pool %s-%s.", gateway,
                               first, last);
        }
    }
    return RC_OK;
}

enum rc
subnet_plan_check_modes(int ip_version, bool enable_dhcp, const char *ra_mode,
                        const char *address_mode, struct err *err)
{
    if (!ra_mode && !address_mode) {
        return RC_OK;
    }
    if (ip_version == 4) {
        return fault_typed(err, RC_INVALID, "InvalidInput",
                           "Invalid input for operation: %s is not valid when ip_version is 4.",
                           ra_mode ? "ipv6_ra_mode" : "ipv6_address_mode");
    }
    if (!enable_dhcp) {
        return fault_typed(
            err, RC_INVALID, "InvalidInput",
            "Invalid input for operation: ipv6_ra_mode or ipv6_address_mode cannot be set when "
            "enable_dhcp is set to False.");
    }
    if (ra_mode && address_mode && strcmp(ra_mode, address_mode) != 0) {
        return fault_typed(
            err, RC_INVALID, "InvalidInput",
            "Invalid input for operation: ipv6_ra_mode set to '%s' with ipv6_address_mode set to "
            "'%s' is not valid. If both attributes are set, they must be the same value.",
            ra_mode, address_mode);
    }
    return RC_OK;
}

enum rc
subnet_check_nameservers(json_t *servers, struct err *err)
{
    size_t i;
    json_t *item;
    json_array_foreach(servers, i, item)
    {
        struct address address;
        const char *text = json_string_value(item);
        if (!text || !address_parse(text, &address)) {
            return fault_typed(
                err, RC_INVALID, "HTTPBadRequest",
                "Invalid input for dns_nameservers. Reason: '%s' is not a valid nameserver.",
                text ? text : "");
        }
    }
    return RC_OK;
}

enum rc
subnet_check_routes(json_t *routes, const char *attribute, struct err *err)
{
    size_t i;
    json_t *item;
    json_array_foreach(routes, i, item)
    {
        struct prefix destination;
        struct address nexthop;
        const char *to = json_string_value(json_object_get(item, "destination"));
        const char *via = json_string_value(json_object_get(item, "nexthop"));
        if (!to || !via || json_object_size(item) != 2 || !strchr(to, '/') ||
            !prefix_parse(to, &destination) || !address_parse(via, &nexthop) ||
            destination.address.version != nexthop.version) {
            g_autofree char *text = json_dumps(item, JSON_COMPACT | JSON_ENCODE_ANY);
            return fault_typed(err, RC_INVALID, "HTTPBadRequest",
                               "Invalid input for %s. Reason: '%.200s' is not a valid host route.",
                               attribute, text);
        }
    }
    return RC_OK;
}
