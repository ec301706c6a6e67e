// SPDX-License-Identifier: Apache-2.0
// The JSON Home document of the API, for GET / and GET /v3 with Accept: application/json-home.
#pragma once
#include "services/identity/identity.h"

bool home_is_wanted(const struct request *request);   // by the header Accept
json_t *home_document(const struct request *request); // new reference
