// SPDX-License-Identifier: Apache-2.0
#include "services/billing/rate.h"

#include <string.h>

static const char *const kind_names[N_PRICE_KINDS] = {"flat", "graduated", "volume", "package"};

const char *
price_kind_name(enum price_kind kind)
{
    return kind_names[kind];
}

bool
price_kind_parse(const char *name, enum price_kind *ret_kind)
{
    for (int kind = 0; kind < N_PRICE_KINDS; kind++) {
        if (!strcmp(name, kind_names[kind])) {
            *ret_kind = kind;
            return true;
        }
    }
    return false;
}

// Sums of products that say when they do not fit; `ok` stays false from then on.
struct exact {
    __int128 value;
    bool ok;
};

static void
exact_add_product(struct exact *sum, __int128 a, __int128 b)
{
    __int128 product;
    if (__builtin_mul_overflow(a, b, &product) ||
        __builtin_add_overflow(sum->value, product, &sum->value)) {
        sum->ok = false;
    }
}

// Where a tier ends, as a volume; the last has no end.
static __int128
tier_end(const struct price *price, int tier, __int128 unit)
{
    __int128 end;
    if (tier == price->n_tiers - 1 ||
        __builtin_mul_overflow((__int128)price->tiers[tier].up_to, unit, &end)) {
        return (__int128)(~(unsigned __int128)0 >> 1);
    }
    return end;
}

// The rules below give the cost × unit, so that nothing is divided before the one rounding.

static void
cost_flat(const struct price *price, __int128 volume, __int128 unit, struct exact *cost)
{
    exact_add_product(cost, volume, price->tiers[0].price_nano);
}

static void
cost_graduated(const struct price *price, __int128 volume, __int128 unit, struct exact *cost)
{
    __int128 begin = 0;
    for (int i = 0; i < price->n_tiers && begin < volume; i++) {
        __int128 end = MIN(volume, tier_end(price, i, unit));
        exact_add_product(cost, end - begin, price->tiers[i].price_nano);
        begin = end;
    }
}

static void
cost_volume(const struct price *price, __int128 volume, __int128 unit, struct exact *cost)
{
    int tier = 0;
    while (tier < price->n_tiers - 1 && volume > tier_end(price, tier, unit)) {
        tier++;
    }
    exact_add_product(cost, volume, price->tiers[tier].price_nano);
}

static void
cost_package(const struct price *price, __int128 volume, __int128 unit, struct exact *cost)
{
    struct exact package = {0, true};
    exact_add_product(&package, unit, price->package_units);
    __int128 n_packages = package.ok ? volume / package.value + (volume % package.value != 0) : 1;
    struct exact paid = {0, true};
    exact_add_product(&paid, n_packages, price->tiers[0].price_nano);
    cost->ok = cost->ok && paid.ok;
    exact_add_product(cost, paid.value, unit);
}

static void (*const cost_rules[N_PRICE_KINDS])(const struct price *, __int128, __int128,
                                               struct exact *) = {
    [PRICE_FLAT] = cost_flat,
    [PRICE_GRADUATED] = cost_graduated,
    [PRICE_VOLUME] = cost_volume,
    [PRICE_PACKAGE] = cost_package,
};

static enum rc
round_half_even(__int128 numerator, __int128 denominator, struct amount *ret_amount,
                struct err *err)
{
    __int128 whole = numerator / denominator, rest = numerator % denominator;
    __int128 other = denominator - rest; // compared without doubling: nothing overflows
    if (rest > other || (rest == other && whole % 2 != 0)) {
        whole++;
        rest -= denominator;
    }
    if (whole > INT64_MAX) {
        return fault(err, RC_RANGE, "an amount exceeds what the ledger can hold");
    }
    *ret_amount = (struct amount){(int64_t)whole, rest, denominator};
    return RC_OK;
}

enum rc
rate_volume(const struct price *price, __int128 volume, struct amount *ret_amount, struct err *err)
{
    __int128 unit = (__int128)price->unit_quantity * price->unit_seconds * G_USEC_PER_SEC;
    struct exact cost = {0, true};
    cost_rules[price->kind](price, volume, unit, &cost);
    if (volume > 0 && price->minimum_nano) {
        struct exact minimum = {0, true};
        exact_add_product(&minimum, price->minimum_nano, unit);
        cost.ok = cost.ok && minimum.ok;
        cost.value = MAX(cost.value, minimum.value);
    }
    if (!cost.ok) {
        return fault(err, RC_RANGE, "usage of '%s' exceeds what can be rated", price->meter);
    }
    return round_half_even(cost.value, unit, ret_amount, err);
}

void
nano_to_text(int64_t nano, char ret_text[32])
{
    uint64_t size = nano < 0 ? 0 - (uint64_t)nano : (uint64_t)nano;
    g_snprintf(ret_text, 32, "%s%" G_GUINT64_FORMAT ".%09" G_GUINT64_FORMAT, nano < 0 ? "-" : "",
               size / 1000000000, size % 1000000000);
}

bool
nano_from_text(const char *text, int64_t *ret_nano)
{
    int64_t value = 0;
    int n_whole = 0, n_decimals = -1;
    for (; *text; text++) {
        if (*text == '.' && n_decimals < 0 && n_whole) {
            n_decimals = 0;
        } else if (g_ascii_isdigit(*text) && n_decimals < 9 && n_whole < 10) {
            value = value * 10 + (*text - '0');
            n_whole += n_decimals < 0;
            n_decimals += n_decimals >= 0;
        } else {
            return false;
        }
    }
    if (!n_whole || n_decimals == 0) {
        return false;
    }
    for (n_decimals = MAX(n_decimals, 0); n_decimals < 9; n_decimals++) {
        if (value > INT64_MAX / 10) {
            return false;
        }
        value *= 10;
    }
    *ret_nano = value;
    return value <= 9000000000LL * 1000000000LL;
}

void
int128_to_text(__int128 value, char ret_text[48])
{
    char digits[48];
    int n = sizeof(digits);
    unsigned __int128 size = value < 0 ? 0 - (unsigned __int128)value : (unsigned __int128)value;
    digits[--n] = 0;
    do {
        digits[--n] = '0' + (char)(size % 10);
        size /= 10;
    } while (size);
    if (value < 0) {
        digits[--n] = '-';
    }
    memcpy(ret_text, digits + n, sizeof(digits) - n);
}

int64_t
nano_to_due(int64_t nano)
{
    enum { HUNDREDTH = 10000000 };
    struct amount due = {0};
    // Cannot fail: the quotient is smaller than what it came from.
    rc_ignore(round_half_even(nano, HUNDREDTH, &due, NULL));
    return due.nano * HUNDREDTH;
}
