// SPDX-License-Identifier: Apache-2.0
#include "common/json/write.h"
#include "common/base/append.h"
#include "common/base/util.h"
#include <stdarg.h>
#include <string.h>

// Before a value or a name: a comma, unless it is the first in its bracket or follows its name.
static void
separate(GString *text)
{
    char last = text->len ? text->str[text->len - 1] : '[';
    if (last != '{' && last != '[' && last != ':') {
        g_string_append_c(text, ',');
    }
}

void
json_write_open(GString *text, char bracket)
{
    separate(text);
    g_string_append_c(text, bracket);
}

void
json_write_close(GString *text, char bracket)
{
    g_string_append_c(text, bracket);
}

void
json_write_name(GString *text, const char *name)
{
    separate(text);
    g_string_append_c(text, '"');
    append_text(text, name);
    append_bytes(text, "\":", 2);
}

static void
append_escaped(GString *text, unsigned char c)
{
    static const char short_forms[][2] = {{'"', '"'},  {'\\', '\\'}, {'\b', 'b'}, {'\f', 'f'},
                                          {'\n', 'n'}, {'\r', 'r'},  {'\t', 't'}};
    for (size_t i = 0; i < G_N_ELEMENTS(short_forms); i++) {
        if (c == short_forms[i][0]) {
            g_string_append_c(text, '\\');
            g_string_append_c(text, short_forms[i][1]);
            return;
        }
    }
    g_string_append_printf(text, "\\u%04x", c);
}

// What must be escaped.
static const bool is_special[256] = {[0 ... 0x1f] = true, ['"'] = true, ['\\'] = true};

void
json_write_text(GString *text, const char *value, size_t size)
{
    const char *end = value + size;
    separate(text);
    g_string_append_c(text, '"');
    while (value < end) {
        size_t n = 0;
        while (value + n < end && !is_special[(unsigned char)value[n]]) {
            n++;
        }
        append_bytes(text, value, n);
        value += n;
        if (value < end) {
            append_escaped(text, (unsigned char)*value++);
        }
    }
    g_string_append_c(text, '"');
}

void
json_write_string(GString *text, const char *value)
{
    if (value) {
        json_write_text(text, value, strlen(value));
    } else {
        json_write_json(text, "null");
    }
}

void
json_write_int(GString *text, int64_t value)
{
    separate(text);
    append_int64(text, value);
}

void
json_write_bool(GString *text, bool value)
{
    json_write_json(text, value ? "true" : "false");
}

void
json_write_json(GString *text, const char *json)
{
    separate(text);
    append_text(text, json);
}

void
json_write_member(GString *text, const char *name, const char *value)
{
    json_write_name(text, name);
    json_write_string(text, value);
}

void
json_write_member_int(GString *text, const char *name, int64_t value)
{
    json_write_name(text, name);
    json_write_int(text, value);
}

void
json_write_strings(GString *text, ...)
{
    va_list values;
    json_write_open(text, '[');
    va_start(values, text);
    for (const char *value = va_arg(values, const char *); value;
         value = va_arg(values, const char *)) {
        json_write_string(text, value);
    }
    va_end(values);
    json_write_close(text, ']');
}
