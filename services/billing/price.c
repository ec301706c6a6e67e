// SPDX-License-Identifier: Apache-2.0
#include "services/billing/price.h"

#include "common/base/util.h"
#include "common/json/body.h"
#include "services/billing/billing.h"
#include <string.h>

struct price_body {
    const char *meter, *currency, *kind, *minimum, *effective_from;
    int64_t unit_quantity, unit_seconds, package_units;
    json_t *tiers;
};
static const char *const kinds[] = {"flat", "graduated", "volume", "package", NULL};
static const struct field price_fields[] = {
    FIELD(struct price_body, meter, "meter", FIELD_TEXT, FIELD_REQUIRED, 1, METER_SIZE - 1),
    FIELD(struct price_body, currency, "currency", FIELD_TEXT, 0, 3, 3),
    {.name = "kind",
     .type = FIELD_TEXT,
     .flags = FIELD_REQUIRED,
     .offset = offsetof(struct price_body, kind),
     .values = kinds},
    FIELD(struct price_body, unit_quantity, "unit_quantity", FIELD_INT, FIELD_REQUIRED, 1,
          1000000000000000),
    FIELD(struct price_body, unit_seconds, "unit_seconds", FIELD_INT, FIELD_REQUIRED, 1, 100000000),
    FIELD(struct price_body, tiers, "tiers", FIELD_ARRAY, FIELD_REQUIRED, 1, PRICE_TIERS_MAX),
    FIELD(struct price_body, package_units, "package_units", FIELD_INT, 0, 1, 1000000000000),
    FIELD(struct price_body, minimum, "minimum", FIELD_TEXT, 0, 1, 32),
    FIELD(struct price_body, effective_from, "effective_from", FIELD_TEXT, 0, 1, 40),
};
static const struct body_spec price_spec = {
    .envelope = "price",
    .fields = price_fields,
    .n_fields = sizeof(price_fields) / sizeof(price_fields[0]),
    .struct_size = sizeof(struct price_body),
};

static enum rc
invalid(const char *field, const char *what, struct err *err)
{
    return fault(err, RC_INVALID, "Invalid input for field '%s': %s", field, what);
}

struct tier_body {
    int64_t up_to;
    const char *price;
};
static const struct field tier_fields[] = {
    FIELD(struct tier_body, up_to, "up_to", FIELD_INT, FIELD_NULLABLE, 1, 1000000000000000),
    FIELD(struct tier_body, price, "price", FIELD_TEXT, FIELD_REQUIRED, 1, 32),
};
static const struct body_spec tier_spec = {
    .fields = tier_fields,
    .n_fields = sizeof(tier_fields) / sizeof(tier_fields[0]),
    .struct_size = sizeof(struct tier_body),
};

// Tiers rise, and only the last has no end.
static enum rc
tiers_from_json(json_t *items, struct price *price, struct err *err)
{
    price->n_tiers = (int)json_array_size(items);
    for (int i = 0; i < price->n_tiers; i++) {
        struct tier_body body;
        enum rc rc = body_decode(&tier_spec, json_array_get(items, i), &body, NULL, err);
        if (rc) {
            return rc;
        }
        struct price_tier *tier = &price->tiers[i];
        bool is_last = i == price->n_tiers - 1;
        if (!nano_from_text(body.price, &tier->price_nano)) {
            return invalid("price", "not a decimal with at most nine decimals", err);
        }
        if (is_last != (body.up_to == 0) ||
            (i && !is_last && body.up_to <= price->tiers[i - 1].up_to)) {
            return invalid("up_to", "tiers must rise, and only the last has none", err);
        }
        tier->up_to = is_last ? INT64_MAX : body.up_to;
    }
    if (price->n_tiers > 1 && (price->kind == PRICE_FLAT || price->kind == PRICE_PACKAGE)) {
        return invalid("tiers", "this kind has one tier", err);
    }
    return RC_OK;
}

static bool
currency_is_valid(const char *text)
{
    return strlen(text) == 3 && g_ascii_isupper(text[0]) && g_ascii_isupper(text[1]) &&
           g_ascii_isupper(text[2]);
}

