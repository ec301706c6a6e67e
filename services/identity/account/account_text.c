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

// Line and paragraph separators, and what shows nothing or turns the direction of text. The two
// joiners are letters' business in some scripts, and in emoji.
static bool
is_deceiving(gunichar c)
{
    GUnicodeType type = g_unichar_type(c);
    bool is_joiner = c == 0x200c || c == 0x200d;
    return type == G_UNICODE_LINE_SEPARATOR || type == G_UNICODE_PARAGRAPH_SEPARATOR ||
           (type == G_UNICODE_FORMAT && !is_joiner) || (c >= 0xfdd0 && c <= 0xfdef) ||
           (c & 0xfffe) == 0xfffe;
}

// Without blanks of any script at its ends; "" when nothing of it can be seen.
static char *
trimmed(const char *name)
{
    const char *start = name, *end = name;
    bool is_visible = false;
    for (const char *at = name; *at; at = g_utf8_next_char(at)) {
        gunichar c = g_utf8_get_char(at);
        is_visible |= g_unichar_isgraph(c) && !g_unichar_iszerowidth(c);
        if (!g_unichar_isspace(c)) {
            end = g_utf8_next_char(at);
        } else if (at == start) {
            start = g_utf8_next_char(at);
        }
    }
    return is_visible ? g_strndup(start, (gsize)(end - start)) : g_strdup("");
}

enum rc
account_name(const char *field, const char *text, size_t max_chars, char **ret_name,
             struct err *err)
{
    if (text && !g_utf8_validate(text, -1, NULL)) { // GLib normalises beyond the end of what is not
        return fault(err, RC_INVALID, "invalid input for field '%s': it is not UTF-8", field);
    }
    g_autofree char *name = text ? g_utf8_normalize(text, -1, G_NORMALIZE_NFC) : NULL;
    if (name && !text_is_clean(name, max_chars)) {
        return fault(err, RC_INVALID,
                     "invalid input for field '%s': it has control characters or is longer than "
                     "%zu characters",
                     field, max_chars);
    }
    for (const char *at = name ? name : ""; *at; at = g_utf8_next_char(at)) {
        if (is_deceiving(g_utf8_get_char(at))) {
            return fault(err, RC_INVALID,
                         "invalid input for field '%s': it has characters that are not shown, "
                         "change the direction of text or break lines",
                         field);
        }
    }
    *ret_name = name ? trimmed(name) : NULL;
    return RC_OK;
}
