// SPDX-License-Identifier: Apache-2.0
// /v2.0/agents: the OVN controllers of the hosts that have ports, for administrators.
#pragma once
#include "common/http/http.h"

extern const struct route agent_routes[];
