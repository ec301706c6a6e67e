// SPDX-License-Identifier: Apache-2.0
// What a mail's token proves. One engine for new addresses, invitations, changed addresses and
// forgotten passwords: a token of 256 random bits, stored as its hash, valid once and for a while.
#pragma once
#include "services/identity/account/mail.h"

enum proof_kind { PROOF_SIGN_UP, PROOF_INVITATION, PROOF_EMAIL, PROOF_PASSWORD, N_PROOF };

struct proof_ask {
    enum proof_kind kind;
    const char *email;                // where the token goes
    const char *user_id, *subject_id; // NULL: none
    json_t *detail;                   // borrowed object; NULL: {}
    enum mail_kind mail;              // MAIL_KNOWN: the token is not in it, so nobody has it
    const char *locale, *other;
    bool is_due; // false: the same work, but no mail leaves
};
// Within db_tx: a new token and its mail.
enum rc proof_send(struct db *db, const struct conf *conf, const struct proof_ask *ask,
                   struct err *err) CHECKED;
int64_t proof_life_s(const struct conf *conf, enum proof_kind kind);

struct proof {
    int64_t id;
    char *email, *user_id, *subject_id; // NULL: none
    json_t *detail;
};
void proof_clear(struct proof *proof);
// Only looks. RC_NOT_FOUND: no such token. RC_GONE: used before, or too late. proof is cleared
// first, and by the caller in the end.
enum rc proof_find(struct db *db, enum proof_kind kind, const char *token, struct proof *proof,
                   struct err *err) CHECKED;
// Within db_tx: the same, and the token is used up when the transaction commits.
enum rc proof_take(struct db *db, enum proof_kind kind, const char *token, struct proof *proof,
                   struct err *err) CHECKED;
// Within db_tx: the address's, user's or subject's unused tokens of this kind end. NULL: not asked
// for.
enum rc proof_end(struct db *db, enum proof_kind kind, const char *email, const char *user_id,
                  const char *subject_id, struct err *err) CHECKED;
// Within db_tx: the newest sign-up that waits for its proof gets a new token and mail; the same
// work when there is none.
enum rc proof_renew_sign_up(struct db *db, const struct conf *conf, const char *email,
                            struct err *err) CHECKED;
enum rc proof_prune(struct db *db, struct err *err) CHECKED;

// {"token"}: the body of what a mail's token answers.
struct proof_body {
    const char *token;
};
extern const struct body_spec proof_body_spec;