enum rc
price_from_json(json_t *root, struct price *ret_price, struct err *err)
{
    struct price_body body;
    enum rc rc = body_decode(&price_spec, root, &body, NULL, err);
    if (rc) {
        return rc;
    }
    struct price price = {
        .unit_quantity = body.unit_quantity,
        .unit_seconds = body.unit_seconds,
        .package_units = body.package_units ? body.package_units : 1,
    };
    price_kind_parse(body.kind, &price.kind);
    g_strlcpy(price.meter, body.meter, sizeof(price.meter));
    if (!text_is_clean(body.meter, METER_SIZE)) {
        return invalid("meter", "it contains control characters", err);
    }
    if (body.currency && !currency_is_valid(body.currency)) {
        return invalid("currency", "not a currency code", err);
    }
    g_strlcpy(price.currency, body.currency ? body.currency : "", sizeof(price.currency));
    if (body.minimum && !nano_from_text(body.minimum, &price.minimum_nano)) {
        return invalid("minimum", "not a decimal with at most nine decimals", err);
    }
    if (body.effective_from &&
        (!iso8601_parse(body.effective_from, &price.effective_from_us) ||
         price.effective_from_us <= 0 || price.effective_from_us > TIME_MAX_US)) {
        return invalid("effective_from", "not a time", err);
    }
    rc = tiers_from_json(body.tiers, &price, err);
    if (!rc) {
        *ret_price = price;
    }
    return rc;
}

json_t *
price_to_json(const struct price *price)
{
    char text[32];
    json_t *tiers = json_array();
    for (int i = 0; i < price->n_tiers; i++) {
        const struct price_tier *tier = &price->tiers[i];
        nano_to_text(tier->price_nano, text);
        json_t *up_to = tier->up_to == INT64_MAX ? json_null() : json_integer(tier->up_to);
        json_array_append_new(tiers, json_pack("{s:o, s:s}", "up_to", up_to, "price", text));
    }
    char since[32];
    iso8601_format(price->effective_from_us, true, since);
    nano_to_text(price->minimum_nano, text);
    return json_pack("{s:s, s:s, s:i, s:s, s:s, s:I, s:I, s:o, s:I, s:s, s:s}", "id", price->id,
                     "meter", price->meter, "version", price->version, "currency", price->currency,
                     "kind", price_kind_name(price->kind), "unit_quantity",
                     (json_int_t)price->unit_quantity, "unit_seconds",
                     (json_int_t)price->unit_seconds, "tiers", tiers, "package_units",
                     (json_int_t)price->package_units, "minimum", text, "effective_from", since);
}

enum rc
price_open_list(struct request *request, GArray **ret_prices, struct err *err)
{
    struct db *db;
    enum rc rc = request_db(request, &db, err);
    return rc ? rc : price_db_list(db, ret_prices, err);
}

static enum rc
get_prices(struct request *request, struct reply *reply, struct err *err)
{
    g_autoptr(GArray) prices = NULL;
    enum rc rc = price_open_list(request, &prices, err);
    if (rc) {
        return rc;
    }
    json_t *items = json_array();
    const char *meter = request_query(request, "meter");
    for (guint i = 0; i < prices->len; i++) {
        const struct price *price = &g_array_index(prices, struct price, i);
        if (!meter || !strcmp(meter, price->meter)) {
            json_array_append_new(items, price_to_json(price));
        }
    }
    reply->json = json_pack("{s:o}", "prices", items);
    return RC_OK;
}

static enum rc
post_price(struct request *request, struct reply *reply, struct err *err)
{
    struct db *db;
    struct price_new addition = {.created_by = request_auth(request)->user_id};
    enum rc rc = price_from_json(request_json(request), &addition.price, err);
    rc = rc ? rc : request_db(request, &db, err);
    rc = rc ? rc : db_tx(db, price_db_add, &addition, err);
    if (!rc) {
        reply->json = json_pack("{s:o}", "price", price_to_json(&addition.price));
    }
    return rc;
}

static const char *const price_query[] = {"meter", NULL};

const struct route price_routes[] = {
    {.method = "GET",
     .path = "/v1/prices",
     .handle = get_prices,
     .policy = "billing:prices:list",
     .status = 200,
     .query = price_query,
     .summary = "every version of every meter's price"},
    {.method = "POST",
     .path = "/v1/prices",
     .handle = post_price,
     .policy = "billing:prices:create",
     .status = 201,
     .summary = "add a new version of a meter's price, in force from now or a later time"},
    {0},
};
