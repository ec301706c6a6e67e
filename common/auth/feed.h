// SPDX-License-Identifier: Apache-2.0
// The thread that follows identity's feed: keys and revocations into memory, limits into the
// service's schema.
#pragma once
#include "common/auth/jws.h"
#include "common/auth/revocation.h"

struct feed_sinks {
    struct key_ring *keys;
    struct revocation_set *revocations;
    struct db_pool *db; // NULL: limits are ignored
};
struct feed;
struct feed *feed_start(const struct auth_config *config, const struct feed_sinks *sinks,
                        struct bus *bus);
void feed_stop(struct feed *feed); // joins; NULL is fine
// Everything that identity knew when it was asked has been applied once: before that a token may
// have been revoked on a later page.
bool feed_has_read(const struct feed *feed);

// One reply of the feed, applied. *cursor is the last event seen; it moves only when everything was
// stored.
enum rc feed_apply(const struct feed_sinks *sinks, json_t *reply, int64_t *cursor,
                   struct err *err) CHECKED;

// Stores the limits (events, quota_store) newer than the schema's cursor and moves it to `cursor`,
// in one transaction. is_reset: identity began anew, forget the old cursor and what came by it.
enum rc feed_db_store(struct db_pool *pool, json_t *limits, int64_t cursor, bool is_reset,
                      struct err *err) CHECKED;
