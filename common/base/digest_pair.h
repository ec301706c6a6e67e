// SPDX-License-Identifier: Apache-2.0
// md5 and one of the hashes of digest.h, of the same bytes. They are two sums that need nothing of
// each other: one thread may take both at once, where both stand at the same byte, which costs half
// to two thirds of one after the other (digest_kernel.h), or two threads one each. The rest is
// OpenSSL's.
#pragma once
#include "common/base/digest.h"
#include <stddef.h>

struct digest_pair;
struct digest_pair *digest_pair_new(const struct digest_algo *algo);
void digest_pair_free(struct digest_pair *pair); // NULL is fine
// Whether this processor gains by both at once. If not, two threads are sooner through than one.
bool digest_pair_gains(const struct digest_algo *algo);
// The next bytes of one sum. Another thread may be at the other one meanwhile.
void digest_pair_md5(struct digest_pair *pair, const void *data, size_t size);
void digest_pair_hash(struct digest_pair *pair, const void *data, size_t size);
void digest_pair_both(struct digest_pair *pair, const void *data, size_t size);
// Ends it. Lower-case hexadecimal digits; ret_hash has room for DIGEST_HEX_MAX and a 0.
void digest_pair_to_hex(struct digest_pair *pair, char ret_md5[33], char *ret_hash);
