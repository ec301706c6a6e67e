// SPDX-License-Identifier: Apache-2.0
// Who is asking: ES256 JWS tokens verified in the service, with keys by kid and a cache;
// revocations and limits from the identity feed. Only identity issues tokens (jws.h).
#pragma once
#include "common/auth/access_rule.h"
#include "common/base/err.h"
#include <jansson.h>
#include <stdint.h>

// A verified token. Immutable, reference-counted, all texts owned. Ids and names are "" where the
// scope has none.
struct auth_context {
    const char *user_id, *user_name, *user_domain_id, *user_domain_name;
    const char *project_id, *project_name, *project_domain_id, *project_domain_name;
    const char *domain_id, *domain_name;            // domain scope
    bool is_system;                                 // system scope "all"
    const char *const *roles;                       // names, NULL-terminated, implied ones included
    const char *const *role_ids;                    // same order
    const char *audit_id;                           // of this token; parents' in audit_chain
    const char *audit_parent_id;                    // "" when none
    const char *methods;                            // "password,token"
    const char *trust_id, *trustor_id, *trustee_id; // of a token made by a trust, else "" or NULL
    bool is_impersonating;                          // the trustee acts as the trustor
    const char *oauth_id, *oauth_consumer_id;       // of a token made by an OAuth 1.0a access token
    const char *appcred_id, *appcred_name;  // of a token made by an application credential, else ""
                                            // or NULL
    bool is_restricted;                     // … which may not make or delete other credentials
    const struct access_rule *access_rules; // … what it may be used for; none: everything
    size_t n_access_rules;
    const char *provider_id, *protocol_id; // of a token that began with a federated sign-in, else
                                           // "" or NULL
    const char *const *group_ids; // … whose groups these are there; NULL: its user is one of ours
    int64_t issued_at_us, expires_at_us;
    int64_t password_expires_us; // the user's; 0: never
    bool is_admin;               // has role admin
    bool is_service;             // has role service
};
bool auth_has_role(const struct auth_context *auth, const char *role);

struct auth_config {
    const char *identity_url; // "http://127.0.0.1:5000"
    int feed_interval_ms;     // 0: 400
    size_t cache_entries;     // 0: 16,384
};
// A service's verifier: its thread follows identity's feed (GET /internal/v1/feed?after=CURSOR) for
// keys, revocations and limits.
struct authenticator;
struct db_pool;
struct bus;
// db: where limits from the feed are stored (quota_limit) with the cursor; NULL: limits ignored.
// bus: hints; may be NULL.
struct authenticator *authenticator_new(const struct auth_config *config, struct db_pool *db,
                                        struct bus *bus);
void authenticator_free(struct authenticator *auth);
// Knows at least one of identity's keys, and what was revoked: before that every token is
// RC_UNAVAILABLE.
bool authenticator_is_ready(struct authenticator *auth);
// RC_UNAUTHORIZED: malformed, bad signature, unknown key, expired, revoked. RC_UNAVAILABLE: no keys
// known yet. ret_context: release with auth_context_unref.
enum rc authenticator_verify(struct authenticator *auth, const char *token,
                             struct auth_context **ret_context, struct err *err) CHECKED;
struct auth_context *auth_context_ref(struct auth_context *context);
void auth_context_unref(struct auth_context *context);
// Identity itself feeds its own authenticator from its tables (no HTTP): see jws.h.

// ---- policy (oslo.policy language: role:x, rule:y, project_id:%(project_id)s,
// user_id:%(user_id)s, is_admin:True, system_scope:all, domain_id:%(…)s, "literal":%(…)s, @, !,
// and, or, not, parentheses)
// Tokens of these kinds are refused whatever the rule says, also one of the operator's
// (oslo.policy's scope_types).
enum policy_scope { POLICY_NO_DOMAIN = 1, POLICY_NO_SYSTEM = 2 };
struct policy_rule {
    const char *name;
    const char *rule;
    const char *help;
    unsigned refused_scopes; // enum policy_scope
};
struct policy;
// defaults: ended by name NULL. overrides_path: JSON or "name": "rule" lines; NULL or missing:
// none. Every rule is compiled here; one
// that refers to a rule which is not there is refused.
enum rc policy_new(const struct policy_rule *defaults, const char *overrides_path,
                   struct policy **ret_policy, struct err *err) CHECKED;
void policy_free(struct policy *policy);
// target: attributes of the thing acted on, borrowed; NULL: {"project_id": token's, "user_id":
// token's}.
bool policy_allows(const struct policy *policy, const char *rule, const struct auth_context *auth,
                   json_t *target);
