// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "services/identity/identity.h"

extern const struct route limit_request_routes[];

// limit_mail.c: what is told to who asked. Pure.
struct limit_mail {
    bool is_approved;
    const char *service, *resource;
    int64_t asked, granted;
    const char *note; // the admin's words; NULL: none
};
// ret_subject: constant, UTF-8. The caller frees the body.
char *limit_mail_text(const struct limit_mail *mail, const char *locale, const char **ret_subject);
