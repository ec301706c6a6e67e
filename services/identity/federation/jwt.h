// SPDX-License-Identifier: Apache-2.0
// JSON Web Tokens of others (RFC 7519), verified with their public keys (RFC 7517). Pure: no I/O.
// The algorithm decides which kind of key there must be, and a key of that kind is all that is
// tried: no symmetric ones, no "none". (RFC 8725.)
#pragma once
#include "common/base/err.h"
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JWT_MAX 16384 // characters; longer ones are refused unread

// A provider's public keys, reference-counted; immutable.
struct jwk_set;
// document: {"keys": [{"kty", "kid"?, "use"?, "alg"?, …}]}; RSA of 2048 to 8192 bits, EC P-256 and
// P-384. Keys that cannot be used here are left out. NULL: it is not a set.
struct jwk_set *jwk_set_new(json_t *document);
struct jwk_set *jwk_set_ref(struct jwk_set *set);
void jwk_set_unref(struct jwk_set *set); // NULL is fine
size_t jwk_set_size(const struct jwk_set *set);
// kid NULL: of a token that names none; then there must be one key alone.
bool jwk_set_has(const struct jwk_set *set, const char *kid);

// A token that was read; nothing of it is true before jwt_verify.
struct jwt {
    json_t *header, *claims;
    const char *kid, *issuer; // borrowed from them; NULL: there is none
    const char *text;         // borrowed
    size_t signed_size;       // bytes of text that are signed
    unsigned char *signature;
    size_t signature_size;
};
// RC_UNAUTHORIZED: malformed, an algorithm that is not one of ours, critical extensions.
enum rc jwt_read(const char *text, struct jwt *ret_jwt, struct err *err) CHECKED;
void jwt_done(struct jwt *jwt);

struct jwt_rules {
    const char *const *audiences; // NULL-terminated: "aud" has one of them
    int64_t now_s, leeway_s;
};
// RC_UNAUTHORIZED: bad signature, no such key, expired, not valid yet, for somebody else, or a
// security event (RFC 8417) that only looks like a sign-in.
enum rc jwt_verify(const struct jwt *jwt, const struct jwk_set *keys, const struct jwt_rules *rules,
                   struct err *err) CHECKED;
