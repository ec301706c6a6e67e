// SPDX-License-Identifier: Apache-2.0
// Which texts are e-mail addresses. Pure.
#include "services/identity/account/mail_address.h"
#include <glib.h>
#include <stdbool.h>
#include <string.h>

#define LOCAL_MAX 64
#define ADDRESS_MAX 254

char *
mail_address_of(const char *from)
{
    const char *open = strrchr(from, '<'), *close = open ? strchr(open, '>') : NULL;
    g_autofree char *text = close ? g_strndup(open + 1, (gsize)(close - open - 1)) : g_strdup(from);
    return mail_address_check(g_strstrip(text));
}

static bool
is_local_part(const char *text, size_t len)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-/=?^_`{|}~.";
    return len && len <= LOCAL_MAX && strspn(text, allowed) == len && text[0] != '.' &&
           text[len - 1] != '.' && !g_strstr_len(text, (gssize)len, "..");
}

bool
mail_domain_is_valid(const char *text)
{
    g_auto(GStrv) labels = g_strsplit(text, ".", -1);
    for (char **label = labels; *label; label++) {
        size_t len = strlen(*label);
        if (!len || len > 63 || strspn(*label, "abcdefghijklmnopqrstuvwxyz0123456789-") != len ||
            **label == '-' || (*label)[len - 1] == '-') {
            return false;
        }
    }
    return labels[0] && labels[1];
}

char *
mail_address_check(const char *text)
{
    if (strlen(text) > ADDRESS_MAX || !g_str_is_ascii(text)) {
        return NULL;
    }
    g_autofree char *lower = g_ascii_strdown(text, -1);
    const char *at = strchr(lower, '@');
    bool ok = at && !strchr(at + 1, '@') && mail_domain_is_valid(at + 1);
    // strspn stops at '@', which no local part has.
    return ok && is_local_part(lower, (size_t)(at - lower)) ? g_steal_pointer(&lower) : NULL;
}

const char *
mail_domain_of(const char *email)
{
    return strchr(email, '@') + 1;
}
