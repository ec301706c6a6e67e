// SPDX-License-Identifier: Apache-2.0
// Compact JWS with ES256 only, on OpenSSL with keys parsed once: libjwt parses the PEM for every
// token, which costs more than the signature. The algorithm is never taken from the token: another
// one is refused.
#include "common/auth/jws.h"
#include "common/auth/es256.h"
#include "common/auth/key_ring.h"
#include "common/base/util.h"
#include "common/json/read.h"
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <string.h>

#define TOKEN_MAX 16384 // characters; longer ones are refused unread

static int
der_from_raw(const unsigned char raw[ES256_SIGNATURE], unsigned char **ret_der)
{
    ECDSA_SIG *signature = ECDSA_SIG_new();
    ECDSA_SIG_set0(signature, BN_bin2bn(raw, 32, NULL), BN_bin2bn(raw + 32, 32, NULL));
    int size = i2d_ECDSA_SIG(signature, ret_der);
    ECDSA_SIG_free(signature);
    return size;
}

// What OpenSSL would look up again for every signature, kept by each thread that signs.
struct signer {
    EVP_PKEY *pkey; // referenced, so that no other key can have its address
    struct es256 *es256;
    char *header; // of its tokens, encoded
};

static void
signer_free(gpointer data)
{
    struct signer *signer = data;
    es256_free(signer->es256);
    EVP_PKEY_free(signer->pkey);
    g_free(signer->header);
    g_free(signer);
}

// kid: identity's own, hex digits.
static char *
header_part(const char *kid)
{
    g_autofree char *text =
        g_strdup_printf("{\"alg\":\"ES256\",\"kid\":\"%s\",\"typ\":\"JWT\"}", kid);
    return base64url_encode(text, strlen(text));
}

static struct signer *
signer_of_thread(EVP_PKEY *pkey, const char *kid)
{
    static GPrivate of_thread = G_PRIVATE_INIT(signer_free);
    struct signer *signer = g_private_get(&of_thread);
    if (signer && signer->pkey == pkey) {
        return signer;
    }
    signer = g_new0(struct signer, 1);
    EVP_PKEY_up_ref(pkey);
    signer->pkey = pkey;
    signer->header = header_part(kid);
    signer->es256 = es256_new(pkey);
    if (!signer->es256) {
        signer_free(signer);
        return NULL;
    }
    g_private_replace(&of_thread, signer);
    return signer;
}

enum rc
jws_sign(const struct key_ring *ring, const char *claims, char **ret_token, struct err *err)
{
    g_autofree char *kid = NULL;
    EVP_PKEY *pkey = key_ring_signer(ring, &kid);
    if (!pkey) {
        return fault(err, RC_UNAVAILABLE, "cannot sign token: there is no signing key yet");
    }
    const struct signer *signer = signer_of_thread(pkey, kid);
    EVP_PKEY_free(pkey);
    g_autoptr(GString) token = g_string_sized_new(256 + strlen(claims) * 4 / 3);
    unsigned char raw[ES256_SIGNATURE];
    g_string_append(token, signer ? signer->header : "");
    g_string_append_c(token, '.');
    base64url_append(token, claims, strlen(claims));
    if (!signer || !es256_sign(signer->es256, token->str, token->len, raw)) {
        return fault(err, RC_INTERNAL, "cannot sign token with key '%s'", kid);
    }
    g_string_append_c(token, '.');
    base64url_append(token, raw, sizeof raw);
    *ret_token = g_string_free(g_steal_pointer(&token), FALSE);
    return RC_OK;
}

static EVP_PKEY *
key_of_header(const struct key_ring *ring, const char *part, size_t len)
{
    json_auto_t *header = json_read_base64url(part, len);
    const char *alg = json_string_value(json_object_get(header, "alg"));
    const char *kid = json_string_value(json_object_get(header, "kid"));
    if (!alg || !kid || strcmp(alg, "ES256") || json_object_get(header, "crit")) {
        return NULL;
    }
    return key_ring_find(ring, kid);
}

static bool
signature_is_good(EVP_PKEY *pkey, const char *text, size_t len, const char *signature)
{
    size_t size = 0;
    g_autofree unsigned char *raw = base64url_decode(signature, &size);
    if (!raw || size != ES256_SIGNATURE) {
        return false;
    }
    unsigned char *der = NULL;
    int der_size = der_from_raw(raw, &der);
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    bool ok = der_size > 0 && EVP_DigestVerifyInit(md, NULL, EVP_sha256(), NULL, pkey) == 1 &&
              EVP_DigestVerify(md, der, (size_t)der_size, (const unsigned char *)text, len) == 1;
    EVP_MD_CTX_free(md);
    OPENSSL_free(der);
    return ok;
}

enum rc
jws_verify(const struct key_ring *ring, const char *token, json_t **ret_claims, struct err *err)
{
    if (strnlen(token, TOKEN_MAX + 1) > TOKEN_MAX) {
        return fault(err, RC_UNAUTHORIZED, "token is too long");
    }
    const char *dot1 = strchr(token, '.');
    const char *dot2 = dot1 ? strchr(dot1 + 1, '.') : NULL;
    // One spelling only: no padding, and the last character's spare bits are zero.
    if (!dot2 || strchr(dot2 + 1, '.') || strlen(dot2 + 1) != 86 || !strchr("AQgw", dot2[86])) {
        return fault(err, RC_UNAUTHORIZED, "token is malformed");
    }
    EVP_PKEY *pkey = key_of_header(ring, token, (size_t)(dot1 - token));
    if (!pkey) {
        return fault(err, RC_UNAUTHORIZED, "token is not signed by a known key");
    }
    bool ok = signature_is_good(pkey, token, (size_t)(dot2 - token), dot2 + 1);
    EVP_PKEY_free(pkey);
    if (!ok) {
        return fault(err, RC_UNAUTHORIZED, "token has a bad signature");
    }
    json_t *claims = json_read_base64url(dot1 + 1, (size_t)(dot2 - dot1 - 1));
    if (!claims) {
        return fault(err, RC_UNAUTHORIZED, "token has malformed claims");
    }
    *ret_claims = claims;
    return RC_OK;
}
