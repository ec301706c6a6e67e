// SPDX-License-Identifier: Apache-2.0
// What one project's usage of a window costs: loaded, rated, and worded as the API shows it.
#pragma once
#include "common/db/db.h"
#include "services/billing/rate.h"

struct bill {
    db_result *rows; // the lines' texts live here
    GArray *prices;
    GArray *lines; // struct rate_line
    int64_t from_us, to_us;
    int64_t total_nano;
    char currency[4];
    bool has_open; // some of it still runs
};
// Usage of the project in [from_us, to_us). RC_RANGE when there are too many intervals or amounts
// do not fit.
enum rc bill_load(struct db *db, const char *project_id, int64_t from_us, int64_t to_us,
                  struct bill *ret_bill, struct err *err) CHECKED;
void bill_done(struct bill *bill);
json_t *bill_line_to_json(const struct rate_line *line); // new reference
// {"project_id", "currency", "from", "to", "as_of", "lines", "total"}; new reference.
json_t *bill_to_json(const struct bill *bill, const char *project_id);

// Rows of intervals overlapping the window, oldest first, with columns as the table's and page_key.
struct interval_query {
    const char *project_id, *resource_id; // resource_id NULL: all
    int64_t from_us, to_us;
    int64_t after_us;     // page: after this (from_us, id)
    const char *after_id; // NULL: from the start
    int64_t limit;
};
enum rc interval_db_list(struct db *db, const struct interval_query *query, db_result **ret_rows,
                         struct err *err) CHECKED;
// The database's now.
enum rc interval_db_now(struct db *db, int64_t *ret_now_us, struct err *err) CHECKED;
// Projects that have usage in the window: column project_id.
enum rc interval_db_projects(struct db *db, int64_t from_us, int64_t to_us, db_result **ret_rows,
                             struct err *err) CHECKED;
