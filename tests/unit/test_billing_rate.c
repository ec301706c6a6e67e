// SPDX-License-Identifier: Apache-2.0
// Rating: the rules by table, and what must hold for any usage: order and cutting do not matter,
// nothing is lost in rounding.
#include "services/billing/rate.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>

#define HOUR_US INT64_C(3600000000)
#define UNIT ((__int128)HOUR_US)

static struct price
price_of(enum price_kind kind, int64_t price_nano)
{
    return (struct price){
        .id = "p1",
        .meter = "m",
        .version = 1,
        .kind = kind,
        .unit_quantity = 1,
        .unit_seconds = 3600,
        .tiers = {{INT64_MAX, price_nano}},
        .n_tiers = 1,
        .package_units = 1,
    };
}

static struct price
price_tiered(enum price_kind kind)
{
    struct price price = price_of(kind, 0);
    price.n_tiers = 3;
    price.tiers[0] = (struct price_tier){10, 100};
    price.tiers[1] = (struct price_tier){100, 50};
    price.tiers[2] = (struct price_tier){INT64_MAX, 10};
    return price;
}

static int64_t
cost_of(const struct price *price, __int128 volume)
{
    struct amount amount;
    struct err err;
    ck_assert_msg(rate_volume(price, volume, &amount, &err) == RC_OK, "%s", err.message);
    return amount.nano;
}

START_TEST(each_kind_follows_its_rule)
{
    struct price flat = price_of(PRICE_FLAT, 3600), graduated = price_tiered(PRICE_GRADUATED),
                 volume = price_tiered(PRICE_VOLUME), package = price_of(PRICE_PACKAGE, 7),
                 minimum = price_of(PRICE_FLAT, 10);
    package.package_units = 5;
    minimum.minimum_nano = 1000;
    const struct {
        const struct price *price;
        __int128 volume;
        int64_t nano;
    } cases[] = {
        {&flat, 0, 0},
        {&flat, 1000000, 1}, // one second at 3600 per hour
        {&flat, 499999, 0},  // rounds down
        {&flat, 500000, 0},  // a half to even
        {&flat, 1500000, 2}, // a half to even
        {&flat, 1500001, 2},
        {&flat, 2500000, 2},
        {&flat, 2500001, 3},
        {&flat, UNIT * 24, 86400},
        {&graduated, UNIT * 10, 1000},
        {&graduated, UNIT * 11, 1050},
        {&graduated, UNIT * 100, 1000 + 90 * 50},
        {&graduated, UNIT * 1000, 1000 + 90 * 50 + 900 * 10},
        {&volume, UNIT * 10, 1000},
        {&volume, UNIT * 11, 550},
        {&volume, UNIT * 100, 5000},
        {&volume, UNIT * 101, 1010},
        {&package, 0, 0},
        {&package, 1, 7},
        {&package, UNIT * 5, 7},
        {&package, UNIT * 5 + 1, 14},
        {&minimum, 0, 0},
        {&minimum, 1, 1000},
        {&minimum, UNIT * 101, 1010},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ck_assert_msg(cost_of(cases[i].price, cases[i].volume) == cases[i].nano, "case %zu: %ld", i,
                      (long)cost_of(cases[i].price, cases[i].volume));
    }
}
END_TEST

START_TEST(amount_and_residue_are_exactly_the_cost)
{
    g_autoptr(GRand) random = g_rand_new_with_seed(1);
    for (int i = 0; i < 20000; i++) {
        struct price price = price_of(PRICE_FLAT, g_rand_int(random) % 1000000007);
        price.unit_seconds = 1 + g_rand_int(random) % 2592000;
        price.unit_quantity = 1 + g_rand_int(random) % 1000;
        __int128 volume = (__int128)g_rand_int(random) * g_rand_int(random);
        __int128 unit = (__int128)price.unit_quantity * price.unit_seconds * 1000000;
        struct amount amount;
        struct err err;
        ck_assert_int_eq(rate_volume(&price, volume, &amount, &err), RC_OK);
        __int128 exact = volume * price.tiers[0].price_nano;
        ck_assert(amount.residue_denominator == unit);
        ck_assert((__int128)amount.nano * unit + amount.residue_numerator == exact);
        __int128 size =
            amount.residue_numerator < 0 ? -amount.residue_numerator : amount.residue_numerator;
        ck_assert(size * 2 <= unit);
    }
}
END_TEST

START_TEST(what_does_not_fit_is_refused)
{
    struct price price = price_of(PRICE_FLAT, INT64_MAX);
    struct amount amount;
    struct err err;
    __int128 largest = (__int128)(~(unsigned __int128)0 >> 1);
    for (int kind = 0; kind < N_PRICE_KINDS; kind++) {
        price.kind = kind;
        ck_assert_int_eq(rate_volume(&price, largest, &amount, &err), RC_RANGE);
    }
}
END_TEST

