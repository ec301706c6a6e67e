// SPDX-License-Identifier: Apache-2.0
// The hashes that bytes may be known by, by the names that OpenStack gives them. A value tells its
// algorithm by its length.
#pragma once
#include <openssl/evp.h>
#include <stdbool.h>

#define DIGEST_HEX_MAX 128

struct digest_algo {
    const char *name; // "sha512"
    unsigned n_hex;   // digits of a value
    const EVP_MD *(*evp)(void);
};
const struct digest_algo *digest_algo_find(const char *name); // NULL: none of these
// Of a value in lower-case hexadecimal digits; NULL when it is not one.
const struct digest_algo *digest_algo_of(const char *hex);
bool digest_is_valid(const char *hex);

EVP_MD_CTX *digest_new(const EVP_MD *evp); // EVP_MD_CTX_free
// Ends it. ret_hex has room for 2 * EVP_MAX_MD_SIZE + 1.
void digest_to_hex(EVP_MD_CTX *digest, char *ret_hex);
// Lower-case digits; ret_hex has room for 2 * size + 1.
void digest_hex(const unsigned char *bytes, size_t size, char *ret_hex);
