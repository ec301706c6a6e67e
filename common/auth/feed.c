// SPDX-License-Identifier: Apache-2.0
// Polls GET /internal/v1/feed with keep-alive. In memory everything starts from event 0
// (revocations are not stored here); in the schema only events newer than its cursor are applied.
// Identity being away changes nothing that is known.
#include "common/auth/feed.h"
#include "common/auth/key_ring.h"
#include "common/base/util.h"
#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#define REPLY_MAX (16u << 20)
#define INTERVAL_MS 400
#define INTERVAL_MIN_MS 10
#define CALL_TIMEOUT_MS 5000L

struct feed {
    struct feed_sinks sinks;
    char *url;
    char *reader; // who we are, for those who wait for us; NULL: nobody does
    int interval_ms;
    pthread_t thread;
    pthread_mutex_t lock; // with wake: the sleep between two calls
    pthread_cond_t wake;
    _Atomic bool is_stopping, has_read;
};

// ---- applying

static const char *
member(json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

static enum rc
apply_keys(struct key_ring *ring, json_t *keys, struct err *err)
{
    g_autoptr(GHashTable) kids = g_hash_table_new(g_str_hash, g_str_equal);
    for (size_t i = 0; i < json_array_size(keys); i++) {
        json_t *key = json_array_get(keys, i);
        const char *kid = member(key, "kid"), *pem = member(key, "pem");
        if (!kid || !pem) {
            return fault(err, RC_BAD_GATEWAY, "identity's feed has a key without kid or pem");
        }
        EVP_PKEY *known = key_ring_find(ring, kid);
        enum rc rc = known ? RC_OK : key_ring_add(ring, kid, pem, false, err);
        EVP_PKEY_free(known);
        if (rc) {
            return rc;
        }
        g_hash_table_add(kids, (void *)kid);
    }
    if (json_is_array(keys)) { // an empty one as well: all keys may have been withdrawn
        key_ring_retain(ring, kids);
    }
    return RC_OK;
}

static void
collect_limit(json_t *limits, json_t *event)
{
    json_t *value = json_object_get(event, "value");
    const char *project_id = member(event, "project_id"), *resource = member(event, "resource");
    if (project_id && resource) {
        json_array_append_new(limits,
                              json_pack("{s:s, s:s, s:O, s:O?}", "project_id", project_id,
                                        "resource", resource, "n", json_object_get(event, "n"),
                                        "value", json_is_integer(value) ? value : NULL));
    }
}

enum rc
feed_apply(const struct feed_sinks *sinks, json_t *reply, int64_t *cursor, struct err *err)
{
    json_t *events = json_object_get(reply, "events"), *next = json_object_get(reply, "cursor");
    if (!json_is_array(events) || !json_is_integer(next)) {
        return fault(err, RC_BAD_GATEWAY, "identity's feed has no events or no cursor");
    }
    enum rc rc = apply_keys(sinks->keys, json_object_get(reply, "keys"), err);
    if (rc) {
        return rc;
    }
    json_auto_t *limits = json_array();
    for (size_t i = 0; i < json_array_size(events); i++) {
        json_t *event = json_array_get(events, i);
        const char *kind = member(event, "kind");
        if (kind && !strcmp(kind, "revocation")) {
            const struct revocation revocation = revocation_from_json(event);
            revocation_set_add(sinks->revocations, &revocation);
        } else if (kind && !strcmp(kind, "limit")) {
            collect_limit(limits, event);
        }
    }
    int64_t new_cursor = json_integer_value(next);
    bool is_reset = new_cursor < *cursor;
    if (sinks->db && (json_array_size(limits) || is_reset)) {
        rc = feed_db_store(sinks->db, limits, is_reset ? 0 : new_cursor, is_reset, err);
    }
    if (rc == RC_OK) {
        *cursor = is_reset ? 0 : new_cursor;
    }
    return rc;
}

// ---- fetching

static size_t
collect_body(char *data, size_t size, size_t n, void *body)
{
    GString *text = body;
    if (text->len + size * n > REPLY_MAX) {
        return 0;
    }
    g_string_append_len(text, data, (gssize)(size * n));
    return size * n;
}

static int
give_up_when_stopping(void *feed, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    return ((struct feed *)feed)->is_stopping;
}

static CURL *
curl_for(struct feed *feed)
{
    CURL *curl = curl_easy_init();
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, CALL_TIMEOUT_MS);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, collect_body);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, give_up_when_stopping);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, feed);
    return curl;
}

