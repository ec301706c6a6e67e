// SPDX-License-Identifier: Apache-2.0
// Signed requests of OAuth 1.0a (RFC 5849): the Authorization header and its HMAC signature. Pure.
#pragma once
#include "common/base/err.h"
#include <glib.h>
#include <stdint.h>

struct oauth1_request {
    GPtrArray *pairs; // names and values in turn, decoded; owned. All that is signed
    const char *consumer_key, *token, *verifier, *nonce; // of pairs; NULL: not given
    char *method, *signature;                            // owned
    int64_t signed_at_s;
};
// RC_INVALID: there is no OAuth header, it is malformed, or lacks what every request has.
enum rc oauth1_parse(const char *authorization, struct oauth1_request *ret_request,
                     struct err *err) CHECKED;
void oauth1_request_done(struct oauth1_request *request);
// A parameter that is signed beside the header's (of the query), decoded.
void oauth1_add(struct oauth1_request *request, const char *name, const char *value);
// §3.4.1; url: without query. The caller frees.
char *oauth1_base_string(const struct oauth1_request *request, const char *method, const char *url);
// HMAC-SHA1 and HMAC-SHA256; other methods are never good. token_secret: "" while there is no
// token.
bool oauth1_is_good(const struct oauth1_request *request, const char *base_string,
                    const char *consumer_secret, const char *token_secret);
