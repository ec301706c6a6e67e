// SPDX-License-Identifier: Apache-2.0
// E-mail addresses from strangers: what is accepted can stand in a header, in an SMTP command and
// in a user's name as it is, and is accepted again unchanged.
#include "services/identity/account/mail_address.h"
#include <ctype.h>
#include <glib.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must_be_sound(const char *email)
{
    g_autofree char *again = mail_address_check(email);
    g_assert(again && !strcmp(again, email));
    g_assert(strlen(email) <= 254 && strchr(email, '@') == strrchr(email, '@'));
    g_assert(mail_domain_is_valid(mail_domain_of(email)));
    for (const char *at = email; *at; at++) {
        g_assert(isgraph((unsigned char)*at) && !strchr("<>()[]\\,;:\"", *at));
        g_assert(!isupper((unsigned char)*at));
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    g_autofree char *email = mail_address_check(text), *sender = mail_address_of(text);
    if (email) {
        must_be_sound(email);
    }
    if (sender) {
        must_be_sound(sender);
    }
    mail_domain_is_valid(text);
    return 0;
}
