// SPDX-License-Identifier: Apache-2.0
#include "services/network/ovn/nb_schema.h"

#define STRING(name)                  \
    {                                 \
        name, OVSDB_STRING, OVSDB_ONE \
    }
#define INTEGER(name)                  \
    {                                  \
        name, OVSDB_INTEGER, OVSDB_ONE \
    }
#define MAYBE(name, type)          \
    {                              \
        name, type, OVSDB_OPTIONAL \
    }
#define STRINGS(name)                 \
    {                                 \
        name, OVSDB_STRING, OVSDB_SET \
    }
#define ROWS(name, table)                  \
    {                                      \
        name, OVSDB_UUID, OVSDB_SET, table \
    }
#define MAP(name)                     \
    {                                 \
        name, OVSDB_STRING, OVSDB_MAP \
    }
#define EXTERNAL_IDS MAP("external_ids")

// clang-format off
static const struct ovsdb_table nb_tables[N_NB_TABLES] = {
    [NB_LOGICAL_SWITCH] = {"Logical_Switch", true, false,
        {STRING("name"), ROWS("ports", "Logical_Switch_Port"), ROWS("dns_records", "DNS"), MAP("other_config"), EXTERNAL_IDS}},
    [NB_LOGICAL_SWITCH_PORT] = {"Logical_Switch_Port", false, true,
        {STRING("name"), STRING("type"), MAP("options"), MAYBE("tag", OVSDB_INTEGER), STRINGS("addresses"), STRINGS("port_security"),
         MAYBE("up", OVSDB_BOOLEAN), MAYBE("enabled", OVSDB_BOOLEAN), MAYBE("dhcpv4_options", OVSDB_UUID), EXTERNAL_IDS}},
    [NB_DHCP_OPTIONS] = {"DHCP_Options", true, false, {STRING("cidr"), MAP("options"), EXTERNAL_IDS}},
    [NB_PORT_GROUP] = {"Port_Group", true, true,
        {STRING("name"), ROWS("ports", "Logical_Switch_Port"), ROWS("acls", "ACL"), EXTERNAL_IDS}},
    [NB_ACL] = {"ACL", false, false,
        {MAYBE("name", OVSDB_STRING), INTEGER("priority"), STRING("direction"), STRING("match"), STRING("action"), EXTERNAL_IDS}},
    [NB_DNS] = {"DNS", true, false, {MAP("records"), EXTERNAL_IDS}},
    [NB_LOGICAL_ROUTER] = {"Logical_Router", true, false,
        {STRING("name"), MAYBE("enabled", OVSDB_BOOLEAN), ROWS("ports", "Logical_Router_Port"),
         ROWS("static_routes", "Logical_Router_Static_Route"), ROWS("nat", "NAT"), MAP("options"), EXTERNAL_IDS}},
    [NB_LOGICAL_ROUTER_PORT] = {"Logical_Router_Port", false, true,
        {STRING("name"), STRING("mac"), STRINGS("networks"), ROWS("gateway_chassis", "Gateway_Chassis"), MAP("options"), EXTERNAL_IDS}},
    [NB_GATEWAY_CHASSIS] = {"Gateway_Chassis", false, true,
        {STRING("name"), STRING("chassis_name"), INTEGER("priority"), EXTERNAL_IDS}},
    [NB_STATIC_ROUTE] = {"Logical_Router_Static_Route", false, false,
        {STRING("ip_prefix"), STRING("nexthop"), MAYBE("output_port", OVSDB_STRING), EXTERNAL_IDS}},
    [NB_NAT] = {"NAT", false, false,
        {STRING("type"), STRING("external_ip"), STRING("logical_ip"), EXTERNAL_IDS}},
};
static const struct ovsdb_table sb_tables[N_SB_TABLES] = {
    [SB_CHASSIS] = {"Chassis", true, true, {STRING("name"), STRING("hostname"), MAP("other_config"), MAP("external_ids")}},
};
// clang-format on

const struct ovsdb_schema nb_schema = {"OVN_Northbound", nb_tables, N_NB_TABLES, NB_OWNER_KEY,
                                       NB_KEY_KEY};
const struct ovsdb_schema sb_schema = {"OVN_Southbound", sb_tables, N_SB_TABLES, NULL, NULL};
