// SPDX-License-Identifier: Apache-2.0
// Verified tokens by their whole text: set-associative, so bounded by construction; a hit is one
// lock and one comparison.
#pragma once
#include "common/auth/auth.h"

struct token_cache;
struct token_cache *token_cache_new(size_t n_entries);
void token_cache_free(struct token_cache *cache);
// The context with its reference counted up and the revocation epoch it was last checked at, or
// NULL.
struct auth_context *token_cache_find(struct token_cache *cache, const char *token, size_t len,
                                      uint64_t *ret_epoch);
// Adds or renews; takes a reference of its own. Only tokens whose signature was verified may come
// here.
void token_cache_put(struct token_cache *cache, const char *token, size_t len,
                     struct auth_context *context, uint64_t epoch);
void token_cache_drop(struct token_cache *cache, const char *token, size_t len);
