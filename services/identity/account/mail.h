// SPDX-License-Identifier: Apache-2.0
// The mails of accounts, and how they leave.
#pragma once
#include "services/identity/account/mail_address.h"
#include "services/identity/identity.h"

enum mail_kind {
    MAIL_VERIFY,
    MAIL_KNOWN,
    MAIL_INVITATION,
    MAIL_EMAIL_PROOF,
    MAIL_EMAIL_ASKED,
    MAIL_EMAIL_CHANGED,
    MAIL_PASSWORD_RESET,
    MAIL_PASSWORD_CHANGED,
    MAIL_WAITING,
    MAIL_ADMIN_WAITING,
    MAIL_APPROVED,
    MAIL_REJECTED,
    MAIL_BLOCKED,
    MAIL_UNBLOCKED,
    MAIL_REMOVED,
    N_MAIL,
};
struct mail_text {
    const char *subject; // constant, UTF-8
    char *body;          // the caller frees
};
// link: what proves the address; other: a checked address or an id; NULL where the text has none.
// Nothing that a requester wrote freely goes into a mail.
struct mail_text mail_text_of(enum mail_kind kind, const char *locale, const char *link,
                              const char *other);
// The whole message with headers, CRLF. Pure but for the date and the random id. The caller frees.
char *mail_encode(const char *from, const char *recipient, const char *subject, const char *body,
                  int64_t time_us);

struct mail {
    enum mail_kind kind;
    const char *recipient, *locale, *link, *other;
    bool is_due; // false: the same work, but nobody gets it
};
// Within db_tx: it is sent when that commits.
enum rc mail_add(struct db *db, const struct mail *mail, struct err *err) CHECKED;
