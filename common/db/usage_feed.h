// SPDX-License-Identifier: Apache-2.0
// The outgoing side of usage: the relay numbers and publishes facts; billing may ask for them again
// over HTTP.
#pragma once
#include "common/db/db.h"

// Only by the relay's leader on the leader's connection: gives facts without a number the next
// ones, densely.
enum rc usage_feed_number(struct db *db, struct err *err) CHECKED;
// At most n facts in order of sequence as one message: a row with columns message_id, routing_key,
// type, request_id, body, sequence (the last one's) and n; no row when there is none.
enum rc usage_feed_unpublished(struct db *db, int n, db_result **ret_rows, struct err *err) CHECKED;
// Marks all up to and including `sequence`.
enum rc usage_feed_published(struct db *db, int64_t sequence, struct err *err) CHECKED;
// {"service", "last", "pending", "settled_us", "facts": [≤ limit, from sequence after + 1]} as JSON
// text; the caller frees. Every fact dated before settled_us is committed; with pending 0 all of
// those have a sequence up to `last`.
enum rc usage_feed_page(struct db *db, int64_t after, int64_t limit, char **ret_text,
                        struct err *err) CHECKED;
