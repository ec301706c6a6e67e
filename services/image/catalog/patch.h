// SPDX-License-Identifier: Apache-2.0
// One operation of a PATCH, in either dialect.
#pragma once
#include "common/http/http.h"

enum op { OP_ADD, OP_REPLACE, OP_REMOVE, N_OPS };
struct change {
    enum op op;
    char *name;
    char *position; // of /locations/…: "-" or digits; NULL: none
    json_t *value;  // borrowed from the body; NULL of OP_REMOVE
};
