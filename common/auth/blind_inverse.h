// SPDX-License-Identifier: Apache-2.0
// Inverses of secrets modulo an odd prime of 256 bits. Pure: no I/O; not thread-safe.
#pragma once
#include <openssl/bn.h>
#include <stdbool.h>

enum { INVERSE_BYTES = 32 };

struct inverter;
// prime: of 193 to 256 bits; is copied. NULL: OpenSSL cannot.
struct inverter *inverter_new(const BIGNUM *prime);
void inverter_free(struct inverter *inverter);
// ret_inverse: value^-1 (it may be `value`). value: from 0 up to, but without, the prime. blind:
// fresh random bytes that are used for nothing else; are wiped. False: the blind is not from 1 up
// to, but without, the prime (for the primes of P-256 one in 2^32 is not), or value is 0.
bool inverter_run(struct inverter *inverter, BIGNUM *ret_inverse, const BIGNUM *value,
                  unsigned char blind[INVERSE_BYTES]);
// ret_product: a·b modulo the prime; a and b as value above. Takes the same time for all values.
bool inverter_multiply(struct inverter *inverter, BIGNUM *ret_product, const BIGNUM *a,
                       const BIGNUM *b);
