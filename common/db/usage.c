// SPDX-License-Identifier: Apache-2.0
#include "common/db/usage.h"

#include "common/db/usage_feed.h"
#include "common/log/log.h"

// The transaction's now, in µs. An interval never starts before the last one of its key ended or
// began: a transaction may have begun, and so be dated, before another one that it waited for.
#define NOW_US "(extract(epoch FROM now()) * 1000000)::bigint"

#define FACT_COLUMNS                                                                              \
    "kind, interval_id, project_id, resource_type, resource_id, resource_name, meter, quantity, " \
    "from_us, to_us"
#define INTERVAL_COLUMNS \
    "id, project_id, resource_type, resource_id, resource_name, meter, quantity, from_us, to_us"

static json_t *
usage_to_json(const struct usage *usage)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:I}", "project_id", usage->project_id,
                     "resource_type", usage->resource_type, "resource_id", usage->resource_id,
                     "resource_name", usage->resource_name ? usage->resource_name : "", "meter",
                     usage->meter, "quantity", (json_int_t)usage->quantity);
}

// `fresh` reads `closing` so that the old interval is closed before the new one is inserted.
static const char open_sql[] =
    "WITH input AS ("
    "  SELECT * FROM jsonb_to_recordset($1::jsonb) AS i(project_id text, resource_type text, "
    "resource_id text,"
    "    resource_name text, meter text, quantity bigint)"
    "), wanted AS ("
    "  SELECT i.*, greatest(" NOW_US
    ", (SELECT max(coalesce(u.to_us, u.from_us)) FROM usage_interval u"
    "    WHERE u.resource_id = i.resource_id AND u.meter = i.meter)) AS at_us FROM input i"
    "  WHERE NOT EXISTS (SELECT FROM usage_interval u WHERE u.resource_id = i.resource_id AND "
    "u.meter = i.meter"
    "    AND u.to_us IS NULL AND u.quantity = i.quantity AND u.project_id = i.project_id)"
    "), closing AS ("
    "  UPDATE usage_interval u SET to_us = w.at_us FROM wanted w"
    "  WHERE u.resource_id = w.resource_id AND u.meter = w.meter AND u.to_us IS NULL RETURNING u.*"
    "), fresh AS ("
    "  INSERT INTO usage_interval (project_id, resource_type, resource_id, resource_name, meter, "
    "quantity, from_us)"
    "  SELECT project_id, resource_type, resource_id, resource_name, meter, quantity, at_us FROM "
    "wanted"
    "  WHERE (SELECT count(*) FROM closing) >= 0 RETURNING *"
    "), facts AS ("
    "  SELECT 1 AS rank, 'close' AS kind, " INTERVAL_COLUMNS " FROM closing"
    "  UNION ALL SELECT 2, 'open', " INTERVAL_COLUMNS " FROM fresh"
    ") INSERT INTO usage_fact (" FACT_COLUMNS ", request_id)"
    "  SELECT kind, " INTERVAL_COLUMNS ", nullif($2, '-') FROM facts ORDER BY rank, meter";

enum rc
usage_open(struct db *db, const struct usage *usages, size_t n_usages, struct err *err)
{
    g_assert(db_is_in_tx(db));
    json_auto_t *input = json_array();
    for (size_t i = 0; i < n_usages; i++) {
        if (json_array_append_new(input, usage_to_json(&usages[i]))) {
            return fault(err, RC_INVALID, "usage of '%s' has text that is not UTF-8",
                         usages[i].meter);
        }
    }
    g_autofree char *text = json_dumps(input, JSON_COMPACT);
    return db_run(db, open_sql, DB_ARGS(db_s(text), db_s(log_request_id())), NULL, err);
}

enum rc
usage_close(struct db *db, const char *resource_id, struct err *err)
{
    g_assert(db_is_in_tx(db));
    return db_run(db,
                  "WITH closing AS ("
                  "  UPDATE usage_interval SET to_us = greatest(" NOW_US ", from_us)"
                  "  WHERE resource_id = $1 AND to_us IS NULL RETURNING *)"
                  " INSERT INTO usage_fact (" FACT_COLUMNS ", request_id)"
                  " SELECT 'close', " INTERVAL_COLUMNS
                  ", nullif($2, '-') FROM closing ORDER BY meter",
                  DB_ARGS(db_s(resource_id), db_s(log_request_id())), NULL, err);
}

