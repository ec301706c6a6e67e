// SPDX-License-Identifier: Apache-2.0
// What auth.c and auth_place.c share: who logs in, and where the new token acts.
#pragma once
#include "services/identity/token/auth.h"

struct person {
    db_result *row;
    struct auth_context *by_token; // NULL: by password alone
    db_result *appcred;            // by application credential
    db_result *trust;              // with scope OS-TRUST:trust
    int64_t asked_at_us;
};

// Texts of the new token's context are borrowed from these.
struct place {
    db_result *row;
    json_t *roles, *rules;
    const char **ids, **names;
    struct access_rule *rule_items;
};
void place_done(struct place *place);
// Fills the token's scope and roles. RC_UNAUTHORIZED: it may not be entered; RC_FORBIDDEN: not by
// this trust.
enum rc place_find(struct db *db, const struct login *login, struct person *person,
                   struct place *place, struct auth_context *token, struct err *err) CHECKED;
enum rc auth_denied(struct err *err); // the one 401
