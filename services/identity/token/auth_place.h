// SPDX-License-Identifier: Apache-2.0
// What the parts of a log-in share: who it is (person.c), and where the new token acts
// (auth_place.c).
#pragma once
#include "services/identity/token/auth.h"

// What was proven before.
struct receipt {
    char *methods, *user_id;
    struct federated *federated; // by what an identity provider said, or NULL
    char *token_id, *chain_id;   // by a token: its audit id and the first one's, or NULL
    int64_t token_ends_us;
};
struct person {
    db_result *row;
    struct auth_context *by_token; // NULL: by password alone
    db_result *appcred;            // by application credential
    db_result *trust;              // with scope OS-TRUST:trust
    db_result *oauth1;             // by OAuth 1.0a access token
    struct federated *federated;   // by what an identity provider says
    struct receipt *receipt;       // with what was proven before
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

// Of one login. Texts of the context are borrowed from the rest.
struct session {
    struct person person;
    struct place place;
    struct auth_context token;
    char *methods, *audit_id;
    bool is_quick; // a token alone enters a scope by itself (auth_quick.c) …
    uint64_t scope_epoch;
    struct auth_context *held; // … and what its user holds there is known; NULL: it is not
    char *text;                // the signed token, or NULL
    char *receipt;             // then: what was proven so far, signed …
    json_t *receipt_body;      // … and the reply that asks for more
};

// lockout.c: who was right is asked again: others may have guessed meanwhile, and no more
// guesses count than are allowed, however many come at once.
enum rc auth_still_open(const struct identity *identity, struct db *db, const db_result *user,
                        struct err *err) CHECKED;
bool auth_is_locked(const struct identity *identity, const db_result *user);
enum rc auth_count_failure(const struct identity *identity, struct db *db, const db_result *user,
                           struct err *err) CHECKED;
// method.c: RC_UNAUTHORIZED unless proven; person->row is the user then, or was and is the same.
enum rc method_check_totp(const struct identity *identity, struct db *db, const struct login *login,
                          struct person *person, struct err *err) CHECKED;
// Fills the token's scope and roles. RC_UNAUTHORIZED: it may not be entered; RC_FORBIDDEN: not by
// this trust.
enum rc place_find(struct db *db, const struct login *login, struct person *person,
                   struct place *place, struct auth_context *token, struct err *err) CHECKED;
// person.c: by all methods that the login has; RC_UNAUTHORIZED and what else a method says. person:
// zeroed, or what is known of it by now; to be given to person_done whatever happens.
enum rc person_find(const struct request *request, struct db *db, const struct login *login,
                    struct person *person, struct err *err) CHECKED;
void person_done(struct person *person);
// The new token's methods; the caller frees.
char *auth_methods(const struct login *login, const struct person *person);

#define APPCRED "application_credential"
// auth_quick.c: whether a token may make another one, and what that has of it. A token never
// outlives the one it was made from.
enum rc auth_may_descend(const struct auth_context *by_token, struct err *err) CHECKED;
void auth_descend(const struct auth_context *by_token, struct auth_context *token);
// Verifies the login's token, when it has one, into person->by_token; sets person->asked_at_us, or
// leaves 0: to be asked of the database. With session->held auth_quick_open makes the token.
enum rc auth_quick_begin(struct identity *identity, const struct login *login,
                         struct session *session, struct err *err) CHECKED;
enum rc auth_quick_open(const struct identity *identity, const struct login *login,
                        struct session *session, struct err *err) CHECKED;
// A token was made without: its claims are for the next one.
void auth_quick_keep(const struct identity *identity, const struct login *login,
                     const struct session *session, const char *claims);
enum rc method_check_oauth1(const struct request *request, struct db *db, struct person *person,
                            struct err *err) CHECKED;
