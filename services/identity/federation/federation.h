// SPDX-License-Identifier: Apache-2.0
// What the rows of OS-FEDERATION share (Identity API reference, OS-FEDERATION).
#pragma once
#include "services/identity/identity_resource.h"

#define FEDERATION_PATH "/v3/OS-FEDERATION"

// Ids are chosen by clients and stand in URLs: 1 to 64 letters, digits and "-._~@:+".
bool federation_id_is_valid(const char *id);
// Hook: the new thing's id is the path's.
enum rc federation_take_id(struct resource_op *op, struct err *err) CHECKED;
// Hook's part: enabled is a boolean proper.
enum rc federation_check_input(struct resource_op *op, struct err *err) CHECKED;

// Rows of a route table for a thing that PUT makes.
// clang-format off
#define FEDERATION_ROUTES(resource_, path_, create_, update_, delete_) \
    RESOURCE_ROUTE(resource_, "GET", path_, resource_list, 200, "list"), \
    RESOURCE_ROUTE(resource_, "GET", path_ "/{id}", resource_show, 200, "show"), \
    RESOURCE_ROUTE(resource_, "PUT", path_ "/{id}", create_, 201, "create"), \
    RESOURCE_ROUTE(resource_, "PATCH", path_ "/{id}", update_, 200, "update"), \
    RESOURCE_ROUTE(resource_, "DELETE", path_ "/{id}", delete_, 204, "delete")
// clang-format on
