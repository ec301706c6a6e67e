// SPDX-License-Identifier: Apache-2.0
// The lists that a port carries: allowed address pairs and DHCP options. Pure.
#pragma once
#include "common/base/err.h"
#include <jansson.h>

// Checks [{"ip_address", "mac_address"?}…], fills in the port's MAC, lower-cases MACs. No two may
// be equal.
enum rc port_plan_address_pairs(json_t *pairs, const char *port_mac, struct err *err) CHECKED;
// old with changes applied: [{"opt_name", "opt_value", "ip_version"?}…]; a null value removes.
// ret_merged: new reference.
enum rc port_plan_dhcp_options(json_t *old, json_t *changes, json_t **ret_merged,
                               struct err *err) CHECKED;
