// SPDX-License-Identifier: Apache-2.0
// Cuts a stream of JSON values into messages in one pass, whatever the pieces it arrives in
// (JSON-RPC over a stream has no framing).
#pragma once
#include "common/base/err.h"
#include <glib.h>
#include <jansson.h>

struct framer {
    GByteArray *buffer;
    size_t scanned; // bytes of the buffer already looked at
    size_t max_size;
    int depth;
    bool in_string, after_backslash;
};
void framer_init(struct framer *framer, size_t max_size);
void framer_done(struct framer *framer);
void framer_push(struct framer *framer, const void *data, size_t size);
// *ret_message is NULL when none is complete. RC_BAD_GATEWAY: not JSON objects, or one larger than
// max_size.
enum rc framer_next(struct framer *framer, json_t **ret_message, struct err *err) CHECKED;
