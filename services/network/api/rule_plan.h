// SPDX-License-Identifier: Apache-2.0
// A security group rule as Neutron understands it: protocols by name or number, ports, ICMP types,
// prefixes. Pure.
#pragma once
#include "common/base/err.h"
#include <jansson.h>

// rule: columns of security_group_rule as given (protocol may be a number). Writes protocol as
// text, protocol_number, remote_ip_prefix with its mask, and no range for the range of all ports.
// RC_INVALID with Neutron's error type.
enum rc rule_plan_normalise(json_t *rule, struct err *err) CHECKED;
// Number of a protocol's name or digits; 0 for "any", -1 unknown.
int rule_protocol_number(const char *protocol, bool is_ipv6);
