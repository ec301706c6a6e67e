// SPDX-License-Identifier: Apache-2.0
// /v2.0/agents for administrators: the OVN controllers of the hosts that have ports, and OVN as a
// whole as the one DHCP agent and the one L3 agent. A network that is taken from the DHCP agent is
// not answered any more.
#pragma once
#include "common/http/http.h"

extern const struct route agent_routes[];
