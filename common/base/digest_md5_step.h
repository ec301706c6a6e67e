// SPDX-License-Identifier: Apache-2.0
// A step of md5 (RFC 1321), for the kernels of digest_kernel.h to mix with steps of another hash.
#pragma once
#include <stdint.h>
#include <string.h>

#define ALWAYS_INLINE static inline __attribute__((always_inline))
#define UNROLLED _Pragma("GCC unroll 64")
#define ROTR64(x, n) ((x) >> (n) | (x) << (64 - (n))) // of uint64_t or a vector of them

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
