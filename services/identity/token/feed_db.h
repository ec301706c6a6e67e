// SPDX-License-Identifier: Apache-2.0
// Rows of feed_event. Events are appended by the database function feed_append, in the order of
// commits.
#pragma once
#include "services/identity/identity.h"

enum rc feed_db_append(struct db *db, const char *kind, json_t *body, struct err *err) CHECKED;
// One page after `after` as the feed's reply; the caller frees.
enum rc feed_db_page(struct db *db, int64_t after, int limit, char **ret_text,
                     struct err *err) CHECKED;
// n, body: revocations after `after`.
enum rc feed_db_revocations(struct db *db, int64_t after, db_result **ret_rows,
                            struct err *err) CHECKED;
// JSON array of revocations made since then, as Keystone shows them; the caller frees.
enum rc feed_db_revoke_events(struct db *db, int64_t since_us, char **ret_text,
                              struct err *err) CHECKED;
enum rc feed_db_prune(struct db *db, int64_t life_s, struct err *err) CHECKED;
