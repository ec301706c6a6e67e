// SPDX-License-Identifier: Apache-2.0
// md5 (RFC 1321) and a SHA-2 hash (FIPS 180-4) of the same whole blocks at once. Both are chains
// in which each step waits for the one before, so most of a core is idle in either alone: steps of
// the two in turn take about half to two thirds of the time that they take one after the other.
// Internal to digest_pair.c.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct digest_algo;
struct digest_kernel {
    const char *name;
    size_t state_size; // of the hash: uint64_t[8] (sha512, sha384) or uint32_t[8] (sha256)
    size_t size;       // bytes at once; run takes a multiple, not 0
    bool (*runs_here)(void);
    // States in host order.
    void (*run)(uint32_t md5[4], void *state, const uint8_t *data, size_t size);
};
extern const struct digest_kernel digest_kernels[]; // best first, ended by a row without name

// Of sha512 and sha384, by groups of 512 bytes.
void digest_md5_sha512_avx512(uint32_t md5[4], void *state, const uint8_t *data, size_t size);
void digest_md5_sha512_avx2(uint32_t md5[4], void *state, const uint8_t *data, size_t size);

// As digest_pair_new; kernel: of the hash's state size, or NULL.
struct digest_pair *digest_pair_new_with(const struct digest_algo *algo,
                                         const struct digest_kernel *kernel);
