// SPDX-License-Identifier: Apache-2.0
// The set of revocations, indexed so that asking costs a few hash look-ups however many there are.
// Thread-safe.
#pragma once
#include "common/auth/jws.h"

// Longest life that identity gives a token: what is older than this revokes nothing any more.
#define TOKEN_LIFE_MAX_S 86400

// As the identity feed has it (ARCHITECTURE.md); texts are borrowed from the object.
struct revocation revocation_from_json(json_t *object);
// The same the other way, without the time, which the feed sets; a new reference.
json_t *revocation_to_json(const struct revocation *revocation);

struct revocation_set;
struct revocation_set *revocation_set_new(void);
void revocation_set_free(struct revocation_set *set);
void revocation_set_add(struct revocation_set *set, const struct revocation *revocation);
bool revocation_set_matches(const struct revocation_set *set, const struct auth_context *auth);
// Changes with every addition: a token checked at the same epoch need not be checked again.
uint64_t revocation_set_epoch(const struct revocation_set *set);
