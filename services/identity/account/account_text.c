// SPDX-License-Identifier: Apache-2.0
// What strangers' texts become before they are stored or counted. Pure.
#include "common/base/util.h"
#include "services/identity/account/admit.h"
#include <arpa/inet.h>
#include <string.h>

char *
account_network(const char *address)
{
    struct in6_addr six;
    struct in_addr four;
    if (inet_pton(AF_INET6, address, &six) == 1 && IN6_IS_ADDR_V4MAPPED(&six)) {
        memcpy(&four, six.s6_addr + 12, sizeof four);
    } else if (inet_pton(AF_INET6, address, &six) == 1) {
        const uint8_t *byte = six.s6_addr;
        return g_strdup_printf("network %02x%02x:%02x%02x:%02x%02x:%02x", byte[0], byte[1], byte[2],
                               byte[3], byte[4], byte[5], byte[6]);
    } else if (inet_pton(AF_INET, address, &four) != 1) {
        return g_strdup("network unknown");
    }
    const uint8_t *byte = (const uint8_t *)&four;
    return g_strdup_printf("network %u.%u.%u", byte[0], byte[1], byte[2]);
}

// Line and paragraph separators; marks, embeddings, overrides and isolates of direction.
static bool
is_deceiving(gunichar c)
{
    return c == 0x61c || c == 0x200e || c == 0x200f || (c >= 0x2028 && c <= 0x202e) ||
           (c >= 0x2066 && c <= 0x2069);
}

enum rc
account_name(const char *field, const char *text, size_t max_chars, char **ret_name,
             struct err *err)
{
    g_autofree char *name = text ? g_utf8_normalize(text, -1, G_NORMALIZE_NFC) : NULL;
    if (text && !name) {
        return fault(err, RC_INVALID, "invalid input for field '%s': it is not UTF-8", field);
    }
    if (name && !text_is_clean(name, max_chars)) {
        return fault(err, RC_INVALID,
                     "invalid input for field '%s': it has control characters or is longer than "
                     "%zu characters",
                     field, max_chars);
    }
    for (const char *at = name ? name : ""; *at; at = g_utf8_next_char(at)) {
        if (is_deceiving(g_utf8_get_char(at))) {
            return fault(err, RC_INVALID,
                         "invalid input for field '%s': it has characters that change the "
                         "direction of text or break lines",
                         field);
        }
    }
    *ret_name = name ? g_strdup(g_strstrip(name)) : NULL;
    return RC_OK;
}
