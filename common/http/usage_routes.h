// SPDX-License-Identifier: Apache-2.0
// GET /internal/v1/usage: billing asks again for usage facts. Every service that writes usage
// intervals lists this table.
#pragma once
#include "common/http/http.h"

extern const struct route usage_routes[]; // ended by method NULL
