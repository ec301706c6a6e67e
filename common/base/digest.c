// SPDX-License-Identifier: Apache-2.0
#include "common/base/digest.h"

#include <assert.h>
#include <string.h>

static const struct digest_algo algos[] = {
    {"sha512", 128, EVP_sha512},
    {"sha384", 96, EVP_sha384},
    {"sha256", 64, EVP_sha256},
    {0},
};

const struct digest_algo *
digest_algo_find(const char *name)
{
    for (const struct digest_algo *algo = algos; algo->name; algo++) {
        if (!strcmp(algo->name, name)) {
            return algo;
        }
    }
    return NULL;
}

const struct digest_algo *
digest_algo_of(const char *hex)
{
    size_t n = strspn(hex, "0123456789abcdef");
    for (const struct digest_algo *algo = algos; algo->name && !hex[n]; algo++) {
        if (algo->n_hex == n) {
            return algo;
        }
    }
    return NULL;
}

bool
digest_is_valid(const char *hex)
{
    return digest_algo_of(hex) != NULL;
}

EVP_MD_CTX *
digest_new(const EVP_MD *evp)
{
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    int done = EVP_DigestInit_ex(digest, evp, NULL);
    assert(done == 1);
    return digest;
}

void
digest_hex(const unsigned char *bytes, size_t size, char *ret_hex)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        ret_hex[2 * i] = digits[bytes[i] >> 4];
        ret_hex[2 * i + 1] = digits[bytes[i] & 15];
    }
    ret_hex[2 * size] = 0;
}

void
digest_to_hex(EVP_MD_CTX *digest, char *ret_hex)
{
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    int done = EVP_DigestFinal_ex(digest, bytes, &size);
    assert(done == 1);
    digest_hex(bytes, size, ret_hex);
}
