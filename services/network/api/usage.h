// SPDX-License-Identifier: Apache-2.0
// GET /internal/v1/usage: facts of this service again, for billing.
#pragma once
#include "common/http/http.h"

enum rc usage_page(struct request *request, struct reply *reply, struct err *err);
