// SPDX-License-Identifier: Apache-2.0
// A usage fact as its owner announces it, by bus or by HTTP: an interval began or ended. Taking one
// in twice changes nothing.
#pragma once
#include "common/db/db.h"

struct fact { // texts borrowed from the JSON
    const char *service, *kind, *interval_id, *project_id, *resource_type, *resource_id,
        *resource_name, *meter, *request_id;
    int64_t sequence, quantity, from_us, to_us; // to_us 0: open
};
// RC_INVALID names the field.
enum rc fact_decode(json_t *body, struct fact *ret_fact, struct err *err) CHECKED;

struct fact_batch {
    const struct fact *facts; // all of one service
    size_t n;
    int64_t contiguous; // out: everything up to it is in
};
// db_tx_fn; argument: struct fact_batch. Stores what is new and moves the service's mark.
enum rc fact_db_take(struct db *db, void *batch, struct err *err) CHECKED;
// How far a service was taken in; 0 when nothing is known of it.
enum rc fact_db_contiguous(struct db *db, const char *service, int64_t *ret_contiguous,
                           struct err *err) CHECKED;
// Everything of the service dated before settled_us is in.
enum rc fact_db_settle(struct db *db, const char *service, int64_t settled_us,
                       struct err *err) CHECKED;
// {"service", "contiguous", "settled_us"} of every known service; new reference.
enum rc fact_db_sources(struct db *db, json_t **ret_sources, struct err *err) CHECKED;
