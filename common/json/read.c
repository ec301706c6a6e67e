// SPDX-License-Identifier: Apache-2.0
// jansson takes each character through several calls, which of a request for a token was the
// greatest part after its signature. What nearly all texts are made of is read here, strings as a
// whole; a text with anything else (an escape, a fraction, deep nesting, a mistake) is jansson's
// from its beginning, so that there is one judge of what is right and one wording of what is not.
#include "common/json/read.h"
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

// A string's bytes up to its closing quote, which is passed. False: not a plain one.
static bool
read_text(struct reader *reader, const char **ret_text, size_t *ret_size)
{
    if (!take(reader, '"')) {
        return false;
    }
    const char *begin = reader->at;
    const char *quote = memchr(begin, '"', (size_t)(reader->end - begin));
    if (!quote || memchr(begin, '\\', (size_t)(quote - begin))) {
        return false;
    }
    for (const char *at = begin; at < quote; at++) {
        if ((unsigned char)*at < 0x20) {
            return false;
        }
    }
    *ret_text = begin;
    *ret_size = (size_t)(quote - begin);
    reader->at = quote + 1;
    return true;
}

static json_t *
read_string(struct reader *reader)
{
    const char *text;
    size_t size;
    return read_text(reader, &text, &size) ? json_stringn(text, size) : NULL;
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
    const char *name;
    size_t size;
    return read_text(reader, &name, &size) && !json_object_getn(object, name, size) &&
           take(reader, ':') && !json_object_setn_new(object, name, size, read_value(reader));
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
