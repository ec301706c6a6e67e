// SPDX-License-Identifier: Apache-2.0
// Resource options: a closed set per kind of resource. An update keeps what it does not name and
// drops what it sets to null. An immutable resource changes and goes only after `immutable` is off.
#pragma once
#include "services/identity/identity_resource.h"

struct option {
    const char *name;
    bool is_rules; // lists of lists of texts; else a boolean
};
extern const struct option user_options[], tenancy_options[]; // ended by name NULL

// Hooks' parts: op->values' options are checked and, for an update, merged with the old ones.
enum rc options_check(struct resource_op *op, const struct option *options,
                      struct err *err) CHECKED;
enum rc options_check_update(struct resource_op *op, struct err *err) CHECKED; // RC_FORBIDDEN
enum rc options_check_delete(struct resource_op *op, struct err *err) CHECKED; // RC_FORBIDDEN
bool options_are_immutable(json_t *options);
