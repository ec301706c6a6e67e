// SPDX-License-Identifier: Apache-2.0
// The keys of OpenID providers: their discovery document (OpenID Connect Discovery 1.0 §4) names
// where their JSON Web Key Set is. Kept in the process; asked anew when they are old, or when a
// token names another key, and not oftener than the settings say. Only issuers that an
// administrator wrote down are ever asked: the caller sees to that. It blocks.
#pragma once
#include "services/identity/federation/jwt.h"

struct issuers; // thread-safe
struct issuer_rules {
    bool may_http;       // plain HTTP too
    const char *ca_file; // NULL: the system's certificates
    int64_t keep_ms;     // keys are asked for anew after this
    int64_t again_ms;    // … and after a question no other one for so long
};
struct issuers *issuers_new(const struct issuer_rules *rules);
void issuers_free(struct issuers *issuers);
// The issuer's keys, among them the one with this kid (NULL: a token without); release with
// jwk_set_unref. RC_UNAUTHORIZED: it has no such key, or is no issuer that may be asked.
// RC_UNAVAILABLE: it does not answer as it should; err says what.
enum rc issuers_keys(struct issuers *issuers, const char *issuer, const char *kid,
                     struct jwk_set **ret_keys, struct err *err) CHECKED;
