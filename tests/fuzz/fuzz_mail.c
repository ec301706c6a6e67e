// SPDX-License-Identifier: Apache-2.0
// Texts of strangers on their way into rows and mails: names are kept in NFC without control
// characters, and whatever a mail is made of, its headers are those that we wrote.
#include "common/base/util.h"
#include "services/identity/account/admit.h"
#include "services/identity/account/mail.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_name(const char *text)
{
    g_autofree char *name = NULL;
    struct err err = {0};
    if (account_name("name", text, 255, &name, &err)) {
        g_assert(err.rc == RC_INVALID && strstr(err.message, "'name'"));
        return;
    }
    g_assert(g_utf8_validate(name, -1, NULL) && g_utf8_strlen(name, -1) <= 255);
    for (const char *at = name; *at; at = g_utf8_next_char(at)) {
        g_assert(!g_unichar_iscntrl(g_utf8_get_char(at)));
    }
    g_autofree char *again = NULL;
    g_assert(account_name("name", name, 255, &again, &err) == RC_OK && !strcmp(name, again));
}

// Subject and body from the bytes, as the rows of mails may hold anything.
static void
check_mail(const char *subject, const char *body, const char *recipient)
{
    g_autofree char *message =
        mail_encode("Cloud <cloud@example.com>", recipient, subject, body, 1700000000000000);
    const char *end = strstr(message, "\r\n\r\n");
    g_assert(end);
    g_autofree char *head = g_strndup(message, (gsize)(end - message));
    g_auto(GStrv) lines = g_strsplit(head, "\r\n", -1);
    static const char *const names[] = {
        "Date: ",           "From: ",         "To: ",           "Subject: ",        "Message-ID: ",
        "Auto-Submitted: ", "MIME-Version: ", "Content-Type: ", "Content-Transfer-"};
    g_assert(g_strv_length(lines) == N_ELEMENTS(names));
    for (size_t i = 0; i < N_ELEMENTS(names); i++) {
        g_assert(g_str_has_prefix(lines[i], names[i]) && !strpbrk(lines[i], "\r\n"));
    }
    for (const char *at = end + 4; *at; at++) {
        g_assert(g_ascii_isalnum(*at) || strchr("+/=\r\n", *at));
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size),
                    *recipient = mail_address_check(text), *network = account_network(text);
    g_assert(g_str_has_prefix(network, "network ") && strlen(network) < 64);
    check_name(text);
    check_mail(text, text, recipient ? recipient : "a@example.com");
    for (int kind = 0; kind < N_MAIL; kind++) {
        struct mail_text mail = mail_text_of(kind, size & 1 ? "ko" : "en", text, text);
        g_assert(mail.subject && mail.body);
        check_mail(mail.subject, mail.body, "a@example.com");
        g_free(mail.body);
    }
    return 0;
}
