// SPDX-License-Identifier: Apache-2.0
#include "services/identity/federation/jwk.h"
#include "common/base/util.h"
#include <glib.h>
#include <openssl/core_names.h>
#include <openssl/param_build.h>
#include <string.h>

#define KEYS_MAX 64
#define NUMBER_MAX 1024 // bytes of an RSA modulus: 8192 bits
#define KID_MAX 512

struct jwk {
    char *kid, *alg; // NULL: not said
    enum jwk_kind kind;
    EVP_PKEY *pkey;
};
struct jwk_set {
    gatomicrefcount n_refs;
    size_t n;
    struct jwk keys[KEYS_MAX];
};

static const char *
text_of(json_t *key, const char *name)
{
    return json_string_value(json_object_get(key, name));
}

static EVP_PKEY *
pkey_from(const char *type, OSSL_PARAM_BLD *builder)
{
    EVP_PKEY *pkey = NULL;
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(builder);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    if (!params || !context || EVP_PKEY_fromdata_init(context) != 1 ||
        EVP_PKEY_fromdata(context, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1) {
        pkey = NULL;
    }
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(params);
    return pkey;
}

// A bounded unsigned number; NULL: it is none.
static BIGNUM *
number_of(json_t *key, const char *name)
{
    const char *text = text_of(key, name);
    size_t size = 0;
    g_autofree unsigned char *bytes =
        text && strlen(text) <= NUMBER_MAX * 2 ? base64url_decode(text, &size) : NULL;
    return bytes && size && size <= NUMBER_MAX ? BN_bin2bn(bytes, (int)size, NULL) : NULL;
}

static EVP_PKEY *
rsa_of(json_t *key)
{
    EVP_PKEY *pkey = NULL;
    BIGNUM *n = number_of(key, "n"), *e = number_of(key, "e");
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    bool fits = n && e && BN_num_bits(n) >= 2048 && BN_num_bits(n) <= 8192 && BN_is_odd(n) &&
                BN_num_bits(e) >= 2 && BN_num_bits(e) <= 33 && BN_is_odd(e);
    if (fits && OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n) &&
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e)) {
        pkey = pkey_from("RSA", builder);
    }
    OSSL_PARAM_BLD_free(builder);
    BN_free(n);
    BN_free(e);
    return pkey;
}

// OpenSSL refuses a point that is not on the curve.
static EVP_PKEY *
ec_of(json_t *key, const char *curve, size_t size)
{
    EVP_PKEY *pkey = NULL;
    unsigned char point[1 + 2 * 48] = {4};
    BIGNUM *x = number_of(key, "x"), *y = number_of(key, "y");
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    bool fits = x && y && BN_bn2binpad(x, point + 1, (int)size) == (int)size &&
                BN_bn2binpad(y, point + 1 + size, (int)size) == (int)size;
    if (fits && OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, curve, 0) &&
        OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * size)) {
        pkey = pkey_from("EC", builder);
    }
    OSSL_PARAM_BLD_free(builder);
    BN_free(x);
    BN_free(y);
    return pkey;
}

static enum jwk_kind
kind_of(json_t *key)
{
    const char *type = text_of(key, "kty"), *curve = text_of(key, "crv");
    return !type                          ? JWK_NONE
           : !strcmp(type, "RSA")         ? JWK_RSA
           : strcmp(type, "EC") || !curve ? JWK_NONE
           : !strcmp(curve, "P-256")      ? JWK_P256
           : !strcmp(curve, "P-384")      ? JWK_P384
                                          : JWK_NONE;
}

static void
add(struct jwk_set *set, json_t *key)
{
    const char *kid = text_of(key, "kid"), *use = text_of(key, "use");
    enum jwk_kind kind = kind_of(key);
    if ((use && strcmp(use, "sig")) || (kid && strlen(kid) > KID_MAX) || set->n >= KEYS_MAX) {
        return;
    }
    EVP_PKEY *pkey = kind == JWK_RSA    ? rsa_of(key)
                     : kind == JWK_P256 ? ec_of(key, "P-256", 32)
                     : kind == JWK_P384 ? ec_of(key, "P-384", 48)
                                        : NULL;
    if (pkey) {
        set->keys[set->n++] = (struct jwk){
            .kid = g_strdup(kid), .alg = g_strdup(text_of(key, "alg")), .kind = kind, .pkey = pkey};
    }
}

struct jwk_set *
jwk_set_new(json_t *document)
{
    json_t *keys = json_object_get(document, "keys");
    if (!json_is_array(keys)) {
        return NULL;
    }
    struct jwk_set *set = g_new0(struct jwk_set, 1);
    g_atomic_ref_count_init(&set->n_refs);
    for (size_t i = 0; i < json_array_size(keys) && i < 4 * KEYS_MAX; i++) {
        add(set, json_array_get(keys, i));
    }
    return set;
}

struct jwk_set *
jwk_set_ref(struct jwk_set *set)
{
    g_atomic_ref_count_inc(&set->n_refs);
    return set;
}

void
jwk_set_unref(struct jwk_set *set)
{
    if (!set || !g_atomic_ref_count_dec(&set->n_refs)) {
        return;
    }
    for (size_t i = 0; i < set->n; i++) {
        g_free(set->keys[i].kid);
        g_free(set->keys[i].alg);
        EVP_PKEY_free(set->keys[i].pkey);
    }
    g_free(set);
}

size_t
jwk_set_size(const struct jwk_set *set)
{
    return set->n;
}

bool
jwk_set_has(const struct jwk_set *set, const char *kid)
{
    for (size_t i = 0; kid && i < set->n; i++) {
        if (set->keys[i].kid && !strcmp(set->keys[i].kid, kid)) {
            return true;
        }
    }
    return !kid && set->n == 1;
}

EVP_PKEY *
jwk_set_find(const struct jwk_set *set, const char *kid, enum jwk_kind kind, const char *alg)
{
    for (size_t i = 0; i < set->n; i++) {
        const struct jwk *key = &set->keys[i];
        bool is_named = kid ? key->kid && !strcmp(key->kid, kid) : set->n == 1;
        if (is_named && key->kind == kind && (!key->alg || !strcmp(key->alg, alg))) {
            return key->pkey;
        }
    }
    return NULL;
}
