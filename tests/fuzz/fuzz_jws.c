// SPDX-License-Identifier: Apache-2.0
// Tokens: nothing but what we signed verifies, and no bytes make the verifier misbehave.
#include "common/auth/jws.h"
#include "common/base/util.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct key_ring *ring;
static char *valid;

static void
set_up(void)
{
    g_autofree char *private_pem = NULL, *public_pem = NULL;
    struct err err;
    key_pair_generate(&private_pem, &public_pem);
    ring = key_ring_new();
    g_assert(key_ring_add(ring, "k1", private_pem, true, &err) == RC_OK);
    g_assert(jws_sign(ring, "{\"sub\":\"user\",\"exp\":4000000000}", &valid, &err) == RC_OK);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!ring) {
        set_up();
    }
    g_autofree char *token = g_strndup((const char *)data, size);
    json_t *claims = NULL;
    struct err err;
    if (jws_verify(ring, token, &claims, &err) == RC_OK) {
        g_assert(strcmp(token, valid) == 0);
        json_decref(claims);
    }
    // The same bytes as claims, and spliced into a token of ours.
    json_auto_t *forged = json_loadb((const char *)data, size, 0, NULL);
    struct auth_context *context = NULL;
    if (forged && context_from_claims(forged, &context, &err) == RC_OK) {
        auth_context_unref(context);
    }
    size_t head = strcspn(valid, ".");
    g_autofree char *spliced =
        g_strdup_printf("%.*s.%s%s", (int)head, valid, token, strrchr(valid, '.'));
    claims = NULL;
    if (jws_verify(ring, spliced, &claims, &err) == RC_OK) {
        g_assert(strcmp(spliced, valid) == 0);
        json_decref(claims);
    }
    return 0;
}
