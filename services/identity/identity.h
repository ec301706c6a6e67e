// SPDX-License-Identifier: Apache-2.0
// What the files of the identity service share: the process' context, and one struct for what a
// request may need to know.
#pragma once
#include "common/auth/jws.h"
#include "common/http/http.h"
#include "common/resource/resource.h"
#include "common/service/service.h"
#include "services/identity/tenancy/compliance.h"

struct catalog_cache;
struct client;
struct federation;
struct feed_readers;
struct scope_cache;
struct secret_ring;
struct identity {
    struct service *service;
    struct db_pool *db;
    struct key_ring *keys;
    char *keys_state;            // which keys there were, and which could sign (keys.c)
    struct secret_ring *secrets; // what stored secrets are sealed with
    int64_t key_life_us;         // a signing key is replaced after this; 0: only on demand
    int64_t key_notice_us;       // a new signing key is published for so long before it signs
    struct authenticator *auth;
    struct catalog_cache *catalog;
    struct client *client; // to other services, as [identity] user; NULL: not set
    int64_t token_life_us, receipt_life_us, expired_window_us;
    int64_t n_revocations;   // a user's single tokens that are revoked one by one at a time
    int64_t totp_windows;    // passcodes of so many earlier periods are taken too
    int64_t ec2_signature_s; // how old an EC2 request may be
    int64_t max_tree_depth;  // projects below one another in a domain
    struct compliance compliance;
    struct federation *federation; // who may sign in from elsewhere (federation/sign_in.h)
    // The feed's position in this process (feed.c).
    GMutex feed_lock;
    int64_t feed_cursor, feed_looked_ms;
    char feed_next_tx[24];
    GHashTable *feed_seen;
    struct scope_cache *scopes;   // what users hold in their scopes
    struct feed_readers *readers; // who follows the feed here
};
static inline struct identity *
identity_of(const struct request *request)
{
    return request_context(request);
}

extern const struct setting identity_settings[];
extern const struct policy_rule identity_policies[];
// clang-format off
extern const struct route
    discovery_routes[],
    auth_routes[],
    subject_routes[],
    reach_routes[],
    tenancy_routes[],
    user_routes[],
    group_routes[],
    role_routes[],
    grant_routes[],
    catalog_routes[],
    credential_routes[],
    ec2_routes[],
    ec2_token_routes[],
    oauth1_routes[],
    oauth1_access_routes[],
    oauth2_routes[],
    appcred_routes[],
    trust_routes[],
    domain_config_routes[],
    consumer_routes[],
    endpoint_filter_routes[],
    endpoint_policy_routes[],
    revoke_routes[],
    federation_provider_routes[],
    federation_protocol_routes[],
    federation_mapping_routes[],
    federation_sign_in_routes[],
    federation_websso_routes[],
    limit_routes[],
    quota_routes[],
    feed_routes[],
    account_routes[],
    account_project_routes[],
    account_member_routes[],
    invite_routes[],
    invite_answer_routes[],
    profile_routes[],
    change_proven_routes[],
    account_admin_routes[];
// clang-format on
void identity_error_body(const struct request *request, const struct err *err, struct reply *reply);
void identity_on_reply(struct request *request, struct reply *reply);
// What a request has changed, this process knows before it answers.
void identity_on_handled(struct request *request);

// password.c: bcrypt by libcrypt. Slow on purpose: ROUTE_SLOW rows and background threads only.
enum rc password_hash(const char *password, char **ret_hash, struct err *err) CHECKED;
// hash NULL: an unknown user; costs the same and is never true.
bool password_matches(const char *password, const char *hash);
// bcrypt's cost of new hashes, the base-2 logarithm of their work; for the whole process, before
// its first hash.
#define PASSWORD_ROUNDS 12
void password_set_rounds(int rounds);
// A hash of another cost than new ones.
bool password_is_outdated(const char *hash);
// Refuses what Keystone refuses: empty or longer than the algorithm reads (72 bytes).
enum rc password_check(const char *password, struct err *err) CHECKED;

// keys.c
// Makes a key when there is none or the newest is too old, and drops those that no token needs.
enum rc keys_renew(struct identity *identity, struct err *err) CHECKED;
// Takes over what keys_renew of any process, or the command, changed. One thread at a time.
enum rc keys_follow(struct identity *identity, struct err *err) CHECKED;
// The program's --rotate-signing-key.
enum rc command_rotate_signing_key(struct service *service, struct err *err) CHECKED;
// --replace-signing-keys, for when one is known to strangers: all go, a new one signs at once.
enum rc command_replace_signing_keys(struct service *service, struct err *err) CHECKED;
enum rc keys_to_jwks(struct db *db, json_t **ret_jwks, struct err *err) CHECKED;

// feed.c. Fields NULL: any. Must run inside db_tx; after the commit feed_catch_up makes it true in
// this process at once.
enum rc feed_revoke(struct db *db, const struct revocation *revocation, struct err *err) CHECKED;
enum rc feed_catch_up(struct identity *identity, struct err *err) CHECKED;
// The same, unless this process knows already what was committed before as_of_us.
enum rc feed_catch_up_to(struct identity *identity, int64_t as_of_us, struct err *err) CHECKED;

// bootstrap.c: the first domain, user, roles, catalog, from settings; run again, it changes nothing
// that is there.
enum rc bootstrap(struct identity *identity, struct err *err) CHECKED;

// accounts.c
enum rc accounts_check_settings(const struct conf *conf, struct err *err) CHECKED;
enum rc accounts_prune(struct db *db, struct err *err) CHECKED;
// One round of ending invitations that nobody answered in time.
#define EXPIRE_INTERVAL_MS 5000
void accounts_expire(void *identity);

// user.c: disables who was away too long, some at a time.
enum rc user_disable_inactive(struct identity *identity, struct db *db, struct err *err) CHECKED;

// mail.c: one round of the background sender.
#define MAIL_INTERVAL_MS 500
void mail_send_due(void *identity);
