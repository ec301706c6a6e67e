// SPDX-License-Identifier: Apache-2.0
// The mails of sign-up, and how they leave.
#pragma once
#include "services/identity/identity.h"

enum mail_kind { MAIL_VERIFY, MAIL_KNOWN };
struct mail_text {
    const char *subject; // constant, UTF-8
    char *body;          // the caller frees
};
// link: what proves the address (MAIL_VERIFY). Nothing that the requester wrote goes into a mail.
struct mail_text mail_text_of(enum mail_kind kind, const char *locale, const char *link);
// "Name <a@b>" or "a@b" → a@b; NULL when it has none. The caller frees.
char *mail_address_of(const char *from);
// The whole message with headers, CRLF. Pure but for the date and the random id. The caller frees.
char *mail_encode(const char *from, const char *recipient, const char *subject, const char *body,
                  int64_t time_us);
// An address that can be a user's name: RFC 5321 without quotes and comments, ASCII, lower-cased.
// NULL: not one. The caller frees.
char *mail_address_check(const char *text);
