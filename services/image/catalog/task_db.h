// SPDX-License-Identifier: Apache-2.0
// Rows of tasks as the API shows them.
#pragma once
#include "common/db/db.h"

#define TASK_KEEP_HOURS "48" // an ended task can be asked for that long

struct task_query { // texts borrowed; NULL: not asked for
    const char *owner, *status, *type, *image_id;
    const char *marker;
    unsigned sort; // index of task_sort_keys
    bool descending;
    int limit;
};
extern const char *const task_sort_keys[]; // "created_at" …; ended by NULL

// An image's, oldest first: JSON array; the caller frees. owner: whose; NULL is everybody's.
enum rc task_db_of_image(struct db *db, const char *image_id, const char *owner, char **ret_json,
                         struct err *err) CHECKED;
// A page without input, result and message: JSON array. ret_last: id of the last when the page is
// full, else NULL. The caller frees both. RC_INVALID: no such marker.
enum rc task_db_list(struct db *db, const struct task_query *query, char **ret_json,
                     char **ret_last, struct err *err) CHECKED;
// owner: NULL, or whose it must be. RC_NOT_FOUND.
enum rc task_db_show(struct db *db, const char *id, const char *owner, char **ret_json,
                     struct err *err) CHECKED;
// Those that ended long ago go.
enum rc task_db_sweep(struct db *db, struct err *err) CHECKED;
