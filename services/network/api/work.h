// SPDX-License-Identifier: Apache-2.0
// The way from committed rows to OVN. A transaction adds a work row for each object it changed
// (work_add); after the commit the same thread applies them (work_apply_request), and a sweeper
// repeats what OVN has not confirmed. OVN away never blocks the API: then only the rows remain, and
// nothing is lost.
#pragma once
#include "common/db/db.h"
#include "services/network/ovn/ovn.h"

struct service;
struct work;

// Inside the transaction of the change, also for deletions.
enum rc work_add(struct db *db, enum nb_kind kind, const char *id, struct err *err) CHECKED;
// The same for each id of a query's first column `id`; sql is constant text with the one parameter.
enum rc work_add_each(struct db *db, enum nb_kind kind, const char *sql, const char *parameter,
                      struct err *err) CHECKED;

struct work_options {
    const char *nb_remote, *sb_remote, *gateway_chassis;
    int timeout_ms;
};
// Starts OVN's threads, the sweeper, and the reconciler.
enum rc work_start(struct service *service, const struct work_options *options,
                   struct work **ret_work, struct err *err) CHECKED;
void work_stop(struct work *work);
bool work_ovn_is_ready(struct work *work);
// Applies what this request's transaction left; failures stay for the sweeper.
void work_apply_request(struct work *work, struct db *db, const char *request_id);
