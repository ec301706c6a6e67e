// SPDX-License-Identifier: Apache-2.0
#include "services/billing/price.h"

#include <string.h>

static void
tiers_from_row(json_t *items, struct price *price)
{
    price->n_tiers = (int)MIN(json_array_size(items), (size_t)PRICE_TIERS_MAX);
    for (int i = 0; i < price->n_tiers; i++) {
        json_t *item = json_array_get(items, i);
        json_t *up_to = json_object_get(item, "up_to");
        price->tiers[i].up_to = json_is_integer(up_to) ? json_integer_value(up_to) : INT64_MAX;
        price->tiers[i].price_nano = json_integer_value(json_object_get(item, "price_nano"));
    }
}

static bool
price_from_row(const db_result *rows, int row, struct price *price)
{
    *price = (struct price){
        .version = (int)db_int(rows, row, "version"),
        .unit_quantity = db_int(rows, row, "unit_quantity"),
        .unit_seconds = db_int(rows, row, "unit_seconds"),
        .package_units = db_int(rows, row, "package_units"),
        .minimum_nano = db_int(rows, row, "minimum_nano"),
        .effective_from_us = db_int(rows, row, "effective_from_us"),
    };
    g_strlcpy(price->id, db_text(rows, row, "id"), sizeof(price->id));
    g_strlcpy(price->meter, db_text(rows, row, "meter"), sizeof(price->meter));
    g_strlcpy(price->currency, db_text(rows, row, "currency"), sizeof(price->currency));
    json_auto_t *tiers = db_json(rows, row, "tiers");
    tiers_from_row(tiers, price);
    return price_kind_parse(db_text(rows, row, "kind"), &price->kind) && price->n_tiers > 0;
}

enum rc
price_db_list(struct db *db, GArray **ret_prices, struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc = db_run(db,
                        "SELECT id, meter, version, currency, kind, unit_quantity, unit_seconds, "
                        "tiers, package_units,"
                        " minimum_nano, effective_from_us FROM price ORDER BY meter, version",
                        DB_NONE, &rows, err);
    if (rc) {
        return rc;
    }
    g_autoptr(GArray) prices =
        g_array_sized_new(false, true, sizeof(struct price), db_n_rows(rows));
    for (int i = 0; i < db_n_rows(rows); i++) {
        struct price price;
        if (!price_from_row(rows, i, &price)) {
            return fault(err, RC_INTERNAL, "price '%s' is not understood", db_text(rows, i, "id"));
        }
        g_array_append_val(prices, price);
    }
    *ret_prices = g_steal_pointer(&prices);
    return RC_OK;
}

static char *
tiers_to_text(const struct price *price)
{
    json_auto_t *tiers = json_array();
    for (int i = 0; i < price->n_tiers; i++) {
        const struct price_tier *tier = &price->tiers[i];
        json_t *up_to = tier->up_to == INT64_MAX ? json_null() : json_integer(tier->up_to);
        json_array_append_new(tiers, json_pack("{s:o, s:I}", "up_to", up_to, "price_nano",
                                               (json_int_t)tier->price_nano));
    }
    return json_dumps(tiers, JSON_COMPACT);
}

static enum rc
price_insert(struct db *db, struct price_new *addition, struct err *err)
{
    struct price *price = &addition->price;
    g_autofree char *tiers = tiers_to_text(price);
    g_autoptr(db_result) row = NULL;
    enum rc rc = db_run_one(db,
                            "INSERT INTO price (meter, version, currency, kind, unit_quantity, "
                            "unit_seconds, tiers, package_units,"
                            " minimum_nano, effective_from_us, created_by)"
                            " VALUES ($1, (SELECT coalesce(max(version), 0) + 1 FROM price WHERE "
                            "meter = $1), $2, $3, $4, $5, $6::jsonb, $7,"
                            " $8, $9, $10) RETURNING id, version",
                            DB_ARGS(db_s(price->meter), db_s(price->currency),
                                    db_s(price_kind_name(price->kind)), db_i(price->unit_quantity),
                                    db_i(price->unit_seconds), db_s(tiers),
                                    db_i(price->package_units), db_i(price->minimum_nano),
                                    db_i(price->effective_from_us), db_s(addition->created_by)),
                            &row, err);
    if (!rc) {
        g_strlcpy(price->id, db_text(row, 0, "id"), sizeof(price->id));
        price->version = (int)db_int(row, 0, "version");
    }
    return rc;
}

enum rc
price_db_add(struct db *db, void *argument, struct err *err)
{
    struct price_new *addition = argument;
    struct price_new attempt = *addition;
    struct price *price = &attempt.price;
    g_autoptr(db_result) known = NULL;
    enum rc rc = db_lock_text(db, "price", "list", err);
    rc = rc ? rc
            : db_run_one(
                  db,
                  "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now_us,"
                  " (SELECT max(effective_from_us) FROM price WHERE meter = $1) AS newest_us,"
                  " (SELECT currency FROM price ORDER BY created_at, id LIMIT 1) AS currency",
                  DB_ARGS(db_s(price->meter)), &known, err);
    if (rc) {
        return rc;
    }
    const char *currency = db_text(known, 0, "currency");
    if (!*price->currency) {
        g_strlcpy(price->currency, currency ? currency : "USD", sizeof(price->currency));
    } else if (currency && strcmp(currency, price->currency)) {
        return fault(err, RC_CONFLICT, "prices are in %s, not in %s", currency, price->currency);
    }
    int64_t now_us = db_int(known, 0, "now_us");
    price->effective_from_us = price->effective_from_us ? price->effective_from_us : now_us;
    if (price->effective_from_us < now_us ||
        (db_text(known, 0, "newest_us") &&
         price->effective_from_us <= db_int(known, 0, "newest_us"))) {
        return fault(err, RC_CONFLICT,
                     "a price of '%s' must begin after now and after its newest version",
                     price->meter);
    }
    rc = price_insert(db, &attempt, err);
    if (!rc) {
        *addition = attempt;
    }
    return rc;
}
