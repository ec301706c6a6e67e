// SPDX-License-Identifier: Apache-2.0
// Tokens: what a client asks for, who it is, where it may act, and the token that says so.
#pragma once
#include "services/identity/identity.h"

enum scope_kind {
    SCOPE_DEFAULT,
    SCOPE_UNSCOPED,
    SCOPE_PROJECT,
    SCOPE_DOMAIN,
    SCOPE_SYSTEM,
    SCOPE_TRUST // target.id is the trust's
};

// A thing by its id, or by its name and its domain's id or name. Borrowed from the body; NULL: not
// given.
struct named {
    const char *id, *name, *domain_id, *domain_name;
};
struct login {
    bool has_password, has_token, has_appcred; // has_appcred: alone
    struct named user;
    const char *password;
    const char *token;
    const char *appcred_id, *appcred_name, *appcred_secret; // by id, or by name and user
    bool has_totp, has_oauth1;                              // has_oauth1: alone; signed in a header
    bool has_mapped; // alone; by headers, or a JSON Web Token in one
    const char *provider_id, *protocol_id;
    struct named totp_user;
    const char *passcode;
    const char *receipt; // header: methods that were proven before
    // Not from a body: a user that was proven by an EC2 key, and the audit id of that key's tokens.
    const char *ec2_user_id, *ec2_audit_id;
    bool keeps_failures; // a right password does not end the count of wrong ones yet
    enum scope_kind scope;
    struct named target;
};
// auth_parse.c: which methods there are, and the body of POST /v3/auth/tokens.
bool auth_method_is_known(const char *name);
enum rc login_parse(json_t *root, struct login *ret_login, struct err *err) CHECKED;

enum rc auth_denied(struct err *err); // the one 401
// auth_db.c
// The time a new token is issued at, by the clock that stamps revocations. Waits for revocations
// that are being committed: what is read afterwards is either as they left it, or they are stamped
// later and end the token.
enum rc auth_db_begin(struct db *db, int64_t *ret_now_us, struct err *err) CHECKED;
// One row: id, name, enabled, domain_id, domain_name, domain_enabled, default_project_id,
// password_hash, n_failures, failed_s (seconds since the last failure), password_expires_us (0:
// never), is_password_expired, is_password_own, password_age_s, password_changed_us (0: never),
// inactive_days (0 for who may be away), ignores_lockout, is_password_locked, options.
// RC_NOT_FOUND.
enum rc auth_db_find_user(struct db *db, const struct named *user, db_result **ret_row,
                          struct err *err) CHECKED;
// attempts > 0; life_s 0: for ever. One more wrong guess, unless the user is locked out by now; a
// lock that has ended begins anew.
struct lockout {
    int64_t attempts, life_s;
};
enum rc auth_db_count_failure(struct db *db, const char *user_id, const struct lockout *lockout,
                              struct err *err) CHECKED;
// RC_UNAUTHORIZED: the user is locked out by now.
enum rc auth_db_check_lock(struct db *db, const char *user_id, const struct lockout *lockout,
                           struct err *err) CHECKED;
// The user was here today.
enum rc auth_db_see_user(struct db *db, const char *user_id, struct err *err) CHECKED;
enum rc auth_db_forget_failures(struct db *db, const char *user_id, struct err *err) CHECKED;
// The same password's hash anew; nothing when the password has changed meanwhile.
enum rc auth_db_renew_hash(struct db *db, const char *user_id, const char *old, const char *hash,
                           struct err *err) CHECKED;
// One row: id, name, enabled, domain_id, domain_name, domain_enabled, roles ([[id, name], …],
// implied ones included). RC_NOT_FOUND: no such project, domain.
enum rc auth_db_project_scope(struct db *db, const char *user_id, const struct named *project,
                              db_result **ret_row, struct err *err) CHECKED;
enum rc auth_db_domain_scope(struct db *db, const char *user_id, const struct named *domain,
                             db_result **ret_row, struct err *err) CHECKED;
enum rc auth_db_system_scope(struct db *db, const char *user_id, db_result **ret_row,
                             struct err *err) CHECKED;
// auth_db_find_user by id and auth_db_project_scope in one round trip. The rows are the caller's
// and may be none.
struct known {
    db_result *user, *project;
};
enum rc auth_db_find_known(struct db *db, const char *user_id, const struct named *project,
                           struct known *ret_known, struct err *err) CHECKED;
// JSON array texts; the callers free.
enum rc auth_db_projects(struct db *db, const char *user_id, const char *base_url, char **ret_text,
                         struct err *err) CHECKED;
enum rc auth_db_domains(struct db *db, const char *user_id, const char *base_url, char **ret_text,
                        struct err *err) CHECKED;

// auth_parse.c: proves who it is by a token alone, so that nothing slow (a hash) has to be
// computed.
bool login_is_quick(const struct request *request);

// person.c: RC_UNAUTHORIZED unless login's user and password are right and not locked out. ret_row:
// as auth_db_find_user's.
enum rc auth_check_password(const struct identity *identity, struct db *db,
                            const struct login *login, db_result **ret_row,
                            struct err *err) CHECKED;
// RC_UNAUTHORIZED: the user or its domain is disabled, or the user was away too long. row: as
// auth_db_find_user's.
enum rc auth_check_account(const struct identity *identity, const db_result *row,
                           struct err *err) CHECKED;
struct session;
// auth.c: proves, places and signs. RC_OK with session->text NULL: more methods are needed, and
// session->receipt says so. session: zeroed, to be given to session_done whatever happens.
enum rc auth_open(const struct request *request, const struct login *login, struct session *session,
                  struct err *err) CHECKED;
// The same for who logs in by themselves: RC_TOO_MANY when too many of that network have failed.
enum rc auth_log_in(const struct request *request, const struct login *login,
                    struct session *session, struct err *err) CHECKED;
// What was opened: the token, or 401 with the receipt.
enum rc auth_reply_session(const struct request *request, struct session *session,
                           struct reply *reply, struct err *err) CHECKED;
void session_done(struct session *session);
// The token as Keystone shows it; text NULL: without header X-Subject-Token.
enum rc auth_reply(const struct request *request, const struct auth_context *context,
                   const char *text, struct reply *reply, struct err *err) CHECKED;
// reach.c: {"name": items, "links": …}; the caller frees.
char *auth_wrap(const struct request *request, const char *name, const char *items);
// auth_place.c: the id of a role given by id or name when it is in held ([[id, name], …] of a
// scope's row), else NULL.
const char *auth_held_role(json_t *held, json_t *role);
// token.c: {"token": …} of a context and JSON that goes in as it is; NULL: none. The caller frees.
struct token_parts {
    const char *catalog, *appcred, *service_providers;
};
char *token_text(const struct auth_context *auth, const struct token_parts *parts);
