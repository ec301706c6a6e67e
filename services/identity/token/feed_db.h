// SPDX-License-Identifier: Apache-2.0
// Rows of feed_event. Events are appended by the database function feed_append, in the order of
// commits.
#pragma once
#include "services/identity/identity.h"

// Waits for revocations that are being committed: what is read afterwards is either as they left
// it, or they are stamped later than now_us.
#define FEED_BARRIER_SQL                                                                        \
    "WITH barrier AS MATERIALIZED (SELECT pg_advisory_xact_lock_shared(hashtext('feed_event ' " \
    "|| current_schema())))"                                                                    \
    " SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now_us FROM barrier"

enum rc feed_db_append(struct db *db, const char *kind, json_t *body, struct err *err) CHECKED;
// One page after `after` as the feed's reply, and when to ask again (0: not said); the caller
// frees.
enum rc feed_db_page(struct db *db, int64_t after, int limit, int again_ms, char **ret_text,
                     struct err *err) CHECKED;
// The newest event's n; 0: none.
enum rc feed_db_last(struct db *db, int64_t *ret_n, struct err *err) CHECKED;
// What was committed before now_us; the rows are the caller's.
struct feed_news {
    int64_t now_us;
    db_result *revocations; // n, body: those after `after`
    // next_tx; n, key: of scope_change, those that may have been committed since since_tx was a
    // look's next_tx, and some that were seen then; without any there is a row of nulls.
    db_result *changes;
};
#define FEED_CHANGES_MAX 2000 // so many rows: perhaps not all
enum rc feed_db_news(struct db *db, int64_t after, const char *since_tx, struct feed_news *ret_news,
                     struct err *err) CHECKED;
// JSON array of revocations made since then, as Keystone shows them; the caller frees.
enum rc feed_db_revoke_events(struct db *db, int64_t since_us, char **ret_text,
                              struct err *err) CHECKED;
// Revocations of tokens that nobody can use or see any more (window_us: how long after its end a
// token is shown), and changes that every process has seen, or has noticed that it was away for
// longer.
#define FEED_CHANGES_KEPT_MS 3600000
enum rc feed_db_prune(struct db *db, int64_t window_us, struct err *err) CHECKED;
// What feed_append goes by, of this process; to be said again within a day. life_us: of the tokens
// that it issues; n_revocations: so many single tokens of a user may be revoked, more are folded.
enum rc feed_db_set(struct db *db, int64_t life_us, int64_t n_revocations, struct err *err) CHECKED;
