// SPDX-License-Identifier: Apache-2.0
// What an identity provider says of somebody, as mappings read it: {"name": ["value", …]}. Pure.
#pragma once
#include "common/base/err.h"
#include <jansson.h>
#include <stdbool.h>

// Of a token's claims, named as mod_auth_openidc does with OIDCClaimPrefix "OIDC-": "OIDC-sub", and
// as its headers reach a WSGI program: "HTTP_OIDC_SUB". A list gives each of its items; numbers,
// booleans ("1", "0") and objects (JSON) become text. New reference. RC_UNAUTHORIZED: two claims
// have one name.
enum rc assertion_from_claims(json_t *claims, json_t **ret_assertion, struct err *err) CHECKED;

// Whether a header is one of those that begin with prefix; case, "-" and "_" are alike.
bool assertion_has_prefix(const char *header, const char *prefix);
// Adds such a header of a proxy, values divided by semicolons: as the prefix and the rest of its
// name in lower case ("OIDC-sub": what stands between may have changed letters' case), and as
// HTTP_…. RC_UNAUTHORIZED: it is there already under another spelling, or is not UTF-8.
struct assertion_header {
    const char *prefix, *name, *value;
};
enum rc assertion_add_header(json_t *assertion, const struct assertion_header *header,
                             struct err *err) CHECKED;
