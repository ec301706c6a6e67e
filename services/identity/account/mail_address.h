// SPDX-License-Identifier: Apache-2.0
// Which texts are e-mail addresses: RFC 5321 without quotes and comments, ASCII only.
#pragma once
#include <stdbool.h>

// "Name <a@b>" or "a@b" → a@b; NULL when it has none. The caller frees.
char *mail_address_of(const char *from);
// An address that can be a user's name, lower-cased. NULL: not one. The caller frees.
char *mail_address_check(const char *text);
// At least two labels of lower-case letters, digits and inner hyphens.
bool mail_domain_is_valid(const char *text);
// What stands behind the '@' of a checked address; borrowed from it.
const char *mail_domain_of(const char *email);
