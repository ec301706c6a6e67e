// SPDX-License-Identifier: Apache-2.0
// A signature costs what its two inversions cost (of the nonce, and of a coordinate of nonce × G)
// as much as all the rest together when OpenSSL 3.0 does them. So these are done by
// blind_inverse.c, and all else by OpenSSL: nonce × G in constant time, and s from the private key
// (ECDSA_do_sign_ex with our 1/k and r). Nothing is kept from one signature to the next: what is
// made ahead could be used twice by two copies of a virtual machine, and two signatures with one
// nonce give the key away.
// The only functions that take 1/k and r, and a hash without a look-up and an allocation.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "common/auth/es256.h"
#include "common/auth/blind_inverse.h"
#include "common/base/util.h"
#include <glib.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/obj_mac.h>
#include <openssl/sha.h>

#define ES256_DIGEST SHA256_DIGEST_LENGTH
#define N_TRIES 8 // one in 2^31 is needed again

struct es256 {
    EC_KEY *key;
    const EC_GROUP *group; // the key's
    EC_POINT *point;
    BN_CTX *context;
    struct inverter *by_order, *by_field;
    BIGNUM *k, *x, *y, *z, *r; // of the signature that is made now
};

// What one signature takes from the kernel's generator, which two copies of a process or of a
// virtual machine do not share.
struct randomness {
    unsigned char nonce[32], blind_z[INVERSE_BYTES], blind_k[INVERSE_BYTES];
};

static bool
has_all(const struct es256 *es256)
{
    return es256->point && es256->context && es256->by_order && es256->by_field && es256->k &&
           es256->x && es256->y && es256->z && es256->r;
}

struct es256 *
es256_new(EVP_PKEY *pkey)
{
    struct es256 *es256 = g_new0(struct es256, 1);
    es256->key = EVP_PKEY_get1_EC_KEY(pkey);
    es256->group = es256->key ? EC_KEY_get0_group(es256->key) : NULL;
    if (!es256->group || EC_GROUP_get_curve_name(es256->group) != NID_X9_62_prime256v1 ||
        !EC_KEY_get0_private_key(es256->key)) {
        es256_free(es256);
        return NULL;
    }
    es256->point = EC_POINT_new(es256->group);
    es256->context = BN_CTX_new();
    es256->by_order = inverter_new(EC_GROUP_get0_order(es256->group));
    es256->by_field = inverter_new(EC_GROUP_get0_field(es256->group));
    BIGNUM **const numbers[] = {&es256->k, &es256->x, &es256->y, &es256->z, &es256->r};
    for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++) {
        *numbers[i] = BN_new();
    }
    if (!has_all(es256)) {
        g_clear_pointer(&es256, es256_free);
    }
    return es256;
}

void
es256_free(struct es256 *es256)
{
    if (!es256) {
        return;
    }
    BIGNUM *const numbers[] = {es256->k, es256->x, es256->y, es256->z, es256->r};
    for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++) {
        BN_clear_free(numbers[i]);
    }
    inverter_free(es256->by_order);
    inverter_free(es256->by_field);
    BN_CTX_free(es256->context);
    EC_POINT_clear_free(es256->point);
    EC_KEY_free(es256->key);
    g_free(es256);
}

// k: SHA-512 of private key, digest and fresh random bytes, as OpenSSL's BN_generate_dsa_nonce
// makes it: neither a weak generator nor one that repeats itself makes two signatures with one k.
// Its first half, 2^256 at most: what is not below the order is not used, so that all are equally
// likely. False: none, or not to be used.
static bool
make_nonce(struct es256 *es256, const unsigned char digest[ES256_DIGEST],
           const unsigned char random[32])
{
    unsigned char private[32], sum[SHA512_DIGEST_LENGTH];
    SHA512_CTX hash;
    const BIGNUM *order = EC_GROUP_get0_order(es256->group);
    bool ok = BN_bn2binpad(EC_KEY_get0_private_key(es256->key), private, sizeof private) ==
                  sizeof private &&
              SHA512_Init(&hash) && SHA512_Update(&hash, private, sizeof private) &&
              SHA512_Update(&hash, digest, ES256_DIGEST) && SHA512_Update(&hash, random, 32) &&
              SHA512_Final(sum, &hash) && BN_bin2bn(sum, 32, es256->k) && !BN_is_zero(es256->k) &&
              BN_cmp(es256->k, order) < 0;
    BN_set_flags(es256->k, BN_FLG_CONSTTIME);
    OPENSSL_cleanse(private, sizeof private);
    OPENSSL_cleanse(sum, sizeof sum);
    OPENSSL_cleanse(&hash, sizeof hash);
    return ok;
}

// r: the affine x of k × G, X/Z², modulo the order. Z is as secret as k: with it some bits of k
// would be known.
static bool
make_r(struct es256 *es256, unsigned char blind[INVERSE_BYTES])
{
    BIGNUM *x = es256->x, *z = es256->z;
    return EC_POINT_mul(es256->group, es256->point, es256->k, NULL, NULL, es256->context) == 1 &&
           EC_POINT_get_Jprojective_coordinates_GFp(es256->group, es256->point, x, es256->y, z,
                                                    es256->context) == 1 &&
           inverter_run(es256->by_field, z, z, blind) &&
           inverter_multiply(es256->by_field, x, x, z) &&
           inverter_multiply(es256->by_field, x, x, z) &&
           BN_nnmod(es256->r, x, EC_GROUP_get0_order(es256->group), es256->context) == 1 &&
           !BN_is_zero(es256->r);
}

static ECDSA_SIG *
try_to_sign(struct es256 *es256, const unsigned char digest[ES256_DIGEST])
{
    struct randomness random;
    random_bytes(&random, sizeof random);
    bool ok = make_nonce(es256, digest, random.nonce) && make_r(es256, random.blind_z) &&
              inverter_run(es256->by_order, es256->k, es256->k, random.blind_k);
    ECDSA_SIG *signature =
        ok ? ECDSA_do_sign_ex(digest, ES256_DIGEST, es256->k, es256->r, es256->key) : NULL;
    OPENSSL_cleanse(&random, sizeof random);
    BN_clear(es256->k);
    BN_clear(es256->x);
    BN_clear(es256->y);
    BN_clear(es256->z);
    return signature;
}

bool
es256_sign(struct es256 *es256, const void *text, size_t size,
           unsigned char ret_signature[ES256_SIGNATURE])
{
    unsigned char digest[ES256_DIGEST];
    SHA256_CTX hash;
    if (!SHA256_Init(&hash) || !SHA256_Update(&hash, text, size) || !SHA256_Final(digest, &hash)) {
        return false;
    }
    ECDSA_SIG *signature = NULL;
    for (int i = 0; i < N_TRIES && !signature; i++) {
        signature = try_to_sign(es256, digest);
    }
    bool ok = signature && BN_bn2binpad(ECDSA_SIG_get0_r(signature), ret_signature, 32) == 32 &&
              BN_bn2binpad(ECDSA_SIG_get0_s(signature), ret_signature + 32, 32) == 32;
    ECDSA_SIG_free(signature);
    return ok;
}
