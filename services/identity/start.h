// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "services/identity/identity.h"

struct authenticator *identity_make_auth(struct service *service, struct err *err);
enum rc identity_start(struct service *service, void **ret_context, struct err *err) CHECKED;
