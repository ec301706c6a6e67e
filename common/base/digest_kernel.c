// SPDX-License-Identifier: Apache-2.0
#include "common/base/digest_kernel.h"

#ifdef __x86_64__
#include "common/base/digest_md5_step.h"
#include <cpuid.h>
#include <immintrin.h>

static const uint32_t sha256_k[64] __attribute__((aligned(16))) = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

// Rounds 4i to 4i + 3, and four words of the message schedule for later, by the processor's own
// instructions (Intel SDM, SHA256RNDS2). abef, cdgh: the state in their order.
__attribute__((target("sha,sse4.1"))) ALWAYS_INLINE void
sha256_rounds(__m128i *abef, __m128i *cdgh, __m128i w[4], int i)
{
    __m128i wk = _mm_add_epi32(w[i & 3], _mm_load_si128((const __m128i *)(sha256_k + 4 * i)));
    *cdgh = _mm_sha256rnds2_epu32(*cdgh, *abef, wk);
    *abef = _mm_sha256rnds2_epu32(*abef, *cdgh, _mm_shuffle_epi32(wk, 0x0e));
    if (i < 12) {
        __m128i third = _mm_alignr_epi8(w[(i + 3) & 3], w[(i + 2) & 3], 4);
        w[i & 3] = _mm_add_epi32(_mm_sha256msg1_epu32(w[i & 3], w[(i + 1) & 3]), third);
        w[i & 3] = _mm_sha256msg2_epu32(w[i & 3], w[(i + 3) & 3]);
    }
}

__attribute__((target("sha,sse4.1,bmi"))) ALWAYS_INLINE void
md5_sha256_block(uint32_t md5[4], __m128i *abef, __m128i *cdgh, const uint8_t *block)
{
    const __m128i swap = _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);
    const uint32_t md5_before[4] = {md5[0], md5[1], md5[2], md5[3]};
    __m128i w[4], abef_before = *abef, cdgh_before = *cdgh;
    UNROLLED for (int i = 0; i < 4; i++)
    {
        w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(block + 16 * i)), swap);
    }
    UNROLLED for (int i = 0; i < 64; i++)
    {
        if (i % 4 == 0) {
            sha256_rounds(abef, cdgh, w, i / 4);
        }
        md5_step(md5, block, i);
    }
    UNROLLED for (int i = 0; i < 4; i++)
    {
        md5[i] += md5_before[i];
    }
    *abef = _mm_add_epi32(*abef, abef_before);
    *cdgh = _mm_add_epi32(*cdgh, cdgh_before);
}

__attribute__((target("sha,sse4.1,bmi"))) static void
md5_sha256_ni(uint32_t ret_md5[4], void *state, const uint8_t *data, size_t size)
{
    __m128i *halves = state;
    uint32_t md5[4];
    memcpy(md5, ret_md5, sizeof md5);
    __m128i badc = _mm_shuffle_epi32(_mm_loadu_si128(halves), 0xb1);
    __m128i hgfe = _mm_shuffle_epi32(_mm_loadu_si128(halves + 1), 0x1b);
    __m128i abef = _mm_alignr_epi8(badc, hgfe, 8), cdgh = _mm_blend_epi16(hgfe, badc, 0xf0);
    for (const uint8_t *end = data + size; data < end; data += 64) {
        md5_sha256_block(md5, &abef, &cdgh, data);
    }
    __m128i feba = _mm_shuffle_epi32(abef, 0x1b), dchg = _mm_shuffle_epi32(cdgh, 0xb1);
    _mm_storeu_si128(halves, _mm_blend_epi16(feba, dchg, 0xf0));
    _mm_storeu_si128(halves + 1, _mm_alignr_epi8(dchg, feba, 8));
    memcpy(ret_md5, md5, sizeof md5);
}

static bool
has_avx512(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("bmi2");
}

static bool
has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2");
}

// GCC 12's __builtin_cpu_supports does not know "sha".
static bool
has_sha_ni(void)
{
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_SHA) &&
           __builtin_cpu_supports("sse4.1") && __builtin_cpu_supports("bmi");
}

const struct digest_kernel digest_kernels[] = {
    {"avx512", 64, 512, has_avx512, digest_md5_sha512_avx512},
    {"avx2", 64, 512, has_avx2, digest_md5_sha512_avx2},
    {"sha-ni", 32, 64, has_sha_ni, md5_sha256_ni},
    {0},
};

#else
const struct digest_kernel digest_kernels[] = {{0}};
#endif
