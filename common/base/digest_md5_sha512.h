// SPDX-License-Identifier: Apache-2.0
// Steps of md5 (RFC 1321) and of SHA-512 (FIPS 180-4) in turn, over the same bytes. Whoever
// includes this has defined
//   SHA512_TARGET       the processor's features, as of __attribute__((target))
//   sha512_word         a word of the state: uint64_t or a vector whose first word it is
//   sha512_word_of, sha512_word_first, sha512_word_add   what to do with it
//   sha512_round(state, wk, i)                           round i, wk: schedule plus constant
//
// A round needs a word of the message schedule, which nothing waits for: it is computed for
// N_LANES blocks at once, a group ahead, between the steps of the group before. So there are three
// strands that need nothing of each other, and a core that runs five instructions at once finds
// them. One block: 128 bytes, 80 rounds, 128 steps.
#pragma once
#include "common/base/digest_md5_step.h"

#include <stddef.h>

#define N_ROUNDS 80
#define N_LANES 4
#define BLOCK_SIZE 128
#define GROUP_SIZE (BLOCK_SIZE * N_LANES)
#define KERNEL __attribute__((target(SHA512_TARGET))) ALWAYS_INLINE

typedef uint64_t lanes __attribute__((vector_size(8 * N_LANES)));
typedef uint8_t lane_bytes __attribute__((vector_size(8 * N_LANES)));

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

// Of a group: a row per round, a column per block.
struct sha512_schedule {
    lanes words[N_ROUNDS], sums[N_ROUNDS]; // sums: plus the round's constant
};

// Rows 4i to 4i + 3: the big-endian words, which lie block by block.
KERNEL void
sha512_schedule_load(struct sha512_schedule *schedule, const uint8_t *data, int i)
{
    lanes rows[N_LANES];
    UNROLLED for (int block = 0; block < N_LANES; block++)
    {
        lane_bytes bytes;
        memcpy(&bytes, data + BLOCK_SIZE * block + 32 * i, sizeof bytes);
        rows[block] = (lanes)__builtin_shufflevector(bytes, bytes, 7, 6, 5, 4, 3, 2, 1, 0, 15, 14,
                                                     13, 12, 11, 10, 9, 8, 23, 22, 21, 20, 19, 18,
                                                     17, 16, 31, 30, 29, 28, 27, 26, 25, 24);
    }
    lanes even_01 = __builtin_shufflevector(rows[0], rows[1], 0, 4, 2, 6);
    lanes odd_01 = __builtin_shufflevector(rows[0], rows[1], 1, 5, 3, 7);
    lanes even_23 = __builtin_shufflevector(rows[2], rows[3], 0, 4, 2, 6);
    lanes odd_23 = __builtin_shufflevector(rows[2], rows[3], 1, 5, 3, 7);
    lanes *words = &schedule->words[4 * i], *sums = &schedule->sums[4 * i];
    words[0] = __builtin_shufflevector(even_01, even_23, 0, 1, 4, 5);
    words[1] = __builtin_shufflevector(odd_01, odd_23, 0, 1, 4, 5);
    words[2] = __builtin_shufflevector(even_01, even_23, 2, 3, 6, 7);
    words[3] = __builtin_shufflevector(odd_01, odd_23, 2, 3, 6, 7);
    UNROLLED for (int j = 0; j < 4; j++)
    {
        sums[j] = words[j] + sha512_k[4 * i + j];
    }
}

// Row i of 16 and more.
KERNEL void
sha512_schedule_step(struct sha512_schedule *schedule, int i)
{
    lanes *word = &schedule->words[i], x = word[-15], y = word[-2];
    lanes value = word[-16] + (ROTR64(x, 1) ^ ROTR64(x, 8) ^ x >> 7) + word[-7] +
                  (ROTR64(y, 19) ^ ROTR64(y, 61) ^ y >> 6);
    *word = value;
    schedule->sums[i] = value + sha512_k[i];
}

KERNEL void
sha512_schedule_begin(struct sha512_schedule *schedule, const uint8_t *data)
{
    UNROLLED for (int i = 0; i < 4; i++)
    {
        sha512_schedule_load(schedule, data, i);
    }
}

// Half a block of the hash, 40 rounds, from its column of the schedule; a block of md5, 64 steps;
// and eight rows, from `row` on, of the next group's schedule.
KERNEL void
md5_sha512_half(uint32_t md5[4], sha512_word state[8], const uint8_t *block, const uint64_t *column,
                struct sha512_schedule *next, int row)
{
    const uint32_t md5_before[4] = {md5[0], md5[1], md5[2], md5[3]};
    UNROLLED for (int i = 0; i < 64; i++)
    {
        int round = 5 * i / 8;
        if (i == 0 || round != 5 * (i - 1) / 8) {
            sha512_round(state, sha512_word_of(column[N_LANES * round]), round);
        }
        if (i % 8 == 4) {
            sha512_schedule_step(next, row + i / 8);
        }
        md5_step(md5, block, i);
    }
    UNROLLED for (int i = 0; i < 4; i++)
    {
        md5[i] += md5_before[i];
    }
}

KERNEL void
md5_sha512_group(uint32_t md5[4], sha512_word state[8], const uint8_t *data,
                 const struct sha512_schedule *schedule, struct sha512_schedule *next)
{
    for (int block = 0; block < N_LANES; block++) {
        sha512_word before[8];
        memcpy(before, state, sizeof before);
        for (int half = 0; half < 2; half++) {
            const uint64_t *row = (const uint64_t *)&schedule->sums[N_ROUNDS / 2 * half];
            md5_sha512_half(md5, state, data + BLOCK_SIZE * block + 64 * half, row + block, next,
                            16 + 16 * block + 8 * half);
        }
        UNROLLED for (int i = 0; i < 8; i++)
        {
            state[i] = sha512_word_add(state[i], before[i]);
        }
    }
}

// size: a multiple of GROUP_SIZE, not 0.
KERNEL void
md5_sha512(uint32_t ret_md5[4], uint64_t ret_state[8], const uint8_t *data, size_t size)
{
    struct sha512_schedule schedules[2];
    sha512_word state[8];
    uint32_t md5[4];
    memcpy(md5, ret_md5, sizeof md5);
    for (int i = 0; i < 8; i++) {
        state[i] = sha512_word_of(ret_state[i]);
    }
    sha512_schedule_begin(&schedules[0], data);
    for (int i = 16; i < N_ROUNDS; i++) {
        sha512_schedule_step(&schedules[0], i);
    }
    for (size_t at = 0, n = 0; at < size; at += GROUP_SIZE, n++) {
        struct sha512_schedule *next = &schedules[~n & 1];
        size_t next_at = at + GROUP_SIZE < size ? at + GROUP_SIZE : at; // the last has none
        sha512_schedule_begin(next, data + next_at);
        md5_sha512_group(md5, state, data + at, &schedules[n & 1], next);
    }
    memcpy(ret_md5, md5, sizeof md5);
    for (int i = 0; i < 8; i++) {
        ret_state[i] = sha512_word_first(state[i]);
    }
}
