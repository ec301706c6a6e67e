// SPDX-License-Identifier: Apache-2.0
// What every service must learn from identity: keys, revocations, limits (ARCHITECTURE.md, Identity
// feed). A page is answered at once; readers ask again every few hundred milliseconds, so no thread
// waits here.
#include "common/auth/revocation.h"
#include "common/base/util.h"
#include "services/identity/token/feed_db.h"
#include "services/identity/token/feed_reader.h"
#include "services/identity/token/scope_cache.h"
#include <string.h>

#define PAGE 1000

enum rc
feed_revoke(struct db *db, const struct revocation *revocation, struct err *err)
{
    json_auto_t *body = revocation_to_json(revocation);
    return feed_db_append(db, "revocation", body, err);
}

// Here they count longer than elsewhere: identity alone shows tokens that have ended.
static int64_t
kept_until_us(const struct identity *identity, const struct revocation *revocation)
{
    return MIN(revocation->ends_us + identity->expired_window_us,
               revocation->issued_before_us + TOKEN_LIFE_MAX_S * INT64_C(1000000));
}

static void
apply_revocations(struct identity *identity, const db_result *rows)
{
    for (int i = 0; i < db_n_rows(rows); i++) {
        json_auto_t *body = db_json(rows, i, "body");
        struct revocation revocation = revocation_from_json(body);
        if (revocation.ends_us) {
            revocation.ends_us = kept_until_us(identity, &revocation);
        }
        authenticator_add_revocation(identity->auth, &revocation);
        identity->feed_cursor = db_int(rows, i, "n");
    }
}

// What was seen at the last look may come again: while a transaction that is older goes on.
static void
apply_changes(struct identity *identity, const db_result *rows)
{
    GHashTable *seen = g_hash_table_new(NULL, NULL);
    if (db_n_rows(rows) >= FEED_CHANGES_MAX) {
        scope_cache_changed(identity->scopes, NULL);
    }
    for (int i = 0; i < db_n_rows(rows); i++) {
        gpointer n = GSIZE_TO_POINTER((gsize)db_int(rows, i, "n"));
        if (n && !(identity->feed_seen && g_hash_table_contains(identity->feed_seen, n))) {
            scope_cache_changed(identity->scopes, db_text(rows, i, "key"));
        }
        g_hash_table_add(seen, n);
    }
    g_clear_pointer(&identity->feed_seen, g_hash_table_unref);
    identity->feed_seen = seen;
    g_strlcpy(identity->feed_next_tx, db_text(rows, 0, "next_tx"), sizeof identity->feed_next_tx);
}

static enum rc
locked_look(struct identity *identity, struct db *db, struct err *err)
{
    struct feed_news news = {0};
    int64_t begun_ms = monotonic_ms();
    const char *since = identity->feed_next_tx[0] ? identity->feed_next_tx : "0";
    enum rc rc = feed_db_news(db, identity->feed_cursor, since, &news, err);
    if (rc) {
        return rc;
    }
    if (begun_ms - identity->feed_looked_ms > FEED_CHANGES_KEPT_MS / 2) {
        scope_cache_changed(identity->scopes, NULL); // some may be gone already
    }
    apply_revocations(identity, news.revocations);
    authenticator_prune(identity->auth);
    apply_changes(identity, news.changes);
    identity->feed_looked_ms = begun_ms;
    scope_cache_confirm(identity->scopes, news.now_us, begun_ms);
    db_result_free(news.revocations);
    db_result_free(news.changes);
    return RC_OK;
}

enum rc
feed_catch_up_to(struct identity *identity, int64_t as_of_us, struct err *err)
{
    struct db *db = NULL;
    enum rc rc = db_get(identity->db, &db, err);
    if (rc) {
        return rc;
    }
    g_mutex_lock(&identity->feed_lock);
    int64_t known_us = scope_cache_as_of_us(identity->scopes);
    rc = known_us && known_us >= as_of_us ? RC_OK : locked_look(identity, db, err);
    g_mutex_unlock(&identity->feed_lock);
    return rc;
}

enum rc
feed_catch_up(struct identity *identity, struct err *err)
{
    return feed_catch_up_to(identity, INT64_MAX, err);
}

#define READER_ID_MAX 64

static enum rc
show_feed(struct request *request, struct reply *reply, struct err *err)
{
    const char *text = request_query(request, "after");
    int64_t after = 0;
    if (text && !parse_int64(text, 0, INT64_MAX, &after)) {
        return fault(err, RC_INVALID, "invalid input for field 'after': '%.40s' is not a number",
                     text);
    }
    const char *reader = request_query(request, "reader");
    if (reader && (!reader[0] || strlen(reader) > READER_ID_MAX)) {
        return fault(err, RC_INVALID, "invalid input for field 'reader': it has 1 to %d bytes",
                     READER_ID_MAX);
    }
    int again_ms = reader ? feed_readers_saw(identity_of(request)->readers, reader, after) : 0;
    struct db *db = NULL;
    enum rc rc = request_db(request, &db, err);
    return rc ? rc : feed_db_page(db, after, PAGE, again_ms, &reply->text, err);
}

static const char *const feed_query[] = {"after", "reader", NULL};
const struct route feed_routes[] = {
    {.method = "GET",
     .path = "/internal/v1/feed",
     .handle = show_feed,
     .flags = ROUTE_PUBLIC,
     .status = 200,
     .query = feed_query,
     .summary = "keys, revocations and limits after a cursor"},
    {0},
};
