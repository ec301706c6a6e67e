// SPDX-License-Identifier: Apache-2.0
// The tables and columns of OVN's databases that we read or write (ovn-nb(5), ovn-sb(5)).
#pragma once
#include "services/network/ovn/replica.h"

enum nb_table {
    NB_LOGICAL_SWITCH,
    NB_LOGICAL_SWITCH_PORT,
    NB_DHCP_OPTIONS,
    NB_PORT_GROUP,
    NB_ACL,
    NB_DNS,
    NB_LOGICAL_ROUTER,
    NB_LOGICAL_ROUTER_PORT,
    NB_GATEWAY_CHASSIS,
    NB_STATIC_ROUTE,
    NB_NAT,
    N_NB_TABLES,
};
extern const struct ovsdb_schema nb_schema;

enum sb_table { SB_CHASSIS, N_SB_TABLES };
extern const struct ovsdb_schema sb_schema;

#define NB_OWNER_KEY "haneul:owner"
#define NB_KEY_KEY "haneul:key"
#define NB_REVISION_KEY "haneul:revision"
