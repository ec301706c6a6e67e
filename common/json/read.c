// SPDX-License-Identifier: Apache-2.0
// jansson takes each character through several calls, which of a request for a token was the
// greatest part after its signature. What nearly all texts are made of is read here, strings as a
// whole; a text with anything else (an escape, a fraction, deep nesting, a mistake) is jansson's
// from its beginning, so that there is one judge of what is right and one wording of what is not.
#include "common/json/read.h"

#include "common/base/util.h"
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { DEPTH_MAX = 32, DIGITS_MAX = 18 };

struct reader {
    const char *at, *end;
    int depth;
};

static json_t *read_value(struct reader *reader);

// The next character that is not blank; 0 at the end.
static char
peek(struct reader *reader)
{
    while (reader->at < reader->end && (*reader->at == ' ' || *reader->at == '\n' ||
                                        *reader->at == '\r' || *reader->at == '\t')) {
        reader->at++;
    }
    return reader->at < reader->end ? *reader->at : 0;
}

static bool
take(struct reader *reader, char wanted)
{
    bool is_there = peek(reader) == wanted;
    reader->at += is_there;
    return is_there;
}

// The bytes between two quotes. ASCII alone needs no check of its encoding.
struct text {
    const char *bytes;
    size_t size;
    bool is_ascii;
};

// False: not a plain one.
static bool
read_text(struct reader *reader, struct text *ret_text)
{
    if (!take(reader, '"')) {
        return false;
    }
    const char *begin = reader->at;
    const char *quote = memchr(begin, '"', (size_t)(reader->end - begin));
    if (!quote) {
        return false;
    }
    unsigned char seen = 0;
    bool is_plain = true;
    for (const char *at = begin; at < quote; at++) {
        seen |= (unsigned char)*at;
        is_plain &= (unsigned char)*at >= 0x20 && *at != '\\';
    }
    *ret_text = (struct text){begin, (size_t)(quote - begin), seen < 0x80};
    reader->at = quote + 1;
    return is_plain;
}

static json_t *
read_string(struct reader *reader)
{
    struct text text;
    if (!read_text(reader, &text)) {
        return NULL;
    }
    return text.is_ascii ? json_stringn_nocheck(text.bytes, text.size)
                         : json_stringn(text.bytes, text.size);
}

static json_t *
read_integer(struct reader *reader)
{
    const char *at = reader->at;
    bool is_negative = *at == '-';
    at += is_negative;
    const char *first = at;
    json_int_t value = 0;
    while (at < reader->end && *at >= '0' && *at <= '9' && at - first < DIGITS_MAX) {
        value = 10 * value + (*at++ - '0');
    }
    bool is_whole = at > first && (*first != '0' || at == first + 1) &&
                    (at == reader->end || !strchr("0123456789.eE", *at));
    if (!is_whole) {
        return NULL;
    }
    reader->at = at;
    return json_integer(is_negative ? -value : value);
}

static json_t *
read_word(struct reader *reader, const char *word, json_t *value)
{
    size_t size = strlen(word);
    if ((size_t)(reader->end - reader->at) < size || memcmp(reader->at, word, size)) {
        return NULL;
    }
    reader->at += size;
    return value;
}

static bool
read_items(struct reader *reader, json_t *array)
{
    if (take(reader, ']')) {
        return true;
    }
    do {
        if (json_array_append_new(array, read_value(reader))) {
            return false;
        }
    } while (take(reader, ','));
    return take(reader, ']');
}

static bool
read_member(struct reader *reader, json_t *object)
{
    struct text name;
    if (!read_text(reader, &name) || json_object_getn(object, name.bytes, name.size) ||
        !take(reader, ':')) {
        return false;
    }
    json_t *value = read_value(reader);
    return !(name.is_ascii ? json_object_setn_new_nocheck(object, name.bytes, name.size, value)
                           : json_object_setn_new(object, name.bytes, name.size, value));
}

static bool
read_members(struct reader *reader, json_t *object)
{
    if (take(reader, '}')) {
        return true;
    }
    do {
        if (!read_member(reader, object)) {
            return false;
        }
    } while (take(reader, ','));
    return take(reader, '}');
}

static json_t *
read_nested(struct reader *reader, json_t *empty,
            bool (*read_into)(struct reader *reader, json_t *value))
{
    reader->at++;
    bool is_read = reader->depth++ < DEPTH_MAX && read_into(reader, empty);
    reader->depth--;
    if (is_read) {
        return empty;
    }
    json_decref(empty);
    return NULL;
}

static json_t *
read_value(struct reader *reader)
{
    switch (peek(reader)) {
    case '{':
        return read_nested(reader, json_object(), read_members);
    case '[':
        return read_nested(reader, json_array(), read_items);
    case '"':
        return read_string(reader);
    case 't':
        return read_word(reader, "true", json_true());
    case 'f':
        return read_word(reader, "false", json_false());
    case 'n':
        return read_word(reader, "null", json_null());
    case '-':
    case '0' ... '9':
        return read_integer(reader);
    default:
        return NULL;
    }
}

json_t *
json_read(const char *text, size_t size, json_error_t *ret_error)
{
    struct reader reader = {.at = text, .end = text + size};
    json_t *value = read_value(&reader);
    if (value && peek(&reader) == 0 && reader.at == reader.end) {
        return value;
    }
    json_decref(value);
    return json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, ret_error);
}

json_t *
json_read_base64url(const char *text, size_t size)
{
    g_autofree char *digits = g_strndup(text, size);
    size_t n = 0;
    g_autofree unsigned char *data = base64url_decode(digits, &n);
    json_error_t ignored;
    json_t *json = data ? json_read((const char *)data, n, &ignored) : NULL;
    if (json && !json_is_object(json)) {
        json_decref(json);
        return NULL;
    }
    return json;
}
