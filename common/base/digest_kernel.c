// SPDX-License-Identifier: Apache-2.0
#include "common/base/digest_kernel.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <cpuid.h>
#include <immintrin.h>
#include <string.h>

#define ALWAYS_INLINE static inline __attribute__((always_inline))
#define UNROLLED _Pragma("GCC unroll 64")
#define N_LANES 8 // blocks whose message schedules are computed together

typedef uint64_t lanes __attribute__((vector_size(8 * N_LANES)));

// FIPS 180-4, 4.2.3; the upper halves of the first 64 are those of 4.2.2.
static const uint64_t sha512_k[80] = {
    0x428a2f98d728ae22, 0x7137449123ef65cd, 0xb5c0fbcfec4d3b2f, 0xe9b5dba58189dbbc,
    0x3956c25bf348b538, 0x59f111f1b605d019, 0x923f82a4af194f9b, 0xab1c5ed5da6d8118,
    0xd807aa98a3030242, 0x12835b0145706fbe, 0x243185be4ee4b28c, 0x550c7dc3d5ffb4e2,
    0x72be5d74f27b896f, 0x80deb1fe3b1696b1, 0x9bdc06a725c71235, 0xc19bf174cf692694,
    0xe49b69c19ef14ad2, 0xefbe4786384f25e3, 0x0fc19dc68b8cd5b5, 0x240ca1cc77ac9c65,
    0x2de92c6f592b0275, 0x4a7484aa6ea6e483, 0x5cb0a9dcbd41fbd4, 0x76f988da831153b5,
    0x983e5152ee66dfab, 0xa831c66d2db43210, 0xb00327c898fb213f, 0xbf597fc7beef0ee4,
    0xc6e00bf33da88fc2, 0xd5a79147930aa725, 0x06ca6351e003826f, 0x142929670a0e6e70,
    0x27b70a8546d22ffc, 0x2e1b21385c26c926, 0x4d2c6dfc5ac42aed, 0x53380d139d95b3df,
    0x650a73548baf63de, 0x766a0abb3c77b2a8, 0x81c2c92e47edaee6, 0x92722c851482353b,
    0xa2bfe8a14cf10364, 0xa81a664bbc423001, 0xc24b8b70d0f89791, 0xc76c51a30654be30,
    0xd192e819d6ef5218, 0xd69906245565a910, 0xf40e35855771202a, 0x106aa07032bbd1b8,
    0x19a4c116b8d2d0c8, 0x1e376c085141ab53, 0x2748774cdf8eeb99, 0x34b0bcb5e19b48a8,
    0x391c0cb3c5c95a63, 0x4ed8aa4ae3418acb, 0x5b9cca4f7763e373, 0x682e6ff3d6b2b8a3,
    0x748f82ee5defb2fc, 0x78a5636f43172f60, 0x84c87814a1f0ab72, 0x8cc702081a6439ec,
    0x90befffa23631e28, 0xa4506cebde82bde9, 0xbef9a3f7b2c67915, 0xc67178f2e372532b,
    0xca273eceea26619c, 0xd186b8c721c0c207, 0xeada7dd6cde0eb1e, 0xf57d4f7fee6ed178,
    0x06f067aa72176fba, 0x0a637dc5a2c898a6, 0x113f9804bef90dae, 0x1b710b35131c471b,
    0x28db77f523047d84, 0x32caab7b40c72493, 0x3c9ebe0a15c9bebc, 0x431d67c49c100d4c,
    0x4cc5d4becb3e42b6, 0x597f299cfc657e2a, 0x5fcb6fab3ad6faec, 0x6c44198c4a475817,
};
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
// RFC 1321, 3.4
static const uint32_t md5_k[64] = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
};

ALWAYS_INLINE uint32_t
rotl32(uint32_t x, int n)
{
    return x << n | x >> (32 - n);
}

#define ROTR64(x, n) ((x) >> (n) | (x) << (64 - (n))) // of lanes, too