enum rc
usage_feed_number(struct db *db, struct err *err)
{
    return db_run(db,
                  "WITH last AS (SELECT coalesce(max(sequence), 0) AS n FROM usage_fact),"
                  " fresh AS (SELECT id, row_number() OVER (ORDER BY id) AS rank FROM usage_fact"
                  "   WHERE sequence IS NULL ORDER BY id LIMIT 10000)"
                  " UPDATE usage_fact f SET sequence = last.n + fresh.rank FROM last, fresh WHERE "
                  "f.id = fresh.id",
                  DB_NONE, NULL, err);
}

// What billing gets, by bus and by HTTP alike.
#define FACT_JSON                                                                                  \
    "jsonb_build_object('service', current_schema(), 'sequence', f.sequence, 'kind', f.kind,"      \
    " 'interval_id', f.interval_id, 'project_id', f.project_id, 'resource_type', f.resource_type," \
    " 'resource_id', f.resource_id, 'resource_name', f.resource_name, 'meter', f.meter, "          \
    "'quantity', f.quantity,"                                                                      \
    " 'from_us', f.from_us, 'to_us', f.to_us, 'request_id', f.request_id)"

enum rc
usage_feed_unpublished(struct db *db, int n, db_result **ret_rows, struct err *err)
{
    return db_run(
        db,
        "SELECT count(*) AS n, max(p.sequence) AS sequence,"
        " md5(current_schema() || ' usage ' || min(p.sequence) || ' ' || max(p.sequence))::uuid AS "
        "message_id,"
        " 'usage.' || current_schema() AS routing_key, 'usage.facts' AS type,"
        " CASE WHEN min(p.request_id) = max(p.request_id) THEN min(p.request_id) END AS request_id,"
        " jsonb_build_object('service', current_schema(), 'facts', jsonb_agg(p.fact ORDER BY "
        "p.sequence)) AS body"
        " FROM (SELECT f.sequence, f.request_id, " FACT_JSON " AS fact FROM usage_fact f"
        "   WHERE NOT f.published AND f.sequence IS NOT NULL ORDER BY f.sequence LIMIT $1) p "
        "HAVING count(*) > 0",
        DB_ARGS(db_i(n)), ret_rows, err);
}

enum rc
usage_feed_published(struct db *db, int64_t sequence, struct err *err)
{
    return db_run(db,
                  "UPDATE usage_fact SET published = true WHERE NOT published AND sequence <= $1",
                  DB_ARGS(db_i(sequence)), NULL, err);
}

// Two statements: the oldest running transaction is looked at before the facts are, so that one
// which commits in between is either waited for or seen.
enum rc
usage_feed_page(struct db *db, int64_t after, int64_t limit, char **ret_text, struct err *err)
{
    g_autoptr(db_result) settled = NULL;
    g_autoptr(db_result) page = NULL;
    enum rc rc = db_run_one(
        db,
        "SELECT (extract(epoch FROM min(xact_start)) * 1000000)::bigint AS us FROM pg_stat_activity"
        " WHERE usename = current_user AND datname = current_database() AND xact_start IS NOT NULL",
        DB_NONE, &settled, err);
    rc = rc ? rc
            : db_run_one(db,
                         "SELECT jsonb_build_object('service', current_schema(),"
                         " 'last', (SELECT coalesce(max(sequence), 0) FROM usage_fact),"
                         " 'pending', (SELECT count(*) FROM usage_fact WHERE sequence IS NULL),"
                         " 'settled_us', $3::bigint, 'facts', coalesce((SELECT jsonb_agg(p.fact "
                         "ORDER BY p.sequence) FROM"
                         "   (SELECT f.sequence, " FACT_JSON
                         " AS fact FROM usage_fact f WHERE f.sequence > $1"
                         "     ORDER BY f.sequence LIMIT $2) p), '[]'::jsonb)) AS page",
                         DB_ARGS(db_i(after), db_i(limit), db_s(db_text(settled, 0, "us"))), &page,
                         err);
    if (!rc) {
        *ret_text = g_strdup(db_text(page, 0, "page"));
    }
    return rc;
}
