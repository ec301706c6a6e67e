// SPDX-License-Identifier: Apache-2.0
// Host aggregates in the database.
#pragma once
#include "common/db/db.h"

// id NULL: all. Column items (array). is_new: as the reply to a create, without hosts and metadata.
enum rc aggregate_db_list(struct db *db, const char *id, unsigned version, bool is_new,
                          db_result **ret_rows, struct err *err) CHECKED;
// ret_id: decimal, 24 bytes.
enum rc aggregate_db_create(struct db *db, const char *name, const char *zone, char ret_id[24],
                            struct err *err) CHECKED;
struct aggregate_change { // NULL: unchanged
    const char *id, *name, *zone, *metadata_json;
    bool clears_zone;
    const char *add_host, *remove_host;
    const char *default_zone; // where hosts go that leave a zone
};
// Hosts' zones follow in the same transaction. RC_CONFLICT: a host would be in two zones, or has
// servers in another.
enum rc aggregate_db_change(struct db *db, const struct aggregate_change *change,
                            struct err *err) CHECKED;
enum rc aggregate_db_delete(struct db *db, const char *id, struct err *err) CHECKED;
