// SPDX-License-Identifier: Apache-2.0
// What Keystone's resources share on top of the engine.
#pragma once
#include "services/identity/identity.h"

#define KEYSTONE_STYLE \
    (RESOURCE_LINKS | RESOURCE_HEX_ID | RESOURCE_KEEP_UNKNOWN | RESOURCE_COMPARISONS)

// The engine's update and delete; then this process learns at once what they revoked.
enum rc identity_update(struct request *request, struct reply *reply, struct err *err);
enum rc identity_delete(struct request *request, struct reply *reply, struct err *err);
// Hook: a domain that was not given is the requester's own.
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
#define SHOWN_ROUTES(resource_, path_, reads_, write_flags_, create_, show_, update_, delete_)                                             \
    {.method = "GET", .path = path_, .handle = resource_list, .reads = reads_, .status = 200, .data = &resource_, .describe = resource_describe, .summary = "list " #resource_}, \
    {.method = "POST", .path = path_, .handle = create_, .flags = write_flags_, .status = 201, .data = &resource_, .describe = resource_describe, .summary = "create " #resource_}, \
    {.method = "GET", .path = path_ "/{id}", .handle = show_, .status = 200, .data = &resource_, .describe = resource_describe, .summary = "show " #resource_}, \
    {.method = "PATCH", .path = path_ "/{id}", .handle = update_, .flags = write_flags_, .status = 200, .data = &resource_, .describe = resource_describe, .summary = "update " #resource_}, \
    {.method = "DELETE", .path = path_ "/{id}", .handle = delete_, .status = 204, .data = &resource_, .describe = resource_describe, .summary = "delete " #resource_}
// clang-format on
