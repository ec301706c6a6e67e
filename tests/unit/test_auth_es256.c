// SPDX-License-Identifier: Apache-2.0
// Signatures beside OpenSSL's own arithmetic, and the nonces that they were made with.
#include "common/auth/blind_inverse.h"
#include "common/auth/es256.h"
#include "common/base/util.h"
#include <check.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define N_SIGNATURES 256
#define ES256_DIGEST SHA256_DIGEST_LENGTH
static const char *const primes[] = {
    "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",  // P-256's order
    "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff"}; // P-256's field

static BIGNUM *
number(const char *hex)
{
    BIGNUM *ret = NULL;
    ck_assert_int_gt(BN_hex2bn(&ret, hex), 0);
    return ret;
}

// A blind of which inverter_run makes `product` when value is 1: product · 2^256.
static void
blind_for(const BIGNUM *product, const BIGNUM *prime, unsigned char ret_blind[INVERSE_BYTES])
{
    BN_CTX *context = BN_CTX_new();
    BIGNUM *blind = BN_new();
    BN_lshift(blind, product, 256);
    BN_nnmod(blind, blind, prime, context);
    ck_assert_int_eq(BN_bn2binpad(blind, ret_blind, INVERSE_BYTES), INVERSE_BYTES);
    BN_free(blind);
    BN_CTX_free(context);
}

static void
check_inverse(struct inverter *inverter, const BIGNUM *value, const BIGNUM *prime,
              unsigned char blind[INVERSE_BYTES])
{
    static const unsigned char zeros[INVERSE_BYTES];
    BN_CTX *context = BN_CTX_new();
    BIGNUM *expected = BN_mod_inverse(NULL, value, prime, context), *inverse = BN_dup(value);
    ck_assert(inverter_run(inverter, inverse, inverse, blind));
    ck_assert_int_eq(BN_cmp(inverse, expected), 0);
    ck_assert_mem_eq(blind, zeros, INVERSE_BYTES);
    ck_assert(inverter_multiply(inverter, inverse, inverse, value));
    ck_assert(BN_is_one(inverse));
    BN_free(expected);
    BN_free(inverse);
    BN_CTX_free(context);
}

START_TEST(inverses_are_openssls)
{
    BIGNUM *prime = number(primes[_i]), *value = BN_new();
    struct inverter *inverter = inverter_new(prime);
    for (int i = 0; i < 2000; i++) {
        unsigned char blind[INVERSE_BYTES];
        random_bytes(blind, sizeof blind);
        blind[0] &= 0x7f;
        BN_priv_rand_range(value, prime);
        if (i < 64) { // 1, 2, 4, … and what is as far from the prime
            BN_one(value);
            BN_lshift(value, value, i / 2 * 8);
            if (i % 2) {
                BN_sub(value, prime, value);
            }
        }
        check_inverse(inverter, value, prime, blind);
    }
    inverter_free(inverter);
    BN_free(value);
    BN_free(prime);
}
END_TEST

// Of one word to four.
START_TEST(short_products_and_short_inverses_are_padded)
{
    BIGNUM *prime = number(primes[_i]), *one = number("1"), *product = BN_new();
    BN_CTX *context = BN_CTX_new();
    struct inverter *inverter = inverter_new(prime);
    for (int bits = 1; bits < 256; bits++) {
        unsigned char blind[INVERSE_BYTES];
        BN_one(product);
        BN_lshift(product, product, bits - 1);
        blind_for(product, prime, blind);
        check_inverse(inverter, one, prime, blind);
        BN_mod_inverse(product, product, prime, context);
        blind_for(product, prime, blind);
        check_inverse(inverter, one, prime, blind);
    }
    inverter_free(inverter);
    BN_CTX_free(context);
    BN_free(product);
    BN_free(one);
    BN_free(prime);
}
END_TEST

START_TEST(nothing_and_bad_blinds_have_no_inverse)
{
    BIGNUM *prime = number(primes[_i]), *value = number("0"), *ret = BN_new();
    struct inverter *inverter = inverter_new(prime);
    unsigned char good[INVERSE_BYTES] = {1}, none[INVERSE_BYTES] = {0}, above[INVERSE_BYTES];
    ck_assert(!inverter_run(inverter, ret, value, good));
    BN_set_word(value, 7);
    ck_assert(!inverter_run(inverter, ret, value, none));
    BN_bn2binpad(prime, above, sizeof above);
    ck_assert(!inverter_run(inverter, ret, value, above));
    memset(above, 0xff, sizeof above);
    ck_assert(!inverter_run(inverter, ret, value, above));
    ck_assert_int_eq(above[0], 0);
    inverter_free(inverter);
    ck_assert_ptr_null(inverter_new(value));
    BN_lshift(value, prime, 1);
    ck_assert_ptr_null(inverter_new(value));
    BN_free(prime);
    BN_free(value);
    BN_free(ret);
}
END_TEST

static bool
verifies(EVP_PKEY *pkey, const unsigned char digest[ES256_DIGEST],
         const unsigned char raw[ES256_SIGNATURE])
{
    ECDSA_SIG *signature = ECDSA_SIG_new();
    ECDSA_SIG_set0(signature, BN_bin2bn(raw, 32, NULL), BN_bin2bn(raw + 32, 32, NULL));
    unsigned char *der = NULL;
    int size = i2d_ECDSA_SIG(signature, &der);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(pkey, NULL);
    ck_assert_int_eq(EVP_PKEY_verify_init(context), 1);
    bool ok = EVP_PKEY_verify(context, der, (size_t)size, digest, ES256_DIGEST) == 1;
    EVP_PKEY_CTX_free(context);
    ECDSA_SIG_free(signature);
    OPENSSL_free(der);
    return ok;
}

