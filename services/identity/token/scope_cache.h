// SPDX-License-Identifier: Apache-2.0
// What a user holds in a scope (names, roles), kept in the process, so that a token from a token
// needs no statement. Every change in the database names whose it is in its own transaction (table
// scope_change); feed_catch_up reads that and says up to when this process knows all. A token made
// from here is issued at that instant: a revocation that is not known here yet is later and ends
// it. Bounded; thread-safe.
#pragma once
#include "services/identity/token/auth.h"

struct scope_cache;
// n_entries: about 2 KiB each.
struct scope_cache *scope_cache_new(size_t n_entries);
void scope_cache_free(struct scope_cache *cache);

// A scope that a token may enter by itself. Borrowed.
struct scope_key {
    const char *user_id;
    enum scope_kind scope; // project, domain or system
    struct named target;
};
// A token's context (of another token: user, scope and roles count), with a reference for the
// caller; NULL: not known, or no longer sure.
struct auth_context *scope_cache_find(struct scope_cache *cache, const struct scope_key *key);
// Everything that was read after scope_cache_epoch gave `epoch`. Takes a reference of its own; does
// nothing when something has changed since.
void scope_cache_put(struct scope_cache *cache, const struct scope_key *key,
                     struct auth_context *context, uint64_t epoch);
uint64_t scope_cache_epoch(struct scope_cache *cache);

// Of the user, project or domain with this id; NULL: everything.
void scope_cache_changed(struct scope_cache *cache, const char *id);
// All changes and revocations that were committed before as_of_us, by the database's clock, are
// known now; that was asked at begun_ms of the monotonic clock.
void scope_cache_confirm(struct scope_cache *cache, int64_t as_of_us, int64_t begun_ms);
// 0: too long ago.
int64_t scope_cache_as_of_us(struct scope_cache *cache);
