// SPDX-License-Identifier: Apache-2.0
// What tokens of application credentials and trusts may not do; the server asks for every request
// with a token.
#pragma once
#include "services/identity/identity.h"

enum rc delegation_admit(struct request *request, struct err *err) CHECKED; // RC_FORBIDDEN
