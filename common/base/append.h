// SPDX-License-Identifier: Apache-2.0
// At the end of a GString without a call while there is room, as GLib does by itself from 2.76 on.
#pragma once
#include <glib.h>
#include <string.h>

static inline void
append_bytes(GString *text, const char *bytes, size_t size)
{
    if (G_LIKELY(text->len + size < text->allocated_len)) {
        memcpy(text->str + text->len, bytes, size);
        text->len += size;
        text->str[text->len] = '\0';
    } else {
        g_string_append_len(text, bytes, (gssize)size);
    }
}

static inline void
append_text(GString *text, const char *more)
{
    append_bytes(text, more, strlen(more));
}
