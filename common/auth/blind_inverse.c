// SPDX-License-Identifier: Apache-2.0
// OpenSSL inverts by an exponentiation that takes the same time for all values; GMP's extended
// Euclid takes an eighth of it, but the time depends on the value. So GMP only ever sees the
// product of the secret and a fresh random factor: that is uniform and says nothing about the
// secret (as OpenSSL's ossl_ec_GFp_simple_field_inv blinds). What multiplies is OpenSSL's
// Montgomery multiplication, in constant time.
#include "common/auth/blind_inverse.h"
#include <glib.h>
#include <gmp.h>
#include <openssl/crypto.h>

#define N_WORDS (INVERSE_BYTES / 8)

struct inverter {
    BIGNUM *prime, *blind;
    BN_MONT_CTX *montgomery;
    BN_CTX *context;
    mpz_t modulus, blinded;
};

// Eight bytes at a time, the first the most significant.
static void
read_bytes(mpz_t ret_number, const unsigned char bytes[INVERSE_BYTES])
{
    mpz_import(ret_number, N_WORDS, 1, 8, 1, 0, bytes);
}

static void
write_bytes(const mpz_t number, unsigned char ret_bytes[INVERSE_BYTES])
{
    size_t n = (mpz_sizeinbase(number, 2) + 63) / 64;
    memset(ret_bytes, 0, INVERSE_BYTES);
    mpz_export(ret_bytes + (N_WORDS - n) * 8, NULL, 1, 8, 1, 0, number);
}

struct inverter *
inverter_new(const BIGNUM *prime)
{
    unsigned char bytes[INVERSE_BYTES];
    if (BN_num_bits(prime) <= 192 || BN_bn2binpad(prime, bytes, sizeof bytes) < 0) {
        return NULL;
    }
    struct inverter *inverter = g_new0(struct inverter, 1);
    mpz_init2(inverter->modulus, 8 * INVERSE_BYTES);
    mpz_init2(inverter->blinded, 16 * INVERSE_BYTES);
    read_bytes(inverter->modulus, bytes);
    inverter->prime = BN_dup(prime);
    inverter->blind = BN_new();
    inverter->montgomery = BN_MONT_CTX_new();
    inverter->context = BN_CTX_new();
    if (!inverter->prime || !inverter->blind || !inverter->montgomery || !inverter->context ||
        BN_MONT_CTX_set(inverter->montgomery, prime, inverter->context) != 1) {
        inverter_free(inverter);
        return NULL;
    }
    return inverter;
}

void
inverter_free(struct inverter *inverter)
{
    if (inverter) {
        BN_free(inverter->prime);
        BN_clear_free(inverter->blind);
        BN_MONT_CTX_free(inverter->montgomery);
        BN_CTX_free(inverter->context);
        mpz_clears(inverter->modulus, inverter->blinded, NULL);
        g_free(inverter);
    }
}

// a·b/R, R = 2^256.
static bool
reduce(struct inverter *inverter, BIGNUM *ret, const BIGNUM *a, const BIGNUM *b)
{
    return BN_mod_mul_montgomery(ret, a, b, inverter->montgomery, inverter->context) == 1;
}

static bool
take_blind(struct inverter *inverter, unsigned char blind[INVERSE_BYTES])
{
    bool ok = BN_bin2bn(blind, INVERSE_BYTES, inverter->blind) && !BN_is_zero(inverter->blind) &&
              BN_cmp(inverter->blind, inverter->prime) < 0;
    OPENSSL_cleanse(blind, INVERSE_BYTES);
    return ok;
}

// x·b/R → R/(x·b) → R/(x·b)·b/R = 1/x.
bool
inverter_run(struct inverter *inverter, BIGNUM *ret_inverse, const BIGNUM *value,
             unsigned char blind[INVERSE_BYTES])
{
    unsigned char bytes[INVERSE_BYTES];
    bool ok = take_blind(inverter, blind) &&
              reduce(inverter, ret_inverse, value, inverter->blind) &&
              BN_bn2binpad(ret_inverse, bytes, sizeof bytes) == sizeof bytes;
    if (ok) {
        read_bytes(inverter->blinded, bytes);
        ok = mpz_invert(inverter->blinded, inverter->blinded, inverter->modulus) != 0;
    }
    if (ok) {
        write_bytes(inverter->blinded, bytes);
        ok = BN_bin2bn(bytes, sizeof bytes, ret_inverse) &&
             reduce(inverter, ret_inverse, ret_inverse, inverter->blind);
    }
    BN_clear(inverter->blind);
    return ok;
}

bool
inverter_multiply(struct inverter *inverter, BIGNUM *ret_product, const BIGNUM *a, const BIGNUM *b)
{
    return reduce(inverter, ret_product, a, b) &&
           BN_to_montgomery(ret_product, ret_product, inverter->montgomery, inverter->context) == 1;
}
