// SPDX-License-Identifier: Apache-2.0
// A long operation is a row; whoever holds its lease does the next idempotent step, and an expired
// lease is taken over. Tables that use this have columns: lease_owner text, lease_until
// timestamptz, deadline timestamptz, attempt int.
#pragma once
#include "common/db/db.h"

// This process' owner name: "program@host:pid:random", constant for its life.
const char *lease_owner(void);
