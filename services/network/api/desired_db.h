// SPDX-License-Identifier: Apache-2.0
// One JSON object in column `o` for each row of a kind; $1 is an id, or null for all. Revisions are
// ovn_work's.
#pragma once
#include "services/network/ovn/northbound.h"

extern const char *const desired_sql[N_NB_KINDS];
