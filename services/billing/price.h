// SPDX-License-Identifier: Apache-2.0
// The price list: versions are added, never changed.
#pragma once
#include "common/db/db.h"
#include "services/billing/rate.h"

// From and to JSON as the API shows it: money as decimal text per unit. RC_INVALID names the field.
enum rc price_from_json(json_t *body, struct price *ret_price, struct err *err) CHECKED;
json_t *price_to_json(const struct price *price); // new reference

// All versions of all meters, by meter and version. ret_prices: array of struct price; the caller
// frees.
enum rc price_db_list(struct db *db, GArray **ret_prices, struct err *err) CHECKED;
// The same for a request.
struct request;
enum rc price_open_list(struct request *request, GArray **ret_prices, struct err *err) CHECKED;
struct price_new {
    struct price
        price; // version, id and, when empty, currency are filled in; effective_from_us 0: now
    const char *created_by;
};
// db_tx_fn; argument: struct price_new. RC_CONFLICT: another currency, or not after the meter's
// newest version and now.
enum rc price_db_add(struct db *db, void *price_new, struct err *err) CHECKED;
