// SPDX-License-Identifier: Apache-2.0
#include "services/billing/bill.h"

#include "common/base/util.h"
#include "services/billing/price.h"

enum { INTERVALS_MAX = 200000 };

static struct rate_interval
interval_from_row(const db_result *rows, int row)
{
    bool is_open = !db_text(rows, row, "to_us");
    return (struct rate_interval){
        .resource_type = db_text(rows, row, "resource_type"),
        .resource_id = db_text(rows, row, "resource_id"),
        .resource_name = db_text(rows, row, "resource_name"),
        .meter = db_text(rows, row, "meter"),
        .quantity = db_int(rows, row, "quantity"),
        .from_us = db_int(rows, row, "from_us"),
        .to_us = is_open ? INT64_MAX : db_int(rows, row, "to_us"),
    };
}

static enum rc
bill_rate(struct bill *bill, struct err *err)
{
    int n = db_n_rows(bill->rows);
    if (n > INTERVALS_MAX) {
        return fault(err, RC_RANGE,
                     "more than %d usage intervals in this window: ask for a shorter one",
                     INTERVALS_MAX);
    }
    g_autofree struct rate_interval *intervals = g_new(struct rate_interval, n);
    for (int i = 0; i < n; i++) {
        intervals[i] = interval_from_row(bill->rows, i);
        bill->has_open = bill->has_open || intervals[i].to_us > bill->to_us;
    }
    const int64_t window_us[2] = {bill->from_us, bill->to_us};
    return rate_intervals(intervals, n, (struct price *)bill->prices->data, bill->prices->len,
                          window_us, &bill->lines, &bill->total_nano, err);
}

enum rc
bill_load(struct db *db, const char *project_id, int64_t from_us, int64_t to_us,
          struct bill *ret_bill, struct err *err)
{
    struct bill bill = {.from_us = from_us, .to_us = to_us};
    const struct interval_query query = {
        .project_id = project_id, .from_us = from_us, .to_us = to_us, .limit = INTERVALS_MAX + 1};
    enum rc rc = price_db_list(db, &bill.prices, err);
    rc = rc ? rc : interval_db_list(db, &query, &bill.rows, err);
    rc = rc ? rc : bill_rate(&bill, err);
    if (rc) {
        bill_done(&bill);
        return rc;
    }
    const char *currency =
        bill.prices->len ? g_array_index(bill.prices, struct price, 0).currency : "USD";
    g_strlcpy(bill.currency, currency, sizeof(bill.currency));
    *ret_bill = bill;
    return RC_OK;
}

void
bill_done(struct bill *bill)
{
    g_clear_pointer(&bill->lines, g_array_unref);
    g_clear_pointer(&bill->prices, g_array_unref);
    g_clear_pointer(&bill->rows, db_result_free);
}

json_t *
bill_line_to_json(const struct rate_line *line)
{
    char amount[32], from[32], to[32], volume[48];
    nano_to_text(line->amount.nano, amount);
    iso8601_format(line->from_us, true, from);
    iso8601_format(line->to_us, true, to);
    int128_to_text(line->volume, volume);
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:s, s:s, s:s, s:b, s:s?, s:s}", "resource_type",
        line->resource_type, "resource_id", line->resource_id, "resource_name", line->resource_name,
        "meter", line->meter, "quantity", (json_int_t)line->quantity, "seconds",
        (json_int_t)(line->duration_us / G_USEC_PER_SEC), "duration_us",
        (json_int_t)line->duration_us, "volume_us", volume, "from", from, "to", to, "open",
        line->is_open, "price_id", line->price ? line->price->id : NULL, "amount", amount);
}

json_t *
bill_to_json(const struct bill *bill, const char *project_id)
{
    char total[32], from[32], to[32];
    json_t *lines = json_array();
    for (guint i = 0; i < bill->lines->len; i++) {
        json_array_append_new(lines,
                              bill_line_to_json(&g_array_index(bill->lines, struct rate_line, i)));
    }
    nano_to_text(bill->total_nano, total);
    iso8601_format(bill->from_us, true, from);
    iso8601_format(bill->to_us, true, to);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:s}", "project_id", project_id, "currency",
                     bill->currency, "from", from, "to", to, "as_of", to, "lines", lines, "total",
                     total);
}