// Who has the private key d knows each nonce: (digest + r·d) / s.
static void
nonce_of(EVP_PKEY *pkey, const unsigned char digest[ES256_DIGEST],
         const unsigned char raw[ES256_SIGNATURE], unsigned char ret_nonce[32])
{
    BN_CTX *context = BN_CTX_new();
    BIGNUM *order = number(primes[0]), *d = NULL, *h = BN_bin2bn(digest, ES256_DIGEST, NULL);
    BIGNUM *r = BN_bin2bn(raw, 32, NULL), *s = BN_bin2bn(raw + 32, 32, NULL);
    ck_assert_int_eq(EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_PRIV_KEY, &d), 1);
    BN_mod_mul(r, r, d, order, context);
    BN_mod_add(h, h, r, order, context);
    BN_mod_inverse(s, s, order, context);
    BN_mod_mul(h, h, s, order, context);
    ck_assert_int_eq(BN_bn2binpad(h, ret_nonce, 32), 32);
    BIGNUM *const all[] = {order, d, h, r, s};
    for (size_t i = 0; i < N_ELEMENTS(all); i++) {
        BN_free(all[i]);
    }
    BN_CTX_free(context);
}

// A nonce that comes again, or of which a few bits can be foretold, gives the key away.
START_TEST(signatures_verify_and_their_nonces_are_random)
{
    EVP_PKEY *pkey = EVP_EC_gen("P-256");
    struct es256 *es256 = es256_new(pkey);
    unsigned char text[800], digest[ES256_DIGEST], raw[ES256_SIGNATURE], nonce[32];
    g_autoptr(GHashTable) seen =
        g_hash_table_new_full(g_bytes_hash, g_bytes_equal, (GDestroyNotify)g_bytes_unref, NULL);
    int n_set[256] = {0};
    for (int i = 0; i < N_SIGNATURES; i++) {
        size_t size = (size_t)i % 3 * 400;
        memset(text, i, sizeof text);
        SHA256(text, size, digest);
        ck_assert(es256_sign(es256, text, size, raw));
        ck_assert(verifies(pkey, digest, raw));
        nonce_of(pkey, digest, raw, nonce);
        ck_assert(g_hash_table_add(seen, g_bytes_new(nonce, sizeof nonce)));
        for (int bit = 0; bit < 256; bit++) {
            n_set[bit] += nonce[bit / 8] >> bit % 8 & 1;
        }
        digest[i % 32] ^= 1;
        ck_assert(!verifies(pkey, digest, raw));
    }
    for (int bit = 0; bit < 256; bit++) {
        ck_assert_int_gt(n_set[bit], N_SIGNATURES / 4);
        ck_assert_int_lt(n_set[bit], N_SIGNATURES * 3 / 4);
    }
    es256_free(es256);
    EVP_PKEY_free(pkey);
}
END_TEST

static double
cpu_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

// What all of es256.c is for. The best of several rounds: others use this machine, too.
START_TEST(a_signature_costs_less_than_openssls)
{
    enum { N_ROUNDS = 20, N = 50 };
    EVP_PKEY *pkey = EVP_EC_gen("P-256");
    struct es256 *es256 = es256_new(pkey);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(pkey, NULL);
    ck_assert_int_eq(EVP_PKEY_sign_init(context), 1);
    unsigned char digest[ES256_DIGEST] = {1}, ret[128];
    double ours = 1e9, theirs = 1e9;
    for (int round = 0; round < N_ROUNDS; round++) {
        double begin = cpu_us();
        for (int i = 0; i < N; i++) {
            ck_assert(es256_sign(es256, digest, sizeof digest, ret));
        }
        double middle = cpu_us();
        for (int i = 0; i < N; i++) {
            size_t size = sizeof ret;
            ck_assert_int_eq(EVP_PKEY_sign(context, ret, &size, digest, sizeof digest), 1);
        }
        ours = MIN(ours, (middle - begin) / N);
        theirs = MIN(theirs, (cpu_us() - middle) / N);
    }
    printf("a signature: %.1f us, by OpenSSL alone: %.1f us\n", ours, theirs);
    ck_assert_msg(ours < theirs, "%.1f us, and %.1f us by OpenSSL alone", ours, theirs);
    EVP_PKEY_CTX_free(context);
    es256_free(es256);
    EVP_PKEY_free(pkey);
}
END_TEST

START_TEST(only_a_private_key_of_p256_signs)
{
    EVP_PKEY *other = EVP_EC_gen("P-384"), *rsa = EVP_RSA_gen(1024), *pkey = EVP_EC_gen("P-256");
    ck_assert_ptr_null(es256_new(other));
    ck_assert_ptr_null(es256_new(rsa));
    unsigned char *der = NULL;
    int size = i2d_PUBKEY(pkey, &der);
    const unsigned char *at = der;
    EVP_PKEY *public = d2i_PUBKEY(NULL, &at, size);
    ck_assert_ptr_nonnull(public);
    ck_assert_ptr_null(es256_new(public));
    OPENSSL_free(der);
    EVP_PKEY_free(public);
    EVP_PKEY_free(other);
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(pkey);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("auth_es256");
    TCase *tcase = tcase_create("all");
    tcase_add_loop_test(tcase, inverses_are_openssls, 0, N_ELEMENTS(primes));
    tcase_add_loop_test(tcase, short_products_and_short_inverses_are_padded, 0, N_ELEMENTS(primes));
    tcase_add_loop_test(tcase, nothing_and_bad_blinds_have_no_inverse, 0, N_ELEMENTS(primes));
    tcase_add_test(tcase, signatures_verify_and_their_nonces_are_random);
    tcase_add_test(tcase, a_signature_costs_less_than_openssls);
    tcase_add_test(tcase, only_a_private_key_of_p256_signs);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
