// SPDX-License-Identifier: Apache-2.0
// The vector unit has the schedule, the integer unit both chains.
#include "common/base/digest_kernel.h"
#include "common/base/digest_md5_step.h"

#ifdef __x86_64__
#define SHA512_TARGET "avx2,bmi,bmi2"

typedef uint64_t sha512_word;
#define sha512_word_of(x) (x)
#define sha512_word_first(x) (x)
#define sha512_word_add(x, y) ((x) + (y))

__attribute__((target(SHA512_TARGET), always_inline)) static inline void
sha512_round(sha512_word state[8], sha512_word wk, int i)
{
    uint64_t a = state[-i & 7], b = state[(1 - i) & 7], c = state[(2 - i) & 7];
    uint64_t e = state[(4 - i) & 7], f = state[(5 - i) & 7], g = state[(6 - i) & 7];
    uint64_t *d = &state[(3 - i) & 7], *h = &state[(7 - i) & 7];
    *h += wk + (ROTR64(e, 14) ^ ROTR64(e, 18) ^ ROTR64(e, 41)) + (e & f) + (~e & g);
    *d += *h;
    // b ^ c was a ^ b of the round before, and is found there by the compiler.
    *h += (ROTR64(a, 28) ^ ROTR64(a, 34) ^ ROTR64(a, 39)) + (b ^ ((a ^ b) & (b ^ c)));
}

#include "common/base/digest_md5_sha512.h"

__attribute__((target(SHA512_TARGET))) void
digest_md5_sha512_avx2(uint32_t md5[4], void *state, const uint8_t *data, size_t size)
{
    md5_sha512(md5, state, data, size);
}
#endif
