// SPDX-License-Identifier: Apache-2.0
#include "services/billing/ingest.h"

#include "common/base/util.h"
#include "common/log/log.h"
#include "services/billing/fact.h"
#include <string.h>

enum { PAGE = 500, ROUNDS_MAX = 10000, RETRY_MS = 100 };
#define KEY_PREFIX "usage."

// Facts of one service, all or none. ret_contiguous (may be NULL) is written when there were any.
static enum rc
take_facts(struct db *db, const char *service, json_t *items, int64_t *ret_contiguous,
           struct err *err)
{
    size_t n = json_array_size(items);
    g_autofree struct fact *facts = g_new0(struct fact, n);
    for (size_t i = 0; i < n; i++) {
        enum rc rc = fact_decode(json_array_get(items, i), &facts[i], err);
        if (!rc && strcmp(facts[i].service, service)) {
            rc = fault(err, RC_FORBIDDEN, "a usage fact of '%s' came from '%s'", facts[i].service,
                       service);
        }
        if (rc) {
            return rc;
        }
    }
    struct fact_batch batch = {facts, n};
    enum rc rc = n ? db_tx(db, fact_db_take, &batch, err) : RC_OK;
    if (!rc && n && ret_contiguous) {
        *ret_contiguous = batch.contiguous;
    }
    return rc;
}

enum rc
ingest_message(const struct message *message, void *context, struct err *err)
{
    struct billing *billing = context;
    struct db *db;
    if (g_str_has_prefix(message->user_id, "host-") || strcmp(message->type, "usage.facts") ||
        !g_str_has_prefix(message->routing_key, KEY_PREFIX)) {
        return fault(err, RC_FORBIDDEN, "not usage facts of a service");
    }
    json_t *items = json_object_get(message->body, "facts");
    if (!json_is_array(items)) {
        return fault(err, RC_INVALID, "a message of usage facts has none");
    }
    enum rc rc = db_get(billing->db, &db, err);
    return rc ? rc : take_facts(db, message->routing_key + strlen(KEY_PREFIX), items, NULL, err);
}

// One page from where we are. ret_done: nothing more is there, and all of it has a number.
static enum rc
ask_page(struct billing *billing, const struct source *source, struct db *db, bool *ret_done,
         struct err *err)
{
    int64_t contiguous;
    enum rc rc = fact_db_contiguous(db, source->name, &contiguous, err);
    if (rc) {
        return rc;
    }
    g_autofree char *url = g_strdup_printf(
        "%s/internal/v1/usage?after=%" G_GINT64_FORMAT "&limit=%d", source->url, contiguous, PAGE);
    const struct call call = {.method = "GET", .url = url, .timeout_ms = 5000};
    json_auto_t *page = NULL;
    rc = client_call(billing->client, &call, &page, err);
    int64_t before = contiguous, last = json_integer_value(json_object_get(page, "last"));
    json_t *facts = json_object_get(page, "facts");
    rc = rc ? rc : take_facts(db, source->name, facts, &contiguous, err);
    if (!rc && json_array_size(facts) && contiguous == before) {
        return fault(err, RC_BAD_GATEWAY,
                     "'%s' does not answer with the facts after %" G_GINT64_FORMAT, source->name,
                     before);
    }
    *ret_done = !rc && contiguous >= last && !json_integer_value(json_object_get(page, "pending"));
    if (*ret_done) {
        rc = fact_db_settle(db, source->name,
                            json_integer_value(json_object_get(page, "settled_us")), err);
    }
    return rc;
}

// ret_done: complete up to what the service has. False: it has facts that are not numbered yet.
static enum rc
ask_source(struct billing *billing, const struct source *source, bool *ret_done, struct err *err)
{
    struct db *db;
    enum rc rc = billing->client ? db_get(billing->db, &db, err)
                                 : fault(err, RC_UNAVAILABLE, "no service account");
    *ret_done = false;
    int64_t before = -1, after = 0;
    for (int i = 0; i < ROUNDS_MAX && !rc && !*ret_done && before != after; i++) {
        rc = fact_db_contiguous(db, source->name, &before, err);
        rc = rc ? rc : ask_page(billing, source, db, ret_done, err);
        rc = rc ? rc : fact_db_contiguous(db, source->name, &after, err);
    }
    return rc;
}

void
ingest_catch_up(void *context)
{
    struct billing *billing = context;
    static struct log_limit limits[N_SOURCES];
    for (int i = 0; i < N_SOURCES && !service_is_stopping(billing->service); i++) {
        struct err err = {0};
        bool done;
        enum rc rc = ask_source(billing, &billing->sources[i], &done, &err);
        if (rc && log_limit_allows(&limits[i], 1)) {
            log_warn("cannot ask for usage", kv("service", billing->sources[i].name),
                     kv("error", err.message));
        }
    }
}

static enum rc
settled_before(struct billing *billing, const char *service, int64_t to_us, bool *ret_settled,
               struct err *err)
{
    struct db *db;
    json_auto_t *sources = NULL;
    enum rc rc = db_get(billing->db, &db, err);
    rc = rc ? rc : fact_db_sources(db, &sources, err);
    *ret_settled = false;
    size_t i;
    json_t *source;
    json_array_foreach(sources, i, source)
    {
        if (!strcmp(json_string_value(json_object_get(source, "service")), service)) {
            *ret_settled = json_integer_value(json_object_get(source, "settled_us")) >= to_us;
        }
    }
    return rc;
}

// RC_OK when it is complete, cannot be reached, or time is up; ret_settled says which.
static enum rc
complete_source(struct billing *billing, const struct source *source, int64_t to_us,
                int64_t until_ms, bool *ret_settled, struct err *err)
{
    for (;;) {
        enum rc rc = settled_before(billing, source->name, to_us, ret_settled, err);
        if (rc || *ret_settled || monotonic_ms() >= until_ms) {
            return rc;
        }
        bool done;
        if (ask_source(billing, source, &done, NULL)) {
            return RC_OK;
        }
        rc = settled_before(billing, source->name, to_us, ret_settled, err);
        if (rc || *ret_settled || service_wait_stop(billing->service, RETRY_MS)) {
            return rc;
        }
    }
}

enum rc
ingest_complete(struct billing *billing, int64_t to_us, int timeout_ms, char **ret_lagging,
                struct err *err)
{
    g_autoptr(GString) lagging = g_string_new(NULL);
    int64_t until_ms = monotonic_ms() + timeout_ms;
    for (int i = 0; i < N_SOURCES; i++) {
        bool settled;
        enum rc rc = complete_source(billing, &billing->sources[i], to_us, until_ms, &settled, err);
        if (rc) {
            return rc;
        }
        if (!settled) {
            g_string_append_printf(lagging, "%s%s", lagging->len ? ", " : "",
                                   billing->sources[i].name);
        }
    }
    *ret_lagging = g_string_free(g_steal_pointer(&lagging), false);
    return RC_OK;
}
