// SPDX-License-Identifier: Apache-2.0
// Rating: what a volume of usage costs at a price. Pure and exact: integers and fractions only, one
// rounding per line. Rating the same intervals again, in any order and cut in any way, gives the
// same lines.
#pragma once
#include "common/base/err.h"
#include <glib.h>
#include <stdint.h>

enum { PRICE_TIERS_MAX = 16, METER_SIZE = 64 };
enum price_kind {
    PRICE_FLAT,      // every unit at tiers[0]
    PRICE_GRADUATED, // each unit at the price of the tier it falls in
    PRICE_VOLUME,    // all units at the price of the tier that the whole volume falls in
    PRICE_PACKAGE,   // whole packages of package_units, each at tiers[0]; a begun one counts
    N_PRICE_KINDS,
};
// A unit is unit_quantity of the meter for unit_seconds. Tiers, packages and minimum count per
// resource and calendar month (UTC).
struct price {
    char id[40], meter[METER_SIZE], currency[4];
    int version;
    enum price_kind kind;
    int64_t unit_quantity, unit_seconds;
    struct price_tier {
        int64_t up_to; // in units, inclusive; INT64_MAX in the last tier
        int64_t price_nano;
    } tiers[PRICE_TIERS_MAX];
    int n_tiers;
    int64_t package_units;
    int64_t minimum_nano; // of a line with any usage; 0: none
    int64_t effective_from_us;
};
const char *price_kind_name(enum price_kind kind);
bool price_kind_parse(const char *name, enum price_kind *ret_kind);

// An exact amount: nano + residue_numerator / residue_denominator, rounded half to even.
struct amount {
    int64_t nano;
    __int128 residue_numerator; // negative when it was rounded up
    __int128 residue_denominator;
};
// volume: quantity × µs. RC_RANGE when it exceeds what 128 bits hold.
enum rc rate_volume(const struct price *price, __int128 volume, struct amount *ret_amount,
                    struct err *err) CHECKED;

struct rate_interval { // texts borrowed
    const char *resource_type, *resource_id, *resource_name, *meter;
    int64_t quantity;
    int64_t from_us, to_us; // to_us INT64_MAX: still open
};
// A line is one resource and meter at one price version: at a flat price also one quantity, at
// others one month.
struct rate_line { // texts borrowed from the intervals
    const char *resource_type, *resource_id, *resource_name, *meter;
    const struct price *price; // NULL: the meter has none; the amount is 0
    int64_t quantity;          // at other than flat prices the last one
    int month;                 // year × 12 + month - 1, 0 at a flat price
    int64_t from_us, to_us;    // first and last instant that count
    int64_t duration_us;       // counted time
    bool is_open;              // some of it still runs
    __int128 volume;           // quantity × µs
    struct amount amount;
};
// Rates what of the intervals lies in [from_us, to_us). prices: any order. ret_lines: array of
// struct rate_line in order of resource type, id, meter, price version, month and quantity; the
// caller frees. ret_total_nano: their sum.
enum rc rate_intervals(const struct rate_interval *intervals, size_t n_intervals,
                       const struct price *prices, size_t n_prices, const int64_t window_us[2],
                       GArray **ret_lines, int64_t *ret_total_nano, struct err *err) CHECKED;

// Start of the calendar month that contains time_us, moved by `months`.
int64_t month_start_us(int64_t time_us, int months);
// "-12.000000345", always nine decimals; buffer of 32.
void nano_to_text(int64_t nano, char ret_text[32]);
// A plain decimal with at most nine decimals and no sign. False when malformed or over
// 9,000,000,000.
bool nano_from_text(const char *text, int64_t *ret_nano);
// Decimal digits of a 128-bit number; buffer of 48.
void int128_to_text(__int128 value, char ret_text[48]);
// The whole hundredths nearest to the amount, half to even.
int64_t nano_to_due(int64_t nano);
