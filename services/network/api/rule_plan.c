// SPDX-License-Identifier: Apache-2.0
#include "services/network/api/rule_plan.h"

#include "common/base/util.h"
#include "services/network/api/address.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { PROTO_ICMP = 1, PROTO_ICMPV6 = 58 };

static const struct {
    const char *name;
    int number;
    bool ipv6_only;
    bool has_ports;
} protocols[] = {
    {"any", 0},
    {"ah", 51},
    {"dccp", 33, false, true},
    {"egp", 8},
    {"esp", 50},
    {"gre", 47},
    {"icmp", PROTO_ICMP},
    {"icmpv6", PROTO_ICMPV6, true},
    {"igmp", 2},
    {"ipip", 4},
    {"ipv6-encap", 41, true},
    {"ipv6-frag", 44, true},
    {"ipv6-icmp", PROTO_ICMPV6, true},
    {"ipv6-nonxt", 59, true},
    {"ipv6-opts", 60, true},
    {"ipv6-route", 43, true},
    {"ospf", 89},
    {"pgm", 113},
    {"rsvp", 46},
    {"sctp", 132, false, true},
    {"tcp", 6, false, true},
    {"udp", 17, false, true},
    {"udplite", 136, false, true},
    {"vrrp", 112},
};

int
rule_protocol_number(const char *protocol, bool is_ipv6)
{
    int64_t number;
    if (parse_int64(protocol, 0, 255, &number)) {
        return number == PROTO_ICMP && is_ipv6 ? PROTO_ICMPV6 : (int)number;
    }
    for (size_t i = 0; i < N_ELEMENTS(protocols); i++) {
        if (strcmp(protocols[i].name, protocol) == 0) {
            return protocols[i].number == PROTO_ICMP && is_ipv6 ? PROTO_ICMPV6
                                                                : protocols[i].number;
        }
    }
    return -1;
}

static bool
protocol_has(int number, bool ports)
{
    for (size_t i = 0; i < N_ELEMENTS(protocols); i++) {
        if (protocols[i].number == number &&
            (ports ? protocols[i].has_ports : protocols[i].ipv6_only)) {
            return true;
        }
    }
    return false;
}

static enum rc
unknown_protocol(const char *text, struct err *err)
{
    return fault_typed(err, RC_INVALID, "SecurityGroupRuleInvalidProtocol",
                       "Security group rule protocol %.100s not supported. Only protocol values "
                       "[None, a name, or an "
                       "integer in 0 to 255] are supported.",
                       text);
}

// Leaves the protocol as text (lower case), with ICMP's old names in IPv6 replaced.
static enum rc
normalise_protocol(json_t *rule, bool is_ipv6, int *ret_number, struct err *err)
{
    json_t *given = json_object_get(rule, "protocol");
    char text[64] = "";
    if (!given || json_is_null(given)) {
        *ret_number = 0;
        return RC_OK;
    }
    if (json_is_integer(given)) {
        snprintf(text, sizeof text, "%" PRId64, (int64_t)json_integer_value(given));
    } else if (json_is_string(given) && json_string_length(given) < sizeof text) {
        g_strlcpy(text, json_string_value(given), sizeof text);
    } else {
        return unknown_protocol("of this type or length", err);
    }
    g_autofree char *lower = g_ascii_strdown(text, -1);
    int number = rule_protocol_number(lower, is_ipv6);
    if (number < 0) {
        return unknown_protocol(text, err);
    }
    if (!is_ipv6 && protocol_has(number, false)) {
        return fault_typed(err, RC_INVALID, "SecurityGroupEthertypeConflictWithProtocol",
                           "Invalid ethertype IPv4 for protocol %s.", lower);
    }
    const char *canonical = lower;
    if (number == PROTO_ICMPV6 && is_ipv6) {
        canonical = strcmp(lower, "1") == 0 ? "58" : strcmp(lower, "58") == 0 ? "58" : "ipv6-icmp";
    }
    json_object_set_new(rule, "protocol", json_string(canonical));
    *ret_number = number;
    return RC_OK;
}

static bool
port_get(json_t *rule, const char *name, int64_t *ret_value)
{
    json_t *value = json_object_get(rule, name);
    *ret_value = json_integer_value(value);
    return json_is_integer(value);
}

static enum rc
check_icmp(bool has_type, int64_t type, bool has_code, int64_t code, struct err *err)
{
    if (has_type && type > 255) {
        return fault_typed(
            err, RC_INVALID, "SecurityGroupInvalidIcmpValue",
            "Invalid value for ICMP type (port_range_min) %" PRId64 ". It must be 0 to 255.", type);
    }
    if (has_code && code > 255) {
        return fault_typed(
            err, RC_INVALID, "SecurityGroupInvalidIcmpValue",
            "Invalid value for ICMP code (port_range_max) %" PRId64 ". It must be 0 to 255.", code);
    }
    if (has_code && !has_type) {
        return fault_typed(err, RC_INVALID, "SecurityGroupMissingIcmpType",
                           "ICMP code (port-range-max) %" PRId64
                           " is provided but ICMP type (port-range-min) is missing.",
                           code);
    }
    return RC_OK;
}

