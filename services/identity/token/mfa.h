// SPDX-License-Identifier: Apache-2.0
// Rules of a user about which methods a token needs (options multi_factor_auth_enabled and
// multi_factor_auth_rules), and auth receipts: what was proven so far, signed, for the next try.
#pragma once
#include "services/identity/token/auth_place.h"

// Of a new or changed user. RC_INVALID names what is wrong.
enum rc mfa_check_options(json_t *options, struct err *err) CHECKED;
// methods: names divided by commas. As in Keystone: any one rule is enough, methods that there are
// not are left out of the rules, and without rules (or when they are not enabled) all is enough.
bool mfa_is_enough(json_t *options, const char *methods);
// Sets session->receipt and session->receipt_body.
enum rc receipt_issue(const struct identity *identity, struct session *session, json_t *options,
                      struct err *err) CHECKED;
void receipt_free(struct receipt *receipt); // NULL is fine
// Sets person->receipt. RC_UNAUTHORIZED: not ours, too old, or revoked since (by a new password, or
// with the token or the provider's protocol that was part of it).
enum rc receipt_read(const struct identity *identity, const char *text, struct person *person,
                     struct err *err) CHECKED;
