// SPDX-License-Identifier: Apache-2.0
// Base64url (RFC 4648 §5) without a detour over standard Base64: each token is written this way.
#include "common/base/util.h"
#include <string.h>

static const char digits[64] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

// Without padding: what is left of one or two bytes are two or three digits.
static size_t
encoded_size(size_t size)
{
    return size / 3 * 4 + (size % 3 ? size % 3 + 1 : 0);
}

static void
encode(const unsigned char *in, size_t size, char *out)
{
    for (; size >= 3; size -= 3, in += 3, out += 4) {
        out[0] = digits[in[0] >> 2];
        out[1] = digits[(in[0] & 3) << 4 | in[1] >> 4];
        out[2] = digits[(in[1] & 15) << 2 | in[2] >> 6];
        out[3] = digits[in[2] & 63];
    }
    if (size > 0) {
        unsigned second = size == 2 ? in[1] : 0;
        out[0] = digits[in[0] >> 2];
        out[1] = digits[(in[0] & 3) << 4 | second >> 4];
        if (size == 2) {
            out[2] = digits[(second & 15) << 2];
        }
    }
}

char *
base64url_encode(const void *data, size_t size)
{
    size_t len = encoded_size(size);
    char *text = g_malloc(len + 1);
    encode(data, size, text);
    text[len] = '\0';
    return text;
}

void
base64url_append(GString *text, const void *data, size_t size)
{
    size_t before = text->len;
    g_string_set_size(text, before + encoded_size(size));
    encode(data, size, text->str + before);
}

// -1: not a digit.
static int
value_of(char digit)
{
    return digit >= 'A' && digit <= 'Z'   ? digit - 'A'
           : digit >= 'a' && digit <= 'z' ? digit - 'a' + 26
           : digit >= '0' && digit <= '9' ? digit - '0' + 52
           : digit == '-'                 ? 62
           : digit == '_'                 ? 63
                                          : -1;
}

unsigned char *
base64url_decode(const char *text, size_t *ret_size)
{
    size_t len = strlen(text), size = 0;
    while (len > 0 && text[len - 1] == '=') {
        len--;
    }
    if (len % 4 == 1) {
        return NULL;
    }
    g_autofree unsigned char *data = g_malloc(len / 4 * 3 + 3);
    unsigned bits = 0, n_bits = 0;
    for (size_t i = 0; i < len; i++) {
        int value = value_of(text[i]);
        if (value < 0) {
            return NULL;
        }
        bits = bits << 6 | (unsigned)value;
        n_bits += 6;
        if (n_bits >= 8) {
            n_bits -= 8;
            data[size++] = (unsigned char)(bits >> n_bits);
        }
    }
    *ret_size = size;
    return g_steal_pointer(&data);
}
