// SPDX-License-Identifier: Apache-2.0
// /v2.0/quotas: limits of projects. Usage is counted from rows; limits are identity's and are set
// through it.
#pragma once
#include "common/http/http.h"

extern const struct route quota_routes[];
