// SPDX-License-Identifier: Apache-2.0
// What Keystone's resources share on top of the engine.
#pragma once
#include "services/identity/identity.h"

#define KEYSTONE_STYLE \
    (RESOURCE_LINKS | RESOURCE_HEX_ID | RESOURCE_KEEP_UNKNOWN | RESOURCE_COMPARISONS)

// The engine's update and delete; then this process learns at once what they revoked.
enum rc identity_update(struct request *request, struct reply *reply, struct err *err);
enum rc identity_delete(struct request *request, struct reply *reply, struct err *err);
// Hook: a domain that was not given is the requester's own. RC_NOT_FOUND: the given one is not
// there.
enum rc default_domain(struct resource_op *op, struct err *err) CHECKED;
// A column of the row before the change; NULL when null.
const char *old_text(const struct resource_op *op, const char *column);
// Hook's part: blanks around a name do not count, and it is more than blanks.
enum rc identity_strip_name(struct resource_op *op, struct err *err) CHECKED;
// Hook's part: an update may name this column only as it is; else `refusal`.
enum rc identity_keeps(struct resource_op *op, const char *column, enum rc refusal,
                       struct err *err) CHECKED;
// True when the update turns `enabled` off.
bool is_being_disabled(const struct resource_op *op);

// Five rows like RESOURCE_ROUTES; write_flags: ROUTE_SLOW where passwords are hashed; reads: the
// tables of the list (route.reads).
#define IDENTITY_ROUTES(resource_, path_, reads_, write_flags_)                             \
    HOOKED_ROUTES(resource_, path_, reads_, write_flags_, resource_create, identity_update, \
                  identity_delete)
// clang-format off
#define HOOKED_ROUTES(resource_, path_, reads_, write_flags_, create_, update_, delete_) \
    SHOWN_ROUTES(resource_, path_, reads_, write_flags_, create_, resource_show, update_, delete_)
#define SHOWN_ROUTES(resource_, path_, reads_, write_flags_, create_, show_, update_, delete_) \
    RESOURCE_ROUTE(resource_, "GET", path_, resource_list, 200, "list", .reads = reads_), \
    RESOURCE_ROUTE(resource_, "POST", path_, create_, 201, "create", .flags = write_flags_), \
    RESOURCE_ROUTE(resource_, "GET", path_ "/{id}", show_, 200, "show"), \
    RESOURCE_ROUTE(resource_, "PATCH", path_ "/{id}", update_, 200, "update", .flags = write_flags_), \
    RESOURCE_ROUTE(resource_, "DELETE", path_ "/{id}", delete_, 204, "delete")
// clang-format on
