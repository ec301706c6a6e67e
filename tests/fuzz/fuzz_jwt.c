// SPDX-License-Identifier: Apache-2.0
// What strangers send to sign in: a line that is a JSON Web Token, then a line that is its issuer's
// keys, then one that is a mapping. Whatever they are, each is refused or is what it says; nothing
// verifies, since nobody here signs.
#include "common/base/util.h"
#include "services/identity/federation/assertion.h"
#include "services/identity/federation/jwt.h"
#include "services/identity/federation/mapping.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
try_token(const char *text, const struct jwk_set *keys, json_t **ret_assertion)
{
    static const char *const audiences[] = {"us", NULL};
    const struct jwt_rules rules = {audiences, 1000, 10};
    struct jwt jwt = {0};
    struct err err = {0};
    if (jwt_read(text, &jwt, &err)) {
        g_assert(err.rc == RC_UNAUTHORIZED && err.message[0]);
        return;
    }
    g_assert(!keys || jwt_verify(&jwt, keys, &rules, &err) == RC_UNAUTHORIZED);
    if (assertion_from_claims(jwt.claims, ret_assertion, &err)) {
        g_assert(err.rc == RC_UNAUTHORIZED);
    }
    jwt_done(&jwt);
}

static void
try_mapping(json_t *rules, json_t *assertion)
{
    for (int names_domains = 0; names_domains < 2; names_domains++) {
        json_auto_t *mapped = NULL;
        struct err err = {0};
        if (mapping_check(rules, names_domains, &err)) {
            g_assert(err.rc == RC_INVALID && err.message[0]);
        } else if (mapping_apply(rules, names_domains, assertion, &mapped, &err)) {
            g_assert(err.rc == RC_UNAUTHORIZED && !mapped);
        } else {
            g_assert(json_object_get(json_object_get(mapped, "user"), "type"));
        }
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    g_auto(GStrv) lines = g_strsplit(text, "\n", 3);
    guint n = g_strv_length(lines);
    json_auto_t *document = n > 1 ? json_loads(lines[1], 0, NULL) : NULL,
                *rules = n > 2 ? json_loads(lines[2], 0, NULL) : NULL, *assertion = NULL;
    struct jwk_set *keys = jwk_set_new(document);
    try_token(n ? lines[0] : "", keys, &assertion);
    if (rules && assertion) {
        try_mapping(rules, assertion);
    }
    jwk_set_unref(keys);
    return 0;
}
