// SPDX-License-Identifier: Apache-2.0
// Limits live in identity and reach each service's quota_limit table by the identity feed: a
// project's own, else the registered default, else (identity was never heard) the row of the
// service's const table. Usage is always counted from rows in the
// transaction that creates, under the project's lock.
#pragma once
#include "common/db/db.h"

struct quota_resource {
    const char *name;      // "instances", "cores", "ram", "floatingip", "image_size_total"
    int64_t default_limit; // -1: unlimited
    const char *used_sql; // "SELECT count(*) FROM server WHERE project_id=$1 …": one bigint; $1 the
                          // project's id
    const char *limit_name; // what identity's registered limit is called; NULL: as name
    int64_t unit;           // of limits, in what used_sql counts: 1 << 20 for MiB of bytes; 0: 1
};
// The name that identity, its feed and quota_limit use.
static inline const char *
quota_limit_name(const struct quota_resource *resource)
{
    return resource->limit_name ? resource->limit_name : resource->name;
}
// Ended by a row with name NULL.

// Limit of one project, times the resource's unit; -1: unlimited.
enum rc quota_limit(struct db *db, const struct quota_resource *resource, const char *project_id,
                    int64_t *ret_limit, struct err *err) CHECKED;
struct quota_request {
    const struct quota_resource *resource;
    int64_t amount;    // that is to be added to what is counted
    int64_t tolerance; // so much may be over the limit
};
// Takes the project's lock, then checks every request in ONE statement. RC_QUOTA names the first
// resource that does not fit: "Quota exceeded for cores: Requested 4, but already used 18 of 20
// cores". Must run inside db_tx, before the INSERT.
enum rc quota_check(struct db *db, const char *project_id, const struct quota_request *requests,
                    size_t n_requests, struct err *err) CHECKED;
// {"instances": {"limit": 10, "used": 2}, …} for every row of the table, in limits' units; new
// reference. project_id "": the defaults.
enum rc quota_report(struct db *db, const struct quota_resource *resources, const char *project_id,
                     json_t **ret_report, struct err *err) CHECKED;
// What is left of the limit, in what used_sql counts; less than 0 when it was lowered since;
// INT64_MAX: unlimited.
enum rc quota_room(struct db *db, const struct quota_resource *resource, const char *project_id,
                   int64_t *ret_room, struct err *err) CHECKED;

// Limits as identity tells them: [{"project_id", "resource", "value" or null, "n"}], those with n
// above `after`. What is known by a later n stays.
enum rc quota_store(struct db *db, json_t *events, int64_t after, struct err *err) CHECKED;
// The same for what identity answered to a change, ahead of the feed. Not inside db_tx.
enum rc quota_store_told(struct db *db, json_t *events, struct err *err) CHECKED;
// Inside db_tx, with the feed's cursor locked: rows that say "back to the default" and that no
// event to come can be older than.
enum rc quota_collect(struct db *db, int64_t cursor, struct err *err) CHECKED;
// Identity began anew: nothing that it said before counts.
enum rc quota_forget(struct db *db, struct err *err) CHECKED;

// What an API's PUT changes: sent to identity, which decides, and written here at once, so that the
// next request sees it before the feed brings it. Blocks: ROUTE_SLOW only.
struct client;
struct quota_change {
    const char *service;    // "compute"
    const char *project_id; // "": the default of every project
    json_t *values;         // {"cores": 8, "ram": null}: by quota_resource name; null: the default
    const struct quota_resource *resources;
};
// RC_INVALID, RC_NOT_FOUND and RC_FORBIDDEN are identity's: unknown name, no such project, not
// within the parent's limit.
enum rc quota_set(struct db *db, struct client *client, const char *identity_url,
                  const struct quota_change *change, struct err *err) CHECKED;