// Step i of 64, with i known when this is compiled.
ALWAYS_INLINE void
md5_step(uint32_t state[4], const uint8_t *block, int i)
{
    static const uint8_t shifts[4][4] = {
        {7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};
    uint32_t *a = &state[-i & 3], b = state[(1 - i) & 3], c = state[(2 - i) & 3];
    uint32_t d = state[(3 - i) & 3], word;
    int round = i / 16, n = (int[]){i, 5 * i + 1, 3 * i + 5, 7 * i}[round] & 15;
    memcpy(&word, block + 4 * n, sizeof word);
    *a += md5_k[i] + word;
    switch (round) {
    case 0:
        *a += d ^ (b & (c ^ d));
        break;
    case 1:
        *a += c & ~d; // b is known last: only what needs it waits
        *a += b & d;
        break;
    case 2:
        *a += b ^ c ^ d;
        break;
    default:
        *a += c ^ (b | ~d);
    }
    *a = rotl32(*a, shifts[round][i & 3]) + b;
}

// Round i; wk: word i of the message schedule plus constant i. b_xor_c: of this round, becomes the
// next one's.
ALWAYS_INLINE void
sha512_round(uint64_t state[8], uint64_t *b_xor_c, uint64_t wk, int i)
{
    uint64_t a = state[-i & 7], b = state[(1 - i) & 7], a_xor_b = a ^ b;
    uint64_t e = state[(4 - i) & 7], f = state[(5 - i) & 7], g = state[(6 - i) & 7];
    uint64_t *d = &state[(3 - i) & 7], *h = &state[(7 - i) & 7];
    *h += wk + (ROTR64(e, 14) ^ ROTR64(e, 18) ^ ROTR64(e, 41)) + (e & f) + (~e & g);
    *d += *h;
    *h += (ROTR64(a, 28) ^ ROTR64(a, 34) ^ ROTR64(a, 39)) + (b ^ (a_xor_b & *b_xor_c));
    *b_xor_c = a_xor_b;
}

// Of N_LANES blocks: wk[round][block].
ALWAYS_INLINE void
sha512_schedule(uint64_t wk[80][N_LANES], const uint8_t *data)
{
    lanes w[16];
    for (int i = 0; i < 16; i++) {
        uint64_t words[N_LANES] __attribute__((aligned(sizeof(lanes))));
        UNROLLED for (int block = 0; block < N_LANES; block++)
        {
            memcpy(&words[block], data + 128 * block + 8 * i, sizeof words[block]);
            words[block] = __builtin_bswap64(words[block]);
        }
        memcpy(&w[i], words, sizeof w[i]);
    }
    for (int i = 0; i < 80; i += 16) {
        UNROLLED for (int j = 0; j < 16; j++)
        {
            lanes sum = w[j] + sha512_k[i + j];
            memcpy(wk[i + j], &sum, sizeof sum);
            lanes x = w[(j + 1) & 15], y = w[(j + 14) & 15];
            w[j] += (ROTR64(x, 1) ^ ROTR64(x, 8) ^ x >> 7) + w[(j + 9) & 15] +
                    (ROTR64(y, 19) ^ ROTR64(y, 61) ^ y >> 6);
        }
    }
}

// Half a block of the hash, 40 rounds, and a block of md5, 64 steps: five for eight.
ALWAYS_INLINE void
md5_sha512_half(uint32_t md5[4], uint64_t state[8], const uint8_t *block, const uint64_t *wk)
{
    const uint32_t md5_before[4] = {md5[0], md5[1], md5[2], md5[3]};
    uint64_t b_xor_c = state[1] ^ state[2];
    UNROLLED for (int i = 0; i < 64; i++)
    {
        if (i == 0 || 5 * i / 8 != 5 * (i - 1) / 8) {
            sha512_round(state, &b_xor_c, wk[N_LANES * (5 * i / 8)], 5 * i / 8);
        }
        md5_step(md5, block, i);
    }
    UNROLLED for (int i = 0; i < 4; i++)
    {
        md5[i] += md5_before[i];
    }
}

ALWAYS_INLINE void
md5_sha512(uint32_t ret_md5[4], uint64_t ret_state[8], const uint8_t *data, size_t size)
{
    uint64_t wk[80][N_LANES] __attribute__((aligned(64))), state[8], before[8];
    uint32_t md5[4];
    memcpy(md5, ret_md5, sizeof md5);
    memcpy(state, ret_state, sizeof state);
    for (const uint8_t *end = data + size; data < end; data += 128 * N_LANES) {
        sha512_schedule(wk, data);
        for (int block = 0; block < N_LANES; block++) {
            memcpy(before, state, sizeof state);
            for (int half = 0; half < 2; half++) {
                md5_sha512_half(md5, state, data + 128 * block + 64 * half, &wk[40 * half][block]);
            }
            UNROLLED for (int i = 0; i < 8; i++)
            {
                state[i] += before[i];
            }
        }
    }
    memcpy(ret_md5, md5, sizeof md5);
    memcpy(ret_state, state, sizeof state);
}

__attribute__((target("avx512f,bmi,bmi2"))) static void
md5_sha512_avx512(uint32_t md5[4], void *state, const uint8_t *data, size_t size)
{
    md5_sha512(md5, state, data, size);
}

__attribute__((target("avx2,bmi,bmi2"))) static void
md5_sha512_avx2(uint32_t md5[4], void *state, const uint8_t *data, size_t size)
{
    md5_sha512(md5, state, data, size);
}

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
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("bmi2");
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
    {"avx512", 64, 128 * N_LANES, false, has_avx512, md5_sha512_avx512},
    {"avx2", 64, 128 * N_LANES, false, has_avx2, md5_sha512_avx2},
    {"sha-ni", 32, 64, true, has_sha_ni, md5_sha256_ni},
    {0},
};

#else
const struct digest_kernel digest_kernels[] = {{0}};
#endif
