// SPDX-License-Identifier: Apache-2.0
// Auth receipts: the bytes as a receipt, and as claims that we signed ourselves (of another kind of
// token, say): what is taken has a user and methods, and is no token.
#include "common/base/util.h"
#include "services/identity/token/mfa.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
read_one(const struct identity *identity, const char *text)
{
    struct person person = {0};
    struct err err = {0};
    if (receipt_read(identity, text, &person, &err) == RC_OK) {
        g_assert(person.receipt->methods && person.receipt->user_id);
        receipt_free(person.receipt);
        struct auth_context *context = NULL;
        if (authenticator_verify(identity->auth, text, &context, &err) == RC_OK) {
            g_assert(context->audit_id[0]);
            auth_context_unref(context);
        }
    } else {
        g_assert(err.rc == RC_UNAUTHORIZED && !person.receipt);
    }
}

static void
read_rules(json_t *options)
{
    struct err err = {0};
    if (mfa_check_options(options, &err) == RC_OK) {
        mfa_is_enough(options, "password,totp");
        mfa_is_enough(options, "");
    } else {
        g_assert(err.rc == RC_INVALID && err.message[0]);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct identity identity;
    struct err err = {0};
    if (!identity.keys) {
        g_autofree char *private_pem = NULL, *public_pem = NULL;
        key_pair_generate(&private_pem, &public_pem);
        identity.keys = key_ring_new();
        enum rc rc = key_ring_add(identity.keys, "k1", private_pem, true, &err);
        g_assert(rc == RC_OK);
        identity.auth = authenticator_new_local(identity.keys);
    }
    g_autofree char *text = g_strndup((const char *)data, size);
    read_one(&identity, text);
    json_auto_t *claims = json_loadb((const char *)data, size, 0, NULL);
    if (json_is_object(claims)) {
        g_autofree char *signed_text = NULL, *json = g_strndup((const char *)data, size);
        enum rc rc = jws_sign(identity.keys, json, &signed_text, &err);
        g_assert(rc == RC_OK);
        read_one(&identity, signed_text);
        read_rules(claims);
    }
    return 0;
}
