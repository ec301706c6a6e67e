// SPDX-License-Identifier: Apache-2.0
// Limits live in identity and reach each service's quota_limit table by the identity feed; the
// default is the row of the service's const table. Usage is always counted from rows in the
// transaction that creates, under the project's lock.
#pragma once
#include "common/db/db.h"

struct quota_resource {
    const char *name;      // "instances", "cores", "ram", "floatingip", "image_size_total"
    int64_t default_limit; // -1: unlimited
    const char *used_sql; // "SELECT count(*) FROM server WHERE project_id=$1 …": one bigint; $1 the
                          // project's id
};
// Ended by a row with name NULL.

// Limit of one project: its own row, else the table's default.
enum rc quota_limit(struct db *db, const struct quota_resource *resource, const char *project_id,
                    int64_t *ret_limit, struct err *err) CHECKED;
struct quota_request {
    const struct quota_resource *resource;
    int64_t amount;
};
// Takes the project's lock, then checks every request in ONE statement. RC_QUOTA names the first
// resource that does not fit: "Quota exceeded for cores: Requested 4, but already used 18 of 20
// cores". Must run inside db_tx, before the INSERT.
enum rc quota_check(struct db *db, const char *project_id, const struct quota_request *requests,
                    size_t n_requests, struct err *err) CHECKED;
// {"instances": {"limit": 10, "used": 2}, …} for every row of the table; new reference.
enum rc quota_report(struct db *db, const struct quota_resource *resources, const char *project_id,
                     json_t **ret_report, struct err *err) CHECKED;
