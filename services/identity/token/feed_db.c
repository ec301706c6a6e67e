// SPDX-License-Identifier: Apache-2.0
#include "services/identity/token/feed_db.h"

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
feed_db_page(struct db *db, int64_t after, int limit, char **ret_text, struct err *err)
{
    // A reader that is ahead of the sequence followed another database: it is told so by a smaller
    // cursor.
    static const char sql[] =
        "WITH page AS (SELECT n, kind, body FROM feed_event WHERE n > $1::bigint ORDER BY n LIMIT "
        "$2::int)"
        " SELECT json_build_object("
        "'cursor', coalesce((SELECT max(n) FROM page), least($1::bigint, (SELECT CASE WHEN "
        "is_called THEN last_value ELSE 0 END FROM feed_n))),"
        "'keys', (SELECT coalesce(json_agg(json_build_object('kid', kid, 'pem', public_pem) ORDER "
        "BY signs_from_us, kid), '[]') FROM signing_key),"
        "'events', (SELECT coalesce(json_agg(jsonb_build_object('n', n, 'kind', kind) || body "
        "ORDER BY n), '[]') FROM page))::text AS reply";
    return db_run_text(db, sql, DB_ARGS(db_i(after), db_i(limit)), ret_text, err);
}

enum rc
feed_db_revocations(struct db *db, int64_t after, db_result **ret_rows, struct err *err)
{
    return db_run(
        db,
        "SELECT n, body FROM feed_event WHERE n > $1::bigint AND kind = 'revocation' ORDER BY n",
        DB_ARGS(db_i(after)), ret_rows, err);
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
        "WHERE kind = 'revocation' AND (body->>'issued_before_us')::bigint >= $1::bigint";
    return db_run_text(db, sql, DB_ARGS(db_i(since_us)), ret_text, err);
}

enum rc
feed_db_prune(struct db *db, int64_t life_s, struct err *err)
{
    return db_run(db,
                  "DELETE FROM feed_event WHERE kind = 'revocation' AND created_at < now() - "
                  "$1::bigint * interval '1 second'",
                  DB_ARGS(db_i(life_s)), NULL, err);
}
