// SPDX-License-Identifier: Apache-2.0
#include "services/billing/fact.h"

// Takes the service's row: facts of one service are taken in one after the other.
static enum rc
lock_source(struct db *db, const char *service, int64_t *ret_contiguous, struct err *err)
{
    g_autoptr(db_result) row = NULL;
    enum rc rc = db_run(
        db,
        "INSERT INTO source (service) VALUES ($1)"
        " ON CONFLICT (service) DO UPDATE SET service = EXCLUDED.service RETURNING contiguous",
        DB_ARGS(db_s(service)), &row, err);
    if (!rc) {
        *ret_contiguous = db_int(row, 0, "contiguous");
    }
    return rc;
}

// The closing fact carries the whole interval, so the two may come in either order.
static enum rc
insert_fact(struct db *db, const struct fact *fact, struct err *err)
{
    struct db_arg to_us = fact->to_us ? db_i(fact->to_us) : db_s(NULL);
    return db_run(
        db,
        "WITH fresh AS (INSERT INTO fact (service, sequence, kind, interval_id, request_id, at_us)"
        " VALUES ($1, $2, $3, $4::uuid, $5, coalesce($6::bigint, $7)) ON CONFLICT DO NOTHING "
        "RETURNING 1)"
        " INSERT INTO interval AS i (id, service, project_id, resource_type, resource_id, "
        "resource_name, meter,"
        " quantity, from_us, to_us)"
        " SELECT $4::uuid, $1, $8, $9, $10, $11, $12, $13::bigint, $7, $6::bigint FROM fresh"
        " ON CONFLICT (id) DO UPDATE SET to_us = coalesce(i.to_us, EXCLUDED.to_us),"
        " resource_name = EXCLUDED.resource_name WHERE i.service = EXCLUDED.service",
        DB_ARGS(db_s(fact->service), db_i(fact->sequence), db_s(fact->kind),
                db_s(fact->interval_id), db_s(fact->request_id), to_us, db_i(fact->from_us),
                db_s(fact->project_id), db_s(fact->resource_type), db_s(fact->resource_id),
                db_s(fact->resource_name ? fact->resource_name : ""), db_s(fact->meter),
                db_i(fact->quantity)),
        NULL, err);
}

// To the last number before the first one that is missing.
static enum rc
advance(struct db *db, const char *service, int64_t contiguous, int64_t *ret_contiguous,
        struct err *err)
{
    g_autoptr(db_result) row = NULL;
    enum rc rc = db_run(
        db,
        "UPDATE source SET contiguous = coalesce((SELECT f.sequence FROM fact f"
        " WHERE f.service = $1 AND f.sequence > $2 AND EXISTS (SELECT FROM fact g"
        "   WHERE g.service = $1 AND g.sequence = $2 + 1)"
        " AND NOT EXISTS (SELECT FROM fact g WHERE g.service = $1 AND g.sequence = f.sequence + 1)"
        " ORDER BY f.sequence LIMIT 1), contiguous) WHERE service = $1 RETURNING contiguous",
        DB_ARGS(db_s(service), db_i(contiguous)), &row, err);
    if (!rc) {
        *ret_contiguous = db_int(row, 0, "contiguous");
    }
    return rc;
}

enum rc
fact_db_take(struct db *db, void *argument, struct err *err)
{
    struct fact_batch *batch = argument;
    int64_t contiguous = 0;
    bool moves = false;
    enum rc rc = lock_source(db, batch->facts[0].service, &contiguous, err);
    for (size_t i = 0; i < batch->n && !rc; i++) {
        rc = insert_fact(db, &batch->facts[i], err);
        moves = moves || batch->facts[i].sequence == contiguous + 1;
    }
    if (!rc && moves) {
        rc = advance(db, batch->facts[0].service, contiguous, &contiguous, err);
    }
    if (!rc) {
        batch->contiguous = contiguous;
    }
    return rc;
}

enum rc
fact_db_contiguous(struct db *db, const char *service, int64_t *ret_contiguous, struct err *err)
{
    g_autoptr(db_result) row = NULL;
    enum rc rc = db_run(db, "SELECT contiguous FROM source WHERE service = $1",
                        DB_ARGS(db_s(service)), &row, err);
    if (!rc) {
        *ret_contiguous = db_n_rows(row) ? db_int(row, 0, "contiguous") : 0;
    }
    return rc;
}

enum rc
fact_db_settle(struct db *db, const char *service, int64_t settled_us, struct err *err)
{
    return db_run(db,
                  "INSERT INTO source (service, settled_us, asked_at) VALUES ($1, $2, now()) ON "
                  "CONFLICT (service)"
                  " DO UPDATE SET settled_us = greatest(source.settled_us, EXCLUDED.settled_us), "
                  "asked_at = now()",
                  DB_ARGS(db_s(service), db_i(settled_us)), NULL, err);
}

enum rc
fact_db_sources(struct db *db, json_t **ret_sources, struct err *err)
{
    g_autoptr(db_result) row = NULL;
    enum rc rc = db_run_one(
        db,
        "SELECT coalesce(jsonb_agg(jsonb_build_object('service', service, 'contiguous', contiguous,"
        " 'settled_us', settled_us) ORDER BY service), '[]') AS sources FROM source",
        DB_NONE, &row, err);
    if (!rc) {
        *ret_sources = db_json(row, 0, "sources");
    }
    return rc;
}
