// SPDX-License-Identifier: Apache-2.0
// Header Authorization of OAuth 1.0a requests: what is parsed has all that is required, its base
// string has three parts and no byte that would need escaping, and only the right key's signature
// is good.
#include "common/base/util.h"
#include "services/identity/delegation/oauth1_sign.h"
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must_be_sound(struct oauth1_request *request, const char *query)
{
    g_assert(request->consumer_key[0] && request->nonce[0] && request->signature[0]);
    g_assert(request->signed_at_s >= 0 && request->pairs->len % 2 == 0);
    oauth1_add(request, "q", query);
    g_autofree char *base = oauth1_base_string(request, "POST", "HTTP://Here:80/a");
    g_assert(g_str_has_prefix(base, "POST&http%3A%2F%2Fhere%2Fa&"));
    int n_parts = 0;
    for (const char *at = base; *at; at++) {
        n_parts += *at == '&';
        g_assert(g_ascii_isalnum(*at) || strchr("&%-._~", *at));
    }
    g_assert(n_parts == 2);
    if (oauth1_is_good(request, base, "consumer", "token")) {
        g_assert(!oauth1_is_good(request, base, "consumer", "another"));
    }
    // Signed by ourselves it is good: escaping is the same for signer and verifier.
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned mac_size = 0;
    HMAC(EVP_sha1(), "consumer&token", 14, (const unsigned char *)base, strlen(base), mac,
         &mac_size);
    g_free(request->signature);
    request->signature = g_base64_encode(mac, mac_size);
    g_assert(oauth1_is_good(request, base, "consumer", "token") ==
             !strcmp(request->method, "HMAC-SHA1"));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    g_autofree char *whole = g_strconcat("OAuth ", text, NULL);
    const char *const headers[] = {text, whole};
    for (size_t i = 0; i < N_ELEMENTS(headers); i++) {
        struct oauth1_request request;
        struct err err = {0};
        if (oauth1_parse(headers[i], &request, &err) == RC_OK) {
            must_be_sound(&request, text);
            oauth1_request_done(&request);
        } else {
            g_assert(err.rc == RC_INVALID && err.message[0]);
        }
    }
    return 0;
}
