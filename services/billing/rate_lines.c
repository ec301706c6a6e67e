// SPDX-License-Identifier: Apache-2.0
// Intervals into lines: cut by the window, by price versions and, where the price counts by month,
// by months.
#include "services/billing/rate.h"

#include <stdlib.h>
#include <string.h>

struct builder {
    const struct price *prices;
    size_t n_prices;
    GArray *lines;
    GHashTable *by_key; // key text → index + 1 in lines
    struct err *err;
};

static enum rc add_interval(struct builder *builder, const struct rate_interval *interval,
                            int64_t from_us, int64_t to_us);
static int compare_lines(const void *a, const void *b);

static enum rc
rate_all(struct builder *builder, int64_t *ret_total_nano)
{
    int64_t total = 0;
    for (guint i = 0; i < builder->lines->len; i++) {
        struct rate_line *line = &g_array_index(builder->lines, struct rate_line, i);
        line->amount = (struct amount){0, 0, 1};
        enum rc rc = line->price
                         ? rate_volume(line->price, line->volume, &line->amount, builder->err)
                         : RC_OK;
        if (rc) {
            return rc;
        }
        if (__builtin_add_overflow(total, line->amount.nano, &total)) {
            return fault(builder->err, RC_RANGE, "the total exceeds what the ledger can hold");
        }
    }
    *ret_total_nano = total;
    return RC_OK;
}

enum rc
rate_intervals(const struct rate_interval *intervals, size_t n_intervals,
               const struct price *prices, size_t n_prices, const int64_t window_us[2],
               GArray **ret_lines, int64_t *ret_total_nano, struct err *err)
{
    struct builder builder = {
        .prices = prices,
        .n_prices = n_prices,
        .lines = g_array_new(false, true, sizeof(struct rate_line)),
        .by_key = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL),
        .err = err,
    };
    enum rc rc = RC_OK;
    for (size_t i = 0; i < n_intervals && !rc; i++) {
        int64_t from_us = MAX(intervals[i].from_us, window_us[0]);
        int64_t to_us = MIN(intervals[i].to_us, window_us[1]);
        rc = from_us < to_us ? add_interval(&builder, &intervals[i], from_us, to_us) : RC_OK;
    }
    g_hash_table_unref(builder.by_key);
    rc = rc ? rc : rate_all(&builder, ret_total_nano);
    if (rc) {
        g_array_unref(builder.lines);
        return rc;
    }
    if (builder.lines->len) {
        qsort(builder.lines->data, builder.lines->len, sizeof(struct rate_line), compare_lines);
    }
    *ret_lines = builder.lines;
    return RC_OK;
}

// The version in force at an instant; ret_until_us: when the next one of the meter begins.
static const struct price *
price_at(const struct builder *builder, const char *meter, int64_t time_us, int64_t *ret_until_us)
{
    const struct price *found = NULL;
    *ret_until_us = INT64_MAX;
    for (size_t i = 0; i < builder->n_prices; i++) {
        const struct price *price = &builder->prices[i];
        if (strcmp(price->meter, meter)) {
            continue;
        }
        if (price->effective_from_us > time_us) {
            *ret_until_us = MIN(*ret_until_us, price->effective_from_us);
        } else if (!found || price->effective_from_us > found->effective_from_us) {
            found = price;
        }
    }
    return found;
}

static bool
counts_by_month(const struct price *price)
{
    return price && (price->kind != PRICE_FLAT || price->minimum_nano);
}

static struct rate_line *
line_of(struct builder *builder, const struct rate_interval *interval, const struct price *price,
        int month)
{
    g_autofree char *key =
        g_strdup_printf("%s %s %d %d %" G_GINT64_FORMAT, interval->resource_id, interval->meter,
                        price ? price->version : 0, month, month ? 0 : interval->quantity);
    guint known = GPOINTER_TO_UINT(g_hash_table_lookup(builder->by_key, key));
    if (known) {
        return &g_array_index(builder->lines, struct rate_line, known - 1);
    }
    struct rate_line line = {
        .resource_type = interval->resource_type,
        .resource_id = interval->resource_id,
        .meter = interval->meter,
        .price = price,
        .month = month,
        .from_us = INT64_MAX,
    };
    g_array_append_val(builder->lines, line);
    g_hash_table_insert(builder->by_key, g_steal_pointer(&key),
                        GUINT_TO_POINTER(builder->lines->len));
    return &g_array_index(builder->lines, struct rate_line, builder->lines->len - 1);
}

static enum rc
add_piece(struct builder *builder, const struct rate_interval *interval, const struct price *price,
          int month, const int64_t piece_us[2])
{
    struct rate_line *line = line_of(builder, interval, price, month);
    int64_t duration_us = piece_us[1] - piece_us[0];
    if (__builtin_add_overflow(line->volume, (__int128)interval->quantity * duration_us,
                               &line->volume) ||
        __builtin_add_overflow(line->duration_us, duration_us, &line->duration_us)) {
        return fault(builder->err, RC_RANGE, "usage of '%s' exceeds what can be rated",
                     interval->meter);
    }
    line->is_open |= interval->to_us == INT64_MAX;
    line->from_us = MIN(line->from_us, piece_us[0]);
    if (piece_us[1] > line->to_us) { // the latest piece names the resource
        line->to_us = piece_us[1];
        line->resource_name = interval->resource_name;
        line->quantity = interval->quantity;
    }
    return RC_OK;
}

static int
month_number(int64_t time_us)
{
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(time_us / G_USEC_PER_SEC);
    return g_date_time_get_year(time) * 12 + g_date_time_get_month(time) - 1;
}

int64_t
month_start_us(int64_t time_us, int months)
{
    int number = month_number(time_us) + months;
    g_autoptr(GDateTime) start = g_date_time_new_utc(number / 12, number % 12 + 1, 1, 0, 0, 0);
    return g_date_time_to_unix(start) * G_USEC_PER_SEC;
}

static enum rc
add_interval(struct builder *builder, const struct rate_interval *interval, int64_t from_us,
             int64_t to_us)
{
    enum rc rc = RC_OK;
    while (from_us < to_us && !rc) {
        int64_t until_us;
        const struct price *price = price_at(builder, interval->meter, from_us, &until_us);
        int month = 0;
        if (counts_by_month(price)) {
            month = month_number(from_us);
            until_us = MIN(until_us, month_start_us(from_us, 1));
        }
        const int64_t piece_us[2] = {from_us, MIN(to_us, until_us)};
        rc = add_piece(builder, interval, price, month, piece_us);
        from_us = piece_us[1];
    }
    return rc;
}

static int
compare_int64(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int
compare_lines(const void *a, const void *b)
{
    const struct rate_line *one = a, *two = b;
    int order = strcmp(one->resource_type, two->resource_type);
    order = order ? order : strcmp(one->resource_id, two->resource_id);
    order = order ? order : strcmp(one->meter, two->meter);
    order = order ? order
                  : (one->price ? one->price->version : 0) - (two->price ? two->price->version : 0);
    order = order ? order : one->month - two->month;
    return order ? order : compare_int64(one->quantity, two->quantity);
}
