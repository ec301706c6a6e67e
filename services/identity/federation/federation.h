// SPDX-License-Identifier: Apache-2.0
// What the rows of OS-FEDERATION share (Identity API reference, OS-FEDERATION).
#pragma once
#include "services/identity/identity_resource.h"

#define FEDERATION_PATH "/v3/OS-FEDERATION"

// Ids are chosen by clients and stand in URLs: 1 to 64 letters, digits and "-._~@:+".
bool federation_id_is_valid(const char *id);
// Hook: the new thing's id is the path's.
enum rc federation_take_id(struct resource_op *op, struct err *err) CHECKED;
// Hook's part: an update says something, and enabled is a boolean proper.
enum rc federation_check_input(struct resource_op *op, struct err *err) CHECKED;

// Rows of a route table for a thing that PUT makes.
#define FEDERATION_ROUTES(resource_, path_, create_, update_, delete_)                     \
    {.method = "GET",                                                                      \
     .path = path_,                                                                        \
     .handle = resource_list,                                                              \
     .status = 200,                                                                        \
     .data = &resource_,                                                                   \
     .describe = resource_describe,                                                        \
     .summary = "list " #resource_},                                                       \
        {.method = "GET",                                                                  \
         .path = path_ "/{id}",                                                            \
         .handle = resource_show,                                                          \
         .status = 200,                                                                    \
         .data = &resource_,                                                               \
         .describe = resource_describe,                                                    \
         .summary = "show " #resource_},                                                   \
        {.method = "PUT",                                                                  \
         .path = path_ "/{id}",                                                            \
         .handle = create_,                                                                \
         .status = 201,                                                                    \
         .data = &resource_,                                                               \
         .describe = resource_describe,                                                    \
         .summary = "create " #resource_},                                                 \
        {.method = "PATCH",                                                                \
         .path = path_ "/{id}",                                                            \
         .handle = update_,                                                                \
         .status = 200,                                                                    \
         .data = &resource_,                                                               \
         .describe = resource_describe,                                                    \
         .summary = "update " #resource_},                                                 \
    {                                                                                      \
        .method = "DELETE", .path = path_ "/{id}", .handle = delete_, .status = 204,       \
        .data = &resource_, .describe = resource_describe, .summary = "delete " #resource_ \
    }