static enum rc
check_ports(json_t *rule, int protocol, struct err *err)
{
    int64_t min, max;
    bool has_min = port_get(rule, "port_range_min", &min),
         has_max = port_get(rule, "port_range_max", &max);
    if (!has_min && !has_max) {
        return RC_OK;
    }
    if ((has_min && (min < 0 || min > 65535)) || (has_max && (max < 0 || max > 65535))) {
        return fault_typed(err, RC_INVALID, "SecurityGroupInvalidPortValue",
                           "Invalid value for port %" PRId64,
                           has_min && (min < 0 || min > 65535) ? min : max);
    }
    if (protocol == 0) {
        return fault_typed(err, RC_INVALID, "SecurityGroupProtocolRequiredWithPorts",
                           "Must also specify protocol if port range is given.");
    }
    if (protocol == PROTO_ICMP || protocol == PROTO_ICMPV6) {
        return check_icmp(has_min, min, has_max, max, err);
    }
    if (!protocol_has(protocol, true)) {
        return fault_typed(err, RC_INVALID, "SecurityGroupInvalidProtocolForPort",
                           "Ports cannot be specified for protocol %d. Ports are only supported "
                           "for TCP, UDP, SCTP, DCCP "
                           "and UDPLITE.",
                           protocol);
    }
    if ((has_min && min == 0) || (has_max && max == 0)) {
        return fault_typed(err, RC_INVALID, "SecurityGroupInvalidPortValue",
                           "Invalid value for port 0");
    }
    if (!has_min || !has_max || min > max || min < 1) {
        return fault_typed(err, RC_INVALID, "SecurityGroupInvalidPortRange",
                           "For TCP/UDP protocols, port_range_min must be <= port_range_max");
    }
    return RC_OK;
}

static enum rc
normalise_prefix(json_t *rule, bool is_ipv6, struct err *err)
{
    const char *given = json_string_value(json_object_get(rule, "remote_ip_prefix"));
    if (!given) {
        return RC_OK;
    }
    struct prefix prefix;
    if (!prefix_parse(given, &prefix)) {
        return fault_typed(
            err, RC_INVALID, "HTTPBadRequest",
            "Invalid input for remote_ip_prefix. Reason: '%.100s' is not a valid CIDR.", given);
    }
    if ((prefix.address.version == 6) != is_ipv6) {
        return fault_typed(err, RC_INVALID, "SecurityGroupRuleParameterConflict",
                           "Conflicting value ethertype %s for CIDR %.100s",
                           is_ipv6 ? "IPv6" : "IPv4", given);
    }
    char host[ADDRESS_SIZE], text[PREFIX_SIZE];
    address_format(&prefix.address, host);
    snprintf(text, sizeof text, "%s/%d", host, prefix.length);
    json_object_set_new(rule, "remote_ip_prefix", json_string(text));
    return RC_OK;
}

static enum rc
normalise_ethertype(json_t *rule, bool *ret_ipv6, struct err *err)
{
    const char *given = json_string_value(json_object_get(rule, "ethertype"));
    bool is_ipv6 = given && g_ascii_strcasecmp(given, "IPv6") == 0;
    if (given && !is_ipv6 && g_ascii_strcasecmp(given, "IPv4") != 0) {
        return fault_typed(err, RC_INVALID, "SecurityGroupRuleInvalidEtherType",
                           "Security group rule for ethertype '%s' not supported. Allowed values "
                           "are ['IPv4', 'IPv6'].",
                           given);
    }
    json_object_set_new(rule, "ethertype", json_string(is_ipv6 ? "IPv6" : "IPv4"));
    *ret_ipv6 = is_ipv6;
    return RC_OK;
}

enum rc
rule_plan_normalise(json_t *rule, struct err *err)
{
    bool is_ipv6 = false;
    int number = 0;
    enum rc rc = normalise_ethertype(rule, &is_ipv6, err);
    if (rc == RC_OK) {
        rc = normalise_protocol(rule, is_ipv6, &number, err);
    }
    int64_t min, max;
    if (rc == RC_OK && port_get(rule, "port_range_min", &min) &&
        port_get(rule, "port_range_max", &max) && min == 1 && max == 65535) {
        json_object_set_new(rule, "port_range_min", json_null());
        json_object_set_new(rule, "port_range_max", json_null());
    }
    if (rc == RC_OK) {
        rc = check_ports(rule, number, err);
    }
    if (rc == RC_OK) {
        rc = normalise_prefix(rule, is_ipv6, err);
    }
    if (rc == RC_OK && json_is_string(json_object_get(rule, "remote_ip_prefix")) &&
        json_is_string(json_object_get(rule, "remote_group_id"))) {
        return fault_typed(err, RC_INVALID, "SecurityGroupMultipleRemoteEntites",
                           "Only one of remote_ip_prefix or remote_group_id or "
                           "remote_address_group_id may be provided.");
    }
    json_object_set_new(rule, "protocol_number", number ? json_integer(number) : json_null());
    return rc;
}
