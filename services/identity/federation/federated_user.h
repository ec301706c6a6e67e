// SPDX-License-Identifier: Apache-2.0
// Attribute "federated" of users: [{"idp_id", "protocols": [{"protocol_id", "unique_id"}, …]}, …],
// by whom they are known, so that somebody may have roles before the first sign-in. unique_id is
// what the mapping gives, percent-encoded as Keystone does.
#pragma once
#include "services/identity/identity_resource.h"

// Hook's parts: before a user is written, and after. RC_INVALID: it names something that is not
// there; RC_FORBIDDEN: a provider of another domain, by who is no administrator; RC_CONFLICT:
// another user is known so.
enum rc federated_user_check(struct resource_op *op, struct err *err) CHECKED;
enum rc federated_user_store(struct resource_op *op, struct err *err) CHECKED;
