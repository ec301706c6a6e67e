// SPDX-License-Identifier: Apache-2.0
// What jwt.c needs of a set of keys beside jwt.h.
#pragma once
#include "services/identity/federation/jwt.h"
#include <openssl/evp.h>

enum jwk_kind { JWK_NONE, JWK_RSA, JWK_P256, JWK_P384 };
// The key of this kind that a token with this kid (NULL: none) is signed by; borrowed. NULL: there
// is none, or it is for something else.
EVP_PKEY *jwk_set_find(const struct jwk_set *set, const char *kid, enum jwk_kind kind,
                       const char *alg);
