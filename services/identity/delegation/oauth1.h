// SPDX-License-Identifier: Apache-2.0
// What a login by OAuth 1.0a access token and the exchange of tokens share.
#pragma once
#include "services/identity/delegation/oauth1_sign.h"
#include "services/identity/identity.h"

// A secret's row as secret_read takes it; table NULL: there is no token yet.
struct oauth1_secret {
    const char *table, *id, *sealed, *plain;
};
// The request's Authorization header. with_query: parameters of the query are signed too.
enum rc oauth1_read(const struct request *request, bool with_query,
                    struct oauth1_request *ret_signed, struct err *err) CHECKED;
// RC_UNAUTHORIZED unless the signature is right, recent and seen for the first time.
enum rc oauth1_check(const struct request *request, const struct oauth1_request *signed_request,
                     const struct oauth1_secret *consumer, const struct oauth1_secret *token,
                     struct err *err) CHECKED;
