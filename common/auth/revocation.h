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
// In any order, any number of times: the latest times count. One of all tokens of a user takes the
// place of those of single tokens of the user that it stands for, which identity relies upon to
// keep sets small. O(log n).
void revocation_set_add(struct revocation_set *set, const struct revocation *revocation);
// Forgets what ended some time before now_us. O(log n) for each.
void revocation_set_prune(struct revocation_set *set, int64_t now_us);
bool revocation_set_matches(const struct revocation_set *set, const struct auth_context *auth);
size_t revocation_set_size(const struct revocation_set *set);
// Changes with every addition that may end a token: a token checked at the same epoch need not be
// checked again.
uint64_t revocation_set_epoch(const struct revocation_set *set);
// Kept so much longer than needed, because clocks are put back.
#define REVOCATION_SPARE_US INT64_C(60000000)
