// SPDX-License-Identifier: Apache-2.0
// ES256 JSON Web Signatures: identity issues, everybody verifies. Pure: no I/O. (By OpenSSL itself:
// libjwt parses the PEM again for every token.)
#pragma once
#include "common/auth/auth.h"
#include <glib.h>

struct key_ring; // public keys by kid and, in identity, one private signing key; thread-safe
struct key_ring *key_ring_new(void);
void key_ring_free(struct key_ring *ring);
// Adds or replaces a key. pem: "-----BEGIN PUBLIC KEY-----" or a private key (then it signs from
// now on when `sign`).
enum rc key_ring_add(struct key_ring *ring, const char *kid, const char *pem, bool sign,
                     struct err *err) CHECKED;
size_t key_ring_size(const struct key_ring *ring);
// A new P-256 pair in PEM; the caller frees both.
void key_pair_generate(char **ret_private_pem, char **ret_public_pem);
json_t *jwk_from_pem(const char *kid,
                     const char *public_pem); // {"kty":"EC","crv":"P-256",…}; new reference

// claims: text of a JSON object. The caller frees the token.
enum rc jws_sign(const struct key_ring *ring, const char *claims, char **ret_token,
                 struct err *err) CHECKED;
// Checks the signature with the key named in the header, alg ES256 only. ret_claims: new reference.
// Time is not checked here.
enum rc jws_verify(const struct key_ring *ring, const char *token, json_t **ret_claims,
                   struct err *err) CHECKED;

// Claims ↔ context. Claim names: sub, sub_name, udom[id,name], prj[id,name,dom_id,dom_name],
// dom[id,name], sys, roles[[id,name]…], aud_id, aud_parent,
// trust[id,trustor,trustee,impersonating], appcred[id,name,restricted],
// rules[[service,method,path]…], fed[provider,protocol,[group…]?], methods[…], pw_exp_us, iat, exp
// (µs as iat_us, exp_us beside the standard seconds). The text of claims is the caller's.
char *claims_text(const struct auth_context *context);
// Member "methods": its list.
void auth_write_methods(GString *text, const struct auth_context *context);
// Member "fed", of a context that has a provider; nothing of others.
void auth_write_federation(GString *text, const struct auth_context *context);
enum rc context_from_claims(json_t *claims, struct auth_context **ret_context,
                            struct err *err) CHECKED;

// Revocations: what identity's feed carries. A token is revoked when every field that is set
// matches and it was issued at or before issued_before_us.
struct revocation {
    const char *audit_id, *user_id, *project_id, *domain_id, *role_id; // NULL: any
    const char *federation; // "provider/protocol" of the sign-in that a token began with
    int64_t issued_before_us;
    int64_t ends_us; // no token that it concerns lives longer; 0: TOKEN_LIFE_MAX_S after the above
};
// Local sources for identity's own verifier: it calls these after each commit, and at start from
// its tables.
struct authenticator *authenticator_new_local(struct key_ring *ring);
void authenticator_add_revocation(struct authenticator *auth, const struct revocation *revocation);
// Forgets those whose tokens have all expired: now and then, to be called.
void authenticator_prune(struct authenticator *auth);
// As authenticator_verify, also of a token that expired up to window_us ago, when it was issued
// less than TOKEN_LIFE_MAX_S ago: so long revocations are known. Not cached.
enum rc authenticator_verify_late(struct authenticator *auth, const char *token, int64_t window_us,
                                  struct auth_context **ret_context, struct err *err) CHECKED;
// True when a token with this context (ids not NULL) would have been revoked since it was issued.
bool authenticator_is_revoked(struct authenticator *auth, const struct auth_context *context);
