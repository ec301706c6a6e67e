// SPDX-License-Identifier: Apache-2.0
// What the API says of itself: versions, extensions, availability zones, service providers, and how
// full networks are.
#pragma once
#include "common/http/http.h"

extern const struct route info_routes[];
