// SPDX-License-Identifier: Apache-2.0
#include "services/identity/federation/jwt.h"
#include "common/base/util.h"
#include "common/json/read.h"
#include "services/identity/federation/jwk.h"
#include <glib.h>
#include <openssl/ecdsa.h>
#include <openssl/rsa.h>
#include <string.h>

static const struct algorithm {
    const char *name;
    enum jwk_kind kind;
    const char *digest;
    bool is_pss;
} algorithms[] = {
    {"RS256", JWK_RSA, "SHA256", false},  {"RS384", JWK_RSA, "SHA384", false},
    {"RS512", JWK_RSA, "SHA512", false},  {"PS256", JWK_RSA, "SHA256", true},
    {"PS384", JWK_RSA, "SHA384", true},   {"PS512", JWK_RSA, "SHA512", true},
    {"ES256", JWK_P256, "SHA256", false}, {"ES384", JWK_P384, "SHA384", false},
};

static const struct algorithm *
algorithm_of(json_t *header)
{
    const char *name = json_string_value(json_object_get(header, "alg"));
    for (size_t i = 0; name && i < N_ELEMENTS(algorithms); i++) {
        if (!strcmp(algorithms[i].name, name)) {
            return &algorithms[i];
        }
    }
    return NULL;
}

static enum rc
refuse(struct err *err, const char *what)
{
    return fault(err, RC_UNAUTHORIZED, "the JSON Web Token %s", what);
}

// ---- reading

enum rc
jwt_read(const char *text, struct jwt *ret_jwt, struct err *err)
{
    if (strnlen(text, JWT_MAX + 1) > JWT_MAX) {
        return refuse(err, "is too long");
    }
    const char *dot1 = strchr(text, '.'), *dot2 = dot1 ? strchr(dot1 + 1, '.') : NULL;
    if (!dot2 || strchr(dot2 + 1, '.')) {
        return refuse(err, "has not three parts");
    }
    struct jwt jwt = {.text = text, .signed_size = (size_t)(dot2 - text)};
    jwt.header = json_read_base64url(text, (size_t)(dot1 - text));
    jwt.claims = json_read_base64url(dot1 + 1, (size_t)(dot2 - dot1 - 1));
    jwt.signature = base64url_decode(dot2 + 1, &jwt.signature_size);
    jwt.kid = json_string_value(json_object_get(jwt.header, "kid"));
    jwt.issuer = json_string_value(json_object_get(jwt.claims, "iss"));
    const char *wrong = !jwt.header || !jwt.claims || !jwt.signature ? "is malformed"
                        : !algorithm_of(jwt.header)                  ? "has another algorithm"
                        : json_object_get(jwt.header, "crit") ? "has extensions that must be known"
                                                              : NULL;
    if (wrong) {
        jwt_done(&jwt);
        return refuse(err, wrong);
    }
    *ret_jwt = jwt;
    return RC_OK;
}

void
jwt_done(struct jwt *jwt)
{
    json_decref(jwt->header);
    json_decref(jwt->claims);
    g_free(jwt->signature);
    *jwt = (struct jwt){0};
}

// ---- the signature

// r‖s of RFC 7518 §3.4 as OpenSSL reads it; the caller frees. NULL: of another size.
static unsigned char *
der_from_raw(const struct jwt *jwt, int part, int *ret_size)
{
    unsigned char *der = NULL;
    if (jwt->signature_size != 2 * (size_t)part) {
        return NULL;
    }
    ECDSA_SIG *pair = ECDSA_SIG_new();
    ECDSA_SIG_set0(pair, BN_bin2bn(jwt->signature, part, NULL),
                   BN_bin2bn(jwt->signature + part, part, NULL));
    *ret_size = i2d_ECDSA_SIG(pair, &der);
    ECDSA_SIG_free(pair);
    return der;
}

static bool
verify_with(const struct jwt *jwt, const struct algorithm *algorithm, EVP_PKEY *pkey,
            const unsigned char *signature, size_t size)
{
    EVP_PKEY_CTX *context = NULL; // md's
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    bool ok =
        EVP_DigestVerifyInit_ex(md, &context, algorithm->digest, NULL, NULL, pkey, NULL) == 1 &&
        (!algorithm->is_pss ||
         (EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1 &&
          EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) == 1)) &&
        EVP_DigestVerify(md, signature, size, (const unsigned char *)jwt->text, jwt->signed_size) ==
            1;
    EVP_MD_CTX_free(md);
    return ok;
}

static bool
signature_is_good(const struct jwt *jwt, const struct algorithm *algorithm, EVP_PKEY *pkey)
{
    if (algorithm->kind == JWK_RSA) {
        return verify_with(jwt, algorithm, pkey, jwt->signature, jwt->signature_size);
    }
    int size = 0;
    unsigned char *der = der_from_raw(jwt, algorithm->kind == JWK_P256 ? 32 : 48, &size);
    bool ok = der && size > 0 && verify_with(jwt, algorithm, pkey, der, (size_t)size);
    OPENSSL_free(der);
    return ok;
}

// ---- the claims

static bool
is_audience(const char *name, const char *const *audiences)
{
    return name && g_strv_contains(audiences, name);
}

static bool
is_for_us(json_t *aud, const char *const *audiences)
{
    bool found = is_audience(json_string_value(aud), audiences);
    for (size_t i = 0; !found && i < json_array_size(aud); i++) {
        found = is_audience(json_string_value(json_array_get(aud, i)), audiences);
    }
    return found;
}

static enum rc
check_claims(json_t *claims, const struct jwt_rules *rules, struct err *err)
{
    json_t *exp = json_object_get(claims, "exp"), *nbf = json_object_get(claims, "nbf"),
           *iat = json_object_get(claims, "iat");
    double now = (double)rules->now_s, leeway = (double)rules->leeway_s;
    if (json_object_get(claims, "events")) { // RFC 8417: news about somebody (a logout), nobody's
        return refuse(err, "is a security event");
    }
    if (!json_is_number(exp) || (nbf && !json_is_number(nbf)) || (iat && !json_is_number(iat))) {
        return refuse(err, "lacks a time, or has one that is none");
    }
    if (json_number_value(exp) + leeway <= now) {
        return refuse(err, "has expired");
    }
    if ((nbf && json_number_value(nbf) > now + leeway) ||
        (iat && json_number_value(iat) > now + leeway)) {
        return refuse(err, "is not valid yet");
    }
    return is_for_us(json_object_get(claims, "aud"), rules->audiences)
               ? RC_OK
               : refuse(err, "is for somebody else");
}

enum rc
jwt_verify(const struct jwt *jwt, const struct jwk_set *keys, const struct jwt_rules *rules,
           struct err *err)
{
    const struct algorithm *algorithm = algorithm_of(jwt->header);
    EVP_PKEY *pkey = jwk_set_find(keys, jwt->kid, algorithm->kind, algorithm->name);
    if (!pkey) {
        return refuse(err, "is not signed by a key that is known");
    }
    return signature_is_good(jwt, algorithm, pkey) ? check_claims(jwt->claims, rules, err)
                                                   : refuse(err, "has a bad signature");
}
