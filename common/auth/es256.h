// SPDX-License-Identifier: Apache-2.0
// ECDSA signatures on P-256 as JWS has them (RFC 7518 §3.4), of one key, by one thread at a time.
// Pure: no I/O.
#pragma once
#include <openssl/evp.h>
#include <stdbool.h>

enum { ES256_SIGNATURE = 64 };

struct es256;
// NULL: not a private key of P-256. The key is copied.
struct es256 *es256_new(EVP_PKEY *pkey);
void es256_free(struct es256 *es256);
// ret_signature: r and s. False: OpenSSL failed.
bool es256_sign(struct es256 *es256, const void *text, size_t size,
                unsigned char ret_signature[ES256_SIGNATURE]);