static enum rc
fetch(CURL *curl, const struct feed *feed, int64_t after, json_t **ret_reply, struct err *err)
{
    g_autofree char *url =
        g_strdup_printf("%s/internal/v1/feed?after=%" G_GINT64_FORMAT "%s%s", feed->url, after,
                        feed->reader ? "&reader=" : "", feed->reader ? feed->reader : "");
    g_autoptr(GString) body = g_string_new(NULL);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
    CURLcode code = curl_easy_perform(curl);
    if (code != CURLE_OK) {
        return fault(err, RC_UNAVAILABLE, "cannot read identity's feed: %s",
                     curl_easy_strerror(code));
    }
    long status = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    json_t *reply = status == 200 ? json_loadb(body->str, body->len, 0, NULL) : NULL;
    if (!reply) {
        return fault(err, RC_BAD_GATEWAY, "cannot read identity's feed: status %ld", status);
    }
    *ret_reply = reply;
    return RC_OK;
}

// again_ms: as the reply says, when it says something shorter than our own interval.
static void
sleep_until_next(struct feed *feed, json_t *again_ms)
{
    json_int_t asked_ms = json_integer_value(again_ms);
    int interval_ms = asked_ms >= INTERVAL_MIN_MS && asked_ms < feed->interval_ms
                          ? (int)asked_ms
                          : feed->interval_ms;
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + interval_ms * INT64_C(1000000);
    until.tv_sec += ns / 1000000000;
    until.tv_nsec = ns % 1000000000;
    pthread_mutex_lock(&feed->lock);
    while (!feed->is_stopping && pthread_cond_timedwait(&feed->wake, &feed->lock, &until) == 0) {
    }
    pthread_mutex_unlock(&feed->lock);
}

static void *
follow(void *argument)
{
    struct feed *feed = argument;
    CURL *curl = curl_for(feed);
    int64_t cursor = 0;
    while (!feed->is_stopping) {
        json_auto_t *reply = NULL;
        int64_t before = cursor;
        enum rc rc = fetch(curl, feed, cursor, &reply, NULL);
        rc = rc ? rc : feed_apply(&feed->sinks, reply, &cursor, NULL);
        revocation_set_prune(feed->sinks.revocations, now_us());
        if (rc == RC_OK && cursor >= json_integer_value(json_object_get(reply, "last"))) {
            feed->has_read = true;
        }
        if (rc || cursor == before) { // nothing new; otherwise there may be another page
            sleep_until_next(feed, json_object_get(reply, "again_ms"));
        }
    }
    curl_easy_cleanup(curl);
    return NULL;
}

bool
feed_has_read(const struct feed *feed)
{
    return feed->has_read;
}

struct feed *
feed_start(const struct auth_config *config, const struct feed_sinks *sinks, struct bus *bus)
{
    struct feed *feed = g_new0(struct feed, 1);
    feed->sinks = *sinks;
    feed->url = g_strdup(config->identity_url);
    if (sinks->db) {
        char id[HEX_ID_SIZE];
        hex_id_new(id);
        feed->reader = g_strdup(id);
    }
    feed->interval_ms = config->feed_interval_ms ? config->feed_interval_ms : INTERVAL_MS;
    pthread_mutex_init(&feed->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&feed->wake, &attr);
    pthread_condattr_destroy(&attr);
    if (pthread_create(&feed->thread, NULL, follow, feed)) {
        g_error("cannot start the thread that follows identity's feed");
    }
    return feed;
}

void
feed_stop(struct feed *feed)
{
    if (!feed) {
        return;
    }
    pthread_mutex_lock(&feed->lock);
    feed->is_stopping = true;
    pthread_cond_signal(&feed->wake);
    pthread_mutex_unlock(&feed->lock);
    pthread_join(feed->thread, NULL);
    pthread_cond_destroy(&feed->wake);
    pthread_mutex_destroy(&feed->lock);
    g_free(feed->reader);
    g_free(feed->url);
    g_free(feed);
}
