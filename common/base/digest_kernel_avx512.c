// SPDX-License-Identifier: Apache-2.0
// The hash's state is in the vector unit, which rotates and takes any function of three words in
// one instruction: the integer unit's registers and ports are left to md5.
#include "common/base/digest_kernel.h"

#ifdef __x86_64__
#include <immintrin.h>

#define SHA512_TARGET "avx512f,avx512vl,bmi,bmi2"
#define WIDE __attribute__((target(SHA512_TARGET))) static inline
#define CHOOSE 0xca // tables of functions of three: a ? b : c
#define MAJORITY 0xe8
#define PARITY 0x96

typedef __m128i sha512_word;

WIDE sha512_word
sha512_word_of(uint64_t x)
{
    return _mm_cvtsi64_si128((long long)x);
}

WIDE uint64_t
sha512_word_first(sha512_word x)
{
    return (uint64_t)_mm_cvtsi128_si64(x);
}

WIDE sha512_word
sha512_word_add(sha512_word x, sha512_word y)
{
    return _mm_add_epi64(x, y);
}

#define ROTATED(x, i, j, k) \
    _mm_ternarylogic_epi64(_mm_ror_epi64(x, i), _mm_ror_epi64(x, j), _mm_ror_epi64(x, k), PARITY)

WIDE __attribute__((always_inline)) void
sha512_round(sha512_word state[8], sha512_word wk, int i)
{
    sha512_word a = state[-i & 7], b = state[(1 - i) & 7], c = state[(2 - i) & 7];
    sha512_word e = state[(4 - i) & 7], f = state[(5 - i) & 7], g = state[(6 - i) & 7];
    sha512_word *d = &state[(3 - i) & 7], *h = &state[(7 - i) & 7];
    sha512_word sum = _mm_add_epi64(*h, wk);
    sum = _mm_add_epi64(sum, _mm_ternarylogic_epi64(e, f, g, CHOOSE));
    sum = _mm_add_epi64(sum, ROTATED(e, 14, 18, 41));
    *d = _mm_add_epi64(*d, sum);
    sum = _mm_add_epi64(sum, _mm_ternarylogic_epi64(a, b, c, MAJORITY));
    *h = _mm_add_epi64(sum, ROTATED(a, 28, 34, 39));
}

#include "common/base/digest_md5_sha512.h"

__attribute__((target(SHA512_TARGET))) void
digest_md5_sha512_avx512(uint32_t md5[4], void *state, const uint8_t *data, size_t size)
{
    md5_sha512(md5, state, data, size);
}
#endif
