// SPDX-License-Identifier: Apache-2.0
// OpenSSL's own structs of these sums hold the state: its functions take what is not whole blocks,
// and the end. They are documented (MD5_Init(3), SHA256_Init(3)), and deprecated in favour of what
// hides the state.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "common/base/digest_pair.h"

#include "common/base/digest_kernel.h"

#include <glib.h>
#include <openssl/md5.h>
#include <openssl/sha.h>
#include <string.h>

#define N_HEX_SHA256 64
#define N_HEX_SHA384 96

struct digest_pair {
    unsigned n_hex; // of the hash: says which it is
    const struct digest_kernel *kernel;
    MD5_CTX md5;
    union {
        SHA256_CTX sha256;
        SHA512_CTX sha512; // of sha384, too
    };
};

static bool
is_sha256(const struct digest_pair *pair)
{
    return pair->n_hex == N_HEX_SHA256;
}

struct digest_pair *
digest_pair_new_with(const struct digest_algo *algo, const struct digest_kernel *kernel)
{
    struct digest_pair *pair = g_new0(struct digest_pair, 1);
    pair->n_hex = algo->n_hex;
    pair->kernel = kernel;
    MD5_Init(&pair->md5);
    if (is_sha256(pair)) {
        SHA256_Init(&pair->sha256);
    } else if (pair->n_hex == N_HEX_SHA384) {
        SHA384_Init(&pair->sha512);
    } else {
        SHA512_Init(&pair->sha512);
    }
    return pair;
}

// NULL: none.
static const struct digest_kernel *
best_kernel(const struct digest_algo *algo)
{
    size_t state_size = algo->n_hex == N_HEX_SHA256 ? 32 : 64;
    const struct digest_kernel *kernel = digest_kernels;
    while (kernel->name && (kernel->state_size != state_size || !kernel->runs_here())) {
        kernel++;
    }
    return kernel->name ? kernel : NULL;
}

struct digest_pair *
digest_pair_new(const struct digest_algo *algo)
{
    return digest_pair_new_with(algo, best_kernel(algo));
}

bool
digest_pair_gains(const struct digest_algo *algo)
{
    return best_kernel(algo) != NULL;
}

void
digest_pair_free(struct digest_pair *pair)
{
    g_free(pair);
}

void
digest_pair_md5(struct digest_pair *pair, const void *data, size_t size)
{
    MD5_Update(&pair->md5, data, size);
}

void
digest_pair_hash(struct digest_pair *pair, const void *data, size_t size)
{
    if (is_sha256(pair)) {
        SHA256_Update(&pair->sha256, data, size);
    } else {
        SHA512_Update(&pair->sha512, data, size);
    }
}

// A number of bits in two halves, as MD5_CTX and SHA256_CTX have it.
static void
count_bits(unsigned *low, unsigned *high, uint64_t n_bytes)
{
    uint64_t n = ((uint64_t)*high << 32 | *low) + (n_bytes << 3);
    *low = (unsigned)n;
    *high = (unsigned)(n >> 32);
}

// What the kernel takes of whole blocks, when no part of one waits in either state.
static size_t
run_kernel(struct digest_pair *pair, const void *data, size_t size)
{
    unsigned n_waiting = is_sha256(pair) ? pair->sha256.num : pair->sha512.num;
    if (!pair->kernel || pair->md5.num || n_waiting) {
        return 0;
    }
    size -= size % pair->kernel->size;
    if (size == 0) {
        return 0;
    }
    uint32_t md5[] = {pair->md5.A, pair->md5.B, pair->md5.C, pair->md5.D};
    pair->kernel->run(md5, is_sha256(pair) ? (void *)pair->sha256.h : (void *)pair->sha512.h, data,
                      size);
    pair->md5.A = md5[0];
    pair->md5.B = md5[1];
    pair->md5.C = md5[2];
    pair->md5.D = md5[3];
    count_bits(&pair->md5.Nl, &pair->md5.Nh, size);
    if (is_sha256(pair)) {
        count_bits(&pair->sha256.Nl, &pair->sha256.Nh, size);
    } else {
        uint64_t n = pair->sha512.Nl + (size << 3);
        pair->sha512.Nh += (size >> 61) + (n < pair->sha512.Nl);
        pair->sha512.Nl = n;
    }
    return size;
}

void
digest_pair_both(struct digest_pair *pair, const void *data, size_t size)
{
    size_t done = run_kernel(pair, data, size);
    digest_pair_md5(pair, (const char *)data + done, size - done);
    digest_pair_hash(pair, (const char *)data + done, size - done);
}

void
digest_pair_to_hex(struct digest_pair *pair, char ret_md5[33], char *ret_hash)
{
    unsigned char md5[MD5_DIGEST_LENGTH], hash[SHA512_DIGEST_LENGTH];
    MD5_Final(md5, &pair->md5);
    if (is_sha256(pair)) {
        SHA256_Final(hash, &pair->sha256);
    } else {
        SHA512_Final(hash, &pair->sha512);
    }
    digest_hex(md5, sizeof md5, ret_md5);
    digest_hex(hash, pair->n_hex / 2, ret_hash);
}