enum { N_METERS = 3, N_RESOURCES = 5, N_INTERVALS = 60 };
static const char *const meters[N_METERS] = {"m", "n", "unpriced"};
static const char *const resources[N_RESOURCES] = {"r0", "r1", "r2", "r3", "r4"};

static size_t
random_prices(GRand *random, struct price prices[8])
{
    size_t n = 0;
    for (int meter = 0; meter < 2; meter++) {
        int64_t from_us = 0;
        for (int version = 1; version <= 3; version++) {
            struct price price = price_tiered(g_rand_int_range(random, 0, N_PRICE_KINDS));
            price.n_tiers = price.kind == PRICE_FLAT || price.kind == PRICE_PACKAGE ? 1 : 3;
            price.version = version;
            price.unit_seconds = 1 + g_rand_int(random) % 7200;
            price.minimum_nano = g_rand_boolean(random) ? 12345 : 0;
            price.effective_from_us = from_us;
            strcpy(price.meter, meters[meter]);
            prices[n++] = price;
            from_us += 1 + (int64_t)g_rand_int(random) * 1500;
        }
    }
    return n;
}

static struct rate_interval
random_interval(GRand *random)
{
    const char *resource = resources[g_rand_int_range(random, 0, N_RESOURCES)];
    int64_t from_us = 1 + (int64_t)g_rand_int(random) * 3000;
    return (struct rate_interval){
        .resource_type = "server",
        .resource_id = resource,
        .resource_name = resource,
        .meter = meters[g_rand_int_range(random, 0, N_METERS)],
        .quantity = g_rand_int(random) % 5000,
        .from_us = from_us,
        .to_us = g_rand_int_range(random, 0, 20) ? from_us + (int64_t)g_rand_int(random) * 20
                                                 : INT64_MAX,
    };
}

static int64_t
total_of(const GArray *intervals, const struct price *prices, size_t n_prices, char **ret_text)
{
    const int64_t window_us[2] = {1000, (int64_t)UINT32_MAX * 4000};
    GArray *lines;
    int64_t total, sum = 0;
    struct err err;
    ck_assert_msg(rate_intervals((struct rate_interval *)intervals->data, intervals->len, prices,
                                 n_prices, window_us, &lines, &total, &err) == RC_OK,
                  "%s", err.message);
    g_autoptr(GString) text = g_string_new(NULL);
    for (guint i = 0; i < lines->len; i++) {
        const struct rate_line *line = &g_array_index(lines, struct rate_line, i);
        sum += line->amount.nano;
        g_string_append_printf(text, "%s %s %d %d %ld %ld\n", line->resource_id, line->meter,
                               line->price ? line->price->version : 0, line->month,
                               (long)line->duration_us, (long)line->amount.nano);
    }
    ck_assert_int_eq(sum, total);
    g_array_unref(lines);
    *ret_text = g_string_free(g_steal_pointer(&text), false);
    return total;
}

static void
shuffle(GRand *random, GArray *intervals)
{
    for (guint i = intervals->len; i > 1; i--) {
        guint other = g_rand_int_range(random, 0, (gint32)i);
        struct rate_interval *items = (struct rate_interval *)intervals->data, kept = items[i - 1];
        items[i - 1] = items[other];
        items[other] = kept;
    }
}

// Every interval in up to four pieces that touch.
static GArray *
cut(GRand *random, const GArray *intervals)
{
    GArray *pieces = g_array_new(false, false, sizeof(struct rate_interval));
    for (guint i = 0; i < intervals->len; i++) {
        struct rate_interval rest = g_array_index(intervals, struct rate_interval, i);
        for (int n = g_rand_int_range(random, 0, 4); n > 0 && rest.to_us - rest.from_us > 1; n--) {
            struct rate_interval piece = rest;
            int64_t length = MIN(rest.to_us - rest.from_us, INT64_C(100000000000000));
            piece.to_us = rest.from_us + (int64_t)(g_rand_double(random) * (double)length);
            rest.from_us = piece.to_us;
            g_array_append_val(pieces, piece);
        }
        g_array_append_val(pieces, rest);
    }
    return pieces;
}

START_TEST(order_and_cutting_do_not_change_a_line)
{
    g_autoptr(GRand) random = g_rand_new_with_seed(20261120);
    for (int round = 0; round < 200; round++) {
        struct price prices[8];
        size_t n_prices = random_prices(random, prices);
        g_autoptr(GArray) intervals = g_array_new(false, false, sizeof(struct rate_interval));
        for (int i = 0; i < N_INTERVALS; i++) {
            struct rate_interval interval = random_interval(random);
            g_array_append_val(intervals, interval);
        }
        g_autofree char *whole = NULL, *shuffled = NULL, *pieces = NULL;
        int64_t total = total_of(intervals, prices, n_prices, &whole);
        shuffle(random, intervals);
        ck_assert_int_eq(total_of(intervals, prices, n_prices, &shuffled), total);
        ck_assert_str_eq(shuffled, whole);
        g_autoptr(GArray) parts = cut(random, intervals);
        shuffle(random, parts);
        ck_assert_int_eq(total_of(parts, prices, n_prices, &pieces), total);
        ck_assert_str_eq(pieces, whole);
    }
}
END_TEST

