// SPDX-License-Identifier: Apache-2.0
#include "services/identity/token/feed_db.h"
#include "common/auth/revocation.h"
#include "common/base/util.h"

enum rc
feed_db_append(struct db *db, const char *kind, json_t *body, struct err *err)
{
    char *text = json_dumps(body, JSON_COMPACT);
    enum rc rc =
        db_run(db, "SELECT feed_append($1, $2::jsonb)", DB_ARGS(db_s(kind), db_s(text)), NULL, err);
    free(text);
    return rc;
}

enum rc
feed_db_page(struct db *db, int64_t after, int limit, int again_ms, char **ret_text,
             struct err *err)
{
    // A reader that is ahead of the sequence followed another database: it is told so by a smaller
    // cursor.
    static const char sql[] =
        // What has ended is told to nobody any more.
        "WITH page AS (SELECT n, kind, body, coalesce(ends_us > (extract(epoch FROM now()) * "
        "1000000)::bigint, true) AS counts FROM feed_event WHERE n > $1::bigint ORDER BY n LIMIT "
        "$2::int)"
        " SELECT json_build_object("
        "'cursor', coalesce((SELECT max(n) FROM page), least($1::bigint, (SELECT CASE WHEN "
        "is_called THEN last_value ELSE 0 END FROM feed_n))),"
        "'last', coalesce((SELECT max(n) FROM feed_event), 0),"
        "'keys', (SELECT coalesce(json_agg(json_build_object('kid', kid, 'pem', public_pem) ORDER "
        "BY signs_from_us, kid), '[]') FROM signing_key),"
        "'events', (SELECT coalesce(json_agg(jsonb_build_object('n', n, 'kind', kind) || body "
        "ORDER BY n) FILTER (WHERE counts), '[]') FROM page), 'again_ms', nullif($3::int, "
        "0))::text AS reply";
    return db_run_text(db, sql, DB_ARGS(db_i(after), db_i(limit), db_i(again_ms)), ret_text, err);
}

enum rc
feed_db_last(struct db *db, int64_t *ret_n, struct err *err)
{
    g_autoptr(db_result) rows = NULL;
    enum rc rc =
        db_run_one(db, "SELECT coalesce(max(n), 0) AS n FROM feed_event", DB_NONE, &rows, err);
    if (rc == RC_OK) {
        *ret_n = db_int(rows, 0, "n");
    }
    return rc;
}

enum rc
feed_db_news(struct db *db, int64_t after, const char *since_tx, struct feed_news *ret_news,
             struct err *err)
{
    const struct db_arg n[] = {db_i(after)}, tx[] = {db_s(since_tx), db_i(FEED_CHANGES_MAX)};
    const struct db_call calls[] = {
        {FEED_BARRIER_SQL, NULL, 0},
        {"SELECT n, body FROM feed_event WHERE n > $1::bigint AND kind = 'revocation' ORDER BY n",
         n, 1},
        {"SELECT s.next_tx, c.n, c.key FROM (SELECT pg_snapshot_xmin(pg_current_snapshot()) AS "
         "next_tx) s LEFT JOIN (SELECT n, key FROM scope_change WHERE tx >= $1::xid8 ORDER BY tx "
         "LIMIT $2::int) c ON true ORDER BY c.n",
         tx, 2}};
    db_result *results[3] = {NULL};
    enum rc rc = db_run_batch(db, calls, 3, results, err);
    if (rc == RC_OK) {
        *ret_news = (struct feed_news){.now_us = db_int(results[0], 0, "now_us"),
                                       .revocations = results[1],
                                       .changes = results[2]};
        db_result_free(results[0]);
    }
    return rc;
}

enum rc
feed_db_revoke_events(struct db *db, int64_t since_us, char **ret_text, struct err *err)
{
    static const char sql[] =
        "SELECT coalesce(json_agg(jsonb_strip_nulls(jsonb_build_object('audit_id', "
        "body->'audit_id', 'user_id', body->'user_id', 'project_id', body->'project_id', "
        "'domain_id', body->'domain_id', 'role_id', body->'role_id', 'issued_before', "
        "to_char(to_timestamp((body->>'issued_before_us')::bigint / 1e6) AT TIME ZONE 'UTC', "
        "'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'))) ORDER BY n), '[]')::text AS value FROM feed_event "
        "WHERE kind = 'revocation' AND NOT body ? 'federation' AND " // Keystone has no word for it
        "(body->>'issued_before_us')::bigint >= $1::bigint";
    return db_run_text(db, sql, DB_ARGS(db_i(since_us)), ret_text, err);
}

enum rc
feed_db_set(struct db *db, int64_t life_us, int64_t n_revocations, struct err *err)
{
    return db_run(db,
                  "INSERT INTO token_setting (life_us, n_revocations) VALUES ($1::bigint, "
                  "$2::bigint) ON CONFLICT (life_us) DO UPDATE SET n_revocations = "
                  "EXCLUDED.n_revocations, seen_at = now()",
                  DB_ARGS(db_i(life_us), db_i(n_revocations)), NULL, err);
}

// Tokens that were issued a day ago have all expired, and none of those is shown that had ended
// before the window.
enum rc
feed_db_prune(struct db *db, int64_t window_us, struct err *err)
{
    int64_t spare_us = now_us() - REVOCATION_SPARE_US;
    enum rc rc =
        db_run(db,
               "DELETE FROM feed_event WHERE kind = 'revocation' AND ends_us < $1::bigint "
               "AND (ends_us < $1::bigint - $2::bigint OR (body ->> "
               "'issued_before_us')::bigint < $1::bigint - $3::bigint)",
               DB_ARGS(db_i(spare_us), db_i(window_us), db_i(TOKEN_LIFE_MAX_S * INT64_C(1000000))),
               NULL, err);
    // A user's rows are gone when so long nothing was added.
    rc = rc ? rc
            : db_run(db, "DELETE FROM revocation_owner WHERE seen_at < now() - interval '25 hours'",
                     DB_NONE, NULL, err);
    return rc ? rc
              : db_run(db,
                       "DELETE FROM scope_change WHERE created_at < now() - $1::bigint * interval "
                       "'1 millisecond'",
                       DB_ARGS(db_i(FEED_CHANGES_KEPT_MS)), NULL, err);
}
