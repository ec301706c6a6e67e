// SPDX-License-Identifier: Apache-2.0
#include "services/network/api/subnetpool_db.h"

#include "common/base/util.h"

#include <jansson.h>
#include <string.h>

struct pool {
    json_t *prefixes;
    int min_length, max_length, default_length, version;
    GArray *taken; // struct prefix, in order
};

static enum rc
lock_pool(struct db *db, const struct subnetpool_wish *wish, struct subnetpool_choice *ret,
          struct pool *pool, struct err *err)
{
    g_autoptr(db_result) row = NULL;
    enum rc rc = RC_OK;
    if (!wish->pool_id || uuid_is_valid(wish->pool_id)) {
        rc = db_run(
            db,
            "SELECT id, ip_version, prefixes, min_prefixlen, max_prefixlen, default_prefixlen FROM "
            "subnetpool "
            "WHERE ($1::uuid IS NULL AND is_default AND ip_version = $2::int OR id = $1::uuid) "
            "AND ($3::text IS NULL OR shared OR project_id = $3) ORDER BY id LIMIT 1 FOR UPDATE",
            DB_ARGS(db_s(wish->pool_id), db_i(wish->ip_version), db_s(wish->project_id)), &row,
            err);
    }
    if (rc != RC_OK) {
        return rc;
    }
    if (!row || db_n_rows(row) == 0) {
        return fault_typed(err, wish->pool_id ? RC_NOT_FOUND : RC_INVALID, "SubnetPoolNotFound",
                           "Subnet pool %.100s could not be found.",
                           wish->pool_id ? wish->pool_id : "of the default");
    }
    g_strlcpy(ret->pool_id, db_text(row, 0, "id"), sizeof ret->pool_id);
    ret->ip_version = pool->version = (int)db_int(row, 0, "ip_version");
    pool->prefixes = db_json(row, 0, "prefixes");
    pool->min_length = (int)db_int(row, 0, "min_prefixlen");
    pool->max_length = (int)db_int(row, 0, "max_prefixlen");
    pool->default_length = (int)db_int(row, 0, "default_prefixlen");
    return RC_OK;
}

static enum rc
read_taken(struct db *db, const char *pool_id, GArray *taken, struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc =
        db_run(db, "SELECT cidr::text AS cidr FROM subnet WHERE subnetpool_id = $1 ORDER BY cidr",
               DB_ARGS(db_s(pool_id)), &rows, err);
    for (int i = 0; rc == RC_OK && i < db_n_rows(rows); i++) {
        struct prefix prefix;
        if (prefix_parse(db_text(rows, i, "cidr"), &prefix)) {
            g_array_append_val(taken, prefix);
        }
    }
    return rc;
}

// The one taken prefix that meets this one, or NULL.
static const struct prefix *
collision(const struct pool *pool, const struct prefix *wanted)
{
    struct address first = prefix_first(wanted);
    for (unsigned i = 0; i < pool->taken->len; i++) {
        const struct prefix *taken = &g_array_index(pool->taken, struct prefix, i);
        struct address other = prefix_first(taken);
        if (prefix_contains(taken, &first) || prefix_contains(wanted, &other)) {
            return taken;
        }
    }
    return NULL;
}

static bool
take_from(const struct pool *pool, const struct prefix *block, int length,
          struct prefix *ret_prefix)
{
    struct address last = prefix_last(block);
    struct prefix wanted = {prefix_first(block), length};
    while (address_compare(&wanted.address, &last) <= 0) {
        const struct prefix *taken = collision(pool, &wanted);
        if (!taken) {
            *ret_prefix = wanted;
            return true;
        }
        struct address own_end = prefix_last(&wanted), other_end = prefix_last(taken);
        struct prefix behind = {address_compare(&own_end, &other_end) > 0 ? own_end : other_end,
                                length};
        struct address next = prefix_last(&behind);
        wanted.address = address_add(next, 1);
        if (wanted.address.value == 0) {
            break; // wrapped around
        }
    }
    return false;
}

static enum rc
pick_any(const struct pool *pool, const struct subnetpool_wish *wish, struct prefix *ret_prefix,
         struct err *err)
{
    int length = wish->prefix_length < 0 ? pool->default_length : wish->prefix_length;
    if (length < pool->min_length) {
        return fault_typed(
            err, RC_INVALID, "MinPrefixSubnetAllocationError",
            "Unable to allocate subnet with prefix length %d, minimum allowed prefix is %d.",
            length, pool->min_length);
    }
    if (length > pool->max_length) {
        return fault_typed(
            err, RC_INVALID, "MaxPrefixSubnetAllocationError",
            "Unable to allocate subnet with prefix length %d, maximum allowed prefix is %d.",
            length, pool->max_length);
    }
    size_t i;
    json_t *item;
    json_array_foreach(pool->prefixes, i, item)
    {
        struct prefix block;
        if (prefix_parse(json_string_value(item), &block) && block.length <= length &&
            take_from(pool, &block, length, ret_prefix)) {
            return RC_OK;
        }
    }
    return fault_typed(
        err, RC_INVALID, "SubnetAllocationError",
        "Failed to allocate subnet: Insufficient prefix space to allocate subnet size /%d.",
        length);
}

static enum rc
pick_named(const struct pool *pool, const char *cidr, struct prefix *ret_prefix, struct err *err)
{
    struct prefix wanted, block;
    size_t i;
    json_t *item;
    bool is_inside = false;
    if (!prefix_parse(cidr, &wanted) || wanted.address.version != pool->version) {
        return fault(err, RC_INVALID,
                     "Invalid input for cidr. Reason: '%.60s' is not a valid IP subnet.", cidr);
    }
    json_array_foreach(pool->prefixes, i, item)
    {
        is_inside = is_inside ||
                    (prefix_parse(json_string_value(item), &block) &&
                     block.length <= wanted.length && prefix_contains(&block, &wanted.address));
    }
    if (!is_inside || collision(pool, &wanted)) {
        return fault_typed(err, RC_INVALID, "SubnetAllocationError",
                           "Failed to allocate subnet: Cannot allocate requested subnet from the "
                           "available set of prefixes.");
    }
    *ret_prefix = wanted;
    return RC_OK;
}

enum rc
subnetpool_db_allocate(struct db *db, const struct subnetpool_wish *wish,
                       struct subnetpool_choice *ret_choice, struct err *err)
{
    struct pool pool = {.taken = g_array_new(FALSE, FALSE, sizeof(struct prefix))};
    struct subnetpool_choice choice;
    struct prefix prefix;
    enum rc rc = lock_pool(db, wish, &choice, &pool, err);
    if (rc == RC_OK) {
        rc = read_taken(db, choice.pool_id, pool.taken, err);
    }
    if (rc == RC_OK) {
        rc = wish->cidr ? pick_named(&pool, wish->cidr, &prefix, err)
                        : pick_any(&pool, wish, &prefix, err);
    }
    if (rc == RC_OK) {
        prefix_format(&prefix, choice.cidr);
        *ret_choice = choice;
    }
    json_decref(pool.prefixes);
    g_array_unref(pool.taken);
    return rc;
}

enum rc
subnetpool_db_is_used(struct db *db, const char *id, bool *ret_used, struct err *err)
{
    return db_run_any(db, "SELECT 1 FROM subnet WHERE subnetpool_id = $1 LIMIT 1",
                      DB_ARGS(db_s(id)), ret_used, err);
}