START_TEST(a_new_price_begins_at_its_instant)
{
    struct price prices[2] = {price_of(PRICE_FLAT, 3600), price_of(PRICE_FLAT, 7200)};
    prices[1].version = 2;
    prices[1].effective_from_us = 10 * G_USEC_PER_SEC;
    const struct rate_interval interval = {"server",           "r",      "web", "m", 1,
                                           4 * G_USEC_PER_SEC, INT64_MAX};
    const int64_t window_us[2] = {0, 15 * G_USEC_PER_SEC};
    GArray *lines;
    int64_t total;
    struct err err;
    ck_assert_int_eq(rate_intervals(&interval, 1, prices, 2, window_us, &lines, &total, &err),
                     RC_OK);
    ck_assert_int_eq(lines->len, 2);
    ck_assert_int_eq(total, 6 + 10);
    ck_assert(g_array_index(lines, struct rate_line, 0).is_open);
    g_array_unref(lines);
}
END_TEST

START_TEST(no_usage_is_no_line)
{
    const int64_t window_us[2] = {1, 2};
    GArray *lines;
    int64_t total = 1;
    struct err err;
    ck_assert_int_eq(rate_intervals(NULL, 0, NULL, 0, window_us, &lines, &total, &err), RC_OK);
    ck_assert_int_eq(lines->len, 0);
    ck_assert_int_eq(total, 0);
    g_array_unref(lines);
}
END_TEST

START_TEST(months_begin_at_utc_midnight_of_the_first)
{
    const int64_t nov20 = INT64_C(1795209439000000); // 2026-11-20T20:37:19Z
    ck_assert_int_eq(month_start_us(nov20, 0), INT64_C(1793491200000000));
    ck_assert_int_eq(month_start_us(nov20, 1), INT64_C(1796083200000000));
    ck_assert_int_eq(month_start_us(nov20, 2), INT64_C(1798761600000000)); // 2027
}
END_TEST

START_TEST(money_is_decimal_text)
{
    static const struct {
        const char *text;
        int64_t nano;
        const char *shown; // NULL: refused
    } cases[] = {
        {"0", 0, "0.000000000"},
        {"0.008", 8000000, "0.008000000"},
        {"12.345678901", 12345678901, "12.345678901"},
        {"9000000000", 9000000000000000000, "9000000000.000000000"},
        {"9000000001", 0, NULL},
        {"99999999999", 0, NULL},
        {"", 0, NULL},
        {".5", 0, NULL},
        {"5.", 0, NULL},
        {"-1", 0, NULL},
        {"+1", 0, NULL},
        {"1e3", 0, NULL},
        {"1.0000000001", 0, NULL},
        {"1.2.3", 0, NULL},
        {" 1", 0, NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t nano = 0;
        char shown[32];
        ck_assert_msg(nano_from_text(cases[i].text, &nano) == (cases[i].shown != NULL), "'%s'",
                      cases[i].text);
        if (cases[i].shown) {
            ck_assert_int_eq(nano, cases[i].nano);
            nano_to_text(nano, shown);
            ck_assert_str_eq(shown, cases[i].shown);
        }
    }
    char text[48];
    nano_to_text(INT64_MIN, text);
    ck_assert_str_eq(text, "-9223372036.854775808");
    int128_to_text((__int128)INT64_MIN * 10, text);
    ck_assert_str_eq(text, "-92233720368547758080");
    ck_assert_int_eq(nano_to_due(15000000), 20000000);
    ck_assert_int_eq(nano_to_due(25000000), 20000000);
    ck_assert_int_eq(nano_to_due(25000001), 30000000);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("billing_rate");
    TCase *tcase = tcase_create("all");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, each_kind_follows_its_rule);
    tcase_add_test(tcase, amount_and_residue_are_exactly_the_cost);
    tcase_add_test(tcase, what_does_not_fit_is_refused);
    tcase_add_test(tcase, order_and_cutting_do_not_change_a_line);
    tcase_add_test(tcase, a_new_price_begins_at_its_instant);
    tcase_add_test(tcase, no_usage_is_no_line);
    tcase_add_test(tcase, months_begin_at_utc_midnight_of_the_first);
    tcase_add_test(tcase, money_is_decimal_text);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
