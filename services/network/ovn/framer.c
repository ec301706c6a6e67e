// SPDX-License-Identifier: Apache-2.0
#include "services/network/ovn/framer.h"

#define MAX_DEPTH 64

void
framer_init(struct framer *framer, size_t max_size)
{
    *framer = (struct framer){.buffer = g_byte_array_new(), .max_size = max_size};
}

void
framer_done(struct framer *framer)
{
    g_clear_pointer(&framer->buffer, g_byte_array_unref);
}

void
framer_push(struct framer *framer, const void *data, size_t size)
{
    g_byte_array_append(framer->buffer, data, (guint)size);
}

// Takes one byte into account; true when it ends the message.
static bool
step(struct framer *framer, guint8 byte)
{
    if (framer->after_backslash) {
        framer->after_backslash = false;
    } else if (framer->in_string) {
        framer->after_backslash = byte == '\\';
        framer->in_string = byte != '"';
    } else if (byte == '"') {
        framer->in_string = true;
    } else if (byte == '{' || byte == '[') {
        framer->depth++;
    } else if (byte == '}' || byte == ']') {
        return --framer->depth == 0;
    }
    return false;
}

static enum rc
take(struct framer *framer, json_t **ret_message, struct err *err)
{
    json_error_t error;
    json_t *message = json_loadb((const char *)framer->buffer->data, framer->scanned, 0, &error);
    g_byte_array_remove_range(framer->buffer, 0, (guint)framer->scanned);
    framer->scanned = 0;
    if (!json_is_object(message)) {
        json_decref(message);
        return fault(err, RC_BAD_GATEWAY, "peer sent malformed JSON: %.200s", error.text);
    }
    *ret_message = message;
    return RC_OK;
}

enum rc
framer_next(struct framer *framer, json_t **ret_message, struct err *err)
{
    *ret_message = NULL;
    while (framer->scanned < framer->buffer->len) {
        guint8 byte = framer->buffer->data[framer->scanned++];
        if (!framer->depth && byte != '{' && !g_ascii_isspace(byte)) {
            return fault(err, RC_BAD_GATEWAY, "peer does not speak JSON-RPC");
        }
        if (step(framer, byte)) {
            return take(framer, ret_message, err);
        }
        if (framer->depth > MAX_DEPTH || framer->scanned > framer->max_size) {
            return fault(err, RC_BAD_GATEWAY, "peer sent a message that is too large");
        }
    }
    return RC_OK;
}
