// SPDX-License-Identifier: Apache-2.0
// What jws.c and the feed need of the key ring beside jws.h.
#pragma once
#include "common/auth/jws.h"
#include <glib.h>
#include <openssl/evp.h>

// The public key named kid, its reference counted up, or NULL.
EVP_PKEY *key_ring_find(const struct key_ring *ring, const char *kid);
// The signing key, its reference counted up, and its kid (the caller frees), or NULL.
EVP_PKEY *key_ring_signer(const struct key_ring *ring, char **ret_kid);
// Drops every key whose kid is not a key of `kids` (a set).
void key_ring_retain(struct key_ring *ring, GHashTable *kids);
// Changes when a key goes or another takes its name: what was verified before must be verified
// again.
uint64_t key_ring_epoch(const struct key_ring *ring);
