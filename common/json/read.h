// SPDX-License-Identifier: Apache-2.0
// JSON texts of peers as jansson's values.
#pragma once
#include <jansson.h>

// What json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, ret_error) returns: the
// same value, or NULL for the same reason. The usual text (plain strings, short integers) takes a
// quarter of its time. The caller owns the value.
json_t *json_read(const char *text, size_t size, json_error_t *ret_error);

// The object that such digits are (a part of a JSON Web Token); NULL: they are none.
json_t *json_read_base64url(const char *text, size_t size);
