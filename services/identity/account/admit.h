// SPDX-License-Identifier: Apache-2.0
// How often strangers and accounts may ask: requests counted per window in table rate_limit.
// Counted in a transaction of its own, so that refused requests count too.
#pragma once
#include "services/identity/identity.h"

// A request that sends a mail: per address, per network, in all. RC_INVALID names field 'email';
// RC_FORBIDDEN while no mail server is set; RC_TOO_MANY. ret_email: the checked address in lower
// case; belongs to the request.
enum rc admit_mail(struct request *request, const char *text, const char **ret_email,
                   struct err *err) CHECKED;
// The same for a logged-in account: per address and per account. `what` tells the kinds of requests
// apart ("invite").
enum rc admit_account_mail(struct request *request, const char *what, const char *text,
                           const char **ret_email, struct err *err) CHECKED;
// A request with a mail's token: per network.
enum rc admit_token(struct request *request, struct err *err) CHECKED;

// A log-in that proves something (password, TOTP, secret): RC_TOO_MANY while too many of its
// network have failed. One statement.
enum rc admit_login(const struct request *request, struct err *err) CHECKED;
// Counts one that has failed.
void admit_login_failed(const struct request *request);

// account_text.c, pure.
// What limits count as one network: IPv4 /24, IPv6 /56. The caller frees.
char *account_network(const char *address);
// A name in NFC without blanks at its ends, "" when nothing of it can be seen. RC_INVALID names the
// field: control characters, line separators, characters that show nothing or turn the direction of
// text, over max_chars. text NULL: ret_name is
// NULL. The caller frees.
enum rc account_name(const char *field, const char *text, size_t max_chars, char **ret_name,
                     struct err *err) CHECKED;
