// SPDX-License-Identifier: Apache-2.0
// What a subnet's addresses are: cidr, gateway and allocation pools, checked and defaulted as
// Neutron does. Pure.
#pragma once
#include "common/base/err.h"
#include "services/network/api/address.h"
#include <jansson.h>

#define SUBNET_MAX_POOLS 64

struct subnet_plan {
    struct prefix cidr;
    bool has_gateway;
    struct address gateway;
    struct address_range pools[SUBNET_MAX_POOLS];
    size_t n_pools;
};
// Fills cidr alone. RC_INVALID: malformed, host bits set, or of another version.
enum rc subnet_plan_cidr(const char *cidr, int ip_version, struct subnet_plan *plan,
                         struct err *err) CHECKED;
// gateway: JSON text, null (no gateway), or NULL (absent: the first address).
enum rc subnet_plan_gateway(json_t *gateway, struct subnet_plan *plan, struct err *err) CHECKED;
// pools: [{"start","end"}…], or NULL: everything but the gateway.
enum rc subnet_plan_pools(json_t *pools, struct subnet_plan *plan, struct err *err) CHECKED;
// The gateway must not be in a pool.
enum rc subnet_plan_check_gateway(const struct subnet_plan *plan, struct err *err) CHECKED;
// Combinations that the API documents; mode texts may be NULL.
enum rc subnet_plan_check_modes(int ip_version, bool enable_dhcp, const char *ra_mode,
                                const char *address_mode, struct err *err) CHECKED;
// IP addresses of name servers, [{"destination","nexthop"}…] of host routes. RC_INVALID names the
// value.
enum rc subnet_check_nameservers(json_t *servers, struct err *err) CHECKED;
enum rc subnet_check_routes(json_t *routes, const char *attribute, struct err *err) CHECKED;
