// SPDX-License-Identifier: Apache-2.0
// Small things that every module needs and GLib lacks: UUIDs, times, constant-time comparison,
// random text.
#pragma once
#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UUID_LEN 36    // "8-4-4-4-12"
#define UUID_SIZE 37   // with the terminator
#define HEX_ID_SIZE 33 // 32 hexadecimal digits and the terminator: Keystone's id form
#define N_ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

// Random version 4 UUID, dashed, lower case. Uses the kernel's generator.
void uuid_new(char ret_uuid[UUID_SIZE]);
// Name-based version 5 UUID under Haneul's own namespace: uuid_derive(server_id, "port0") is always
// the same id.
void uuid_derive(const char *owner, const char *name, char ret_uuid[UUID_SIZE]);
// Dashed or plain 32 hexadecimal digits; upper case accepted.
bool uuid_is_valid(const char *text);
// Random id of 32 hexadecimal digits (identity's ids).
void hex_id_new(char ret_id[HEX_ID_SIZE]);

// 16 random bytes as base64url (audit ids); the caller frees.
char *id_text_new(void);

// Unpadded base64url (RFC 4648 §5) of `size` bytes; the caller frees.
char *base64url_encode(const void *data, size_t size);
void base64url_append(GString *text, const void *data, size_t size);
// NULL when the text is not base64url (padding tolerated); else a buffer the caller frees.
unsigned char *base64url_decode(const char *text, size_t *ret_size);
// `n_bytes` random bytes as base64url; the caller frees.
char *random_token(size_t n_bytes);
void random_bytes(void *ret_bytes, size_t size);

// Lower-case hexadecimal SHA-256 of the bytes, 64 digits; the caller frees.
char *sha256_hex(const void *data, size_t size);
bool equal_constant_time(const char *a, const char *b);

int64_t now_us(void); // wall clock, µs since the epoch, UTC
int64_t monotonic_ms(void);
// "2026-11-20T20:37:19Z" (fraction false) or with ".000000" before the Z (fraction true); buffer
// of 32.
void iso8601_format(int64_t time_us, bool fraction, char ret_text[32]);
// Accepts what OpenStack clients send: date, date-time, optional fraction and offset. False when
// malformed.
bool iso8601_parse(const char *text, int64_t *ret_time_us);

// Decimal digits with a sign where needed, at the end of text.
void append_int64(GString *text, int64_t value);
// Whole decimal int64 within [min, max]; false on anything else (sign, blanks, overflow).
bool parse_int64(const char *text, int64_t min, int64_t max, int64_t *ret_value);
// OpenStack's booleans in query strings: true/1/yes/on, false/0/no/off in any case.
bool parse_bool(const char *text, bool *ret_value);
// True when text is valid UTF-8 without control characters and at most max_chars characters.
bool text_is_clean(const char *text, size_t max_chars);
