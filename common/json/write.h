// SPDX-License-Identifier: Apache-2.0
// JSON written straight into a text, for what is made for every request (tokens): no tree in
// between. Pure. Commas come by themselves; the caller sees to it that braces match.
#pragma once
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

void json_write_open(GString *text, char bracket);  // '{' or '['
void json_write_close(GString *text, char bracket); // '}' or ']'
// Of an object's member; its value is written next. name: without anything to escape.
void json_write_name(GString *text, const char *name);
void json_write_string(GString *text, const char *value);            // UTF-8; NULL: null
void json_write_text(GString *text, const char *value, size_t size); // the same of a piece
void json_write_int(GString *text, int64_t value);
void json_write_bool(GString *text, bool value);
void json_write_json(GString *text, const char *json); // a value that is JSON already
// Both at once.
void json_write_member(GString *text, const char *name, const char *value);
void json_write_member_int(GString *text, const char *name, int64_t value);
// A string for each text up to NULL, as an array.
void json_write_strings(GString *text, ...) G_GNUC_NULL_TERMINATED;
