// SPDX-License-Identifier: Apache-2.0
// Replies of rows that name the tables they are made of (route.reads). Nobody has to tell this
// process of a change: each request looks whether the tables have changed, in one small statement,
// so another process's commit counts as much as ours.
#include "common/base/append.h"
#include "common/base/text_cache.h"
#include "common/base/util.h"
#include "common/db/table_change.h"
#include "common/http/internal.h"
#include "common/service/metrics.h"
#include <string.h>

enum {
    KEY_MAX = 4096,         // a longer one is not kept
    LIFE_MS = 60000,        // unasked; far below TABLE_CHANGE_KEPT_S
    MAX_BYTES = 8 * 1048576 // of the process
};

static _Atomic int64_t n_hits, n_misses;
static const struct metric cache_metrics[] = {
    {"haneul_http_reply_cache_total", "counter", "Reads of rows whose replies are kept",
     "result=\"hit\"", &n_hits},
    {"haneul_http_reply_cache_total", "counter", "Reads of rows whose replies are kept",
     "result=\"miss\"", &n_misses},
};

__attribute__((constructor)) static void
register_metrics(void)
{
    metrics_register(cache_metrics, G_N_ELEMENTS(cache_metrics));
}

struct text_cache *
reply_cache_new(void)
{
    return text_cache_new(MAX_BYTES, LIFE_MS);
}

static void
append(GString *key, const char *piece)
{
    size_t size = strlen(piece);
    append_int64(key, (int64_t)size);
    g_string_append_c(key, ':');
    append_bytes(key, piece, size);
}

// All that a reply depends on beside the tables: what was asked, how we were addressed, who asks.
static GString *
key_of(const struct request *request)
{
    const struct auth_context *auth = request->auth;
    GString *key = g_string_sized_new(512);
    append(key, request_base_url(request));
    append(key, request->url);
    append_int64(key, request->version);
    g_string_append_c(key, auth->is_system ? 'S' : ' ');
    append(key, auth->user_id);
    append(key, auth->project_id);
    append(key, auth->domain_id);
    for (const char *const *role = auth->roles; *role; role++) {
        append(key, *role);
    }
    g_string_append_c(key, '?');
    const char *name, *value;
    for (unsigned i = 0; request_query_at(request, i, &name, &value); i++) {
        append(key, name);
        append(key, value);
    }
    return key;
}

static bool
is_set(const char *text)
{
    return text && text[0];
}

// Of a delegated token more may count than the key says.
static bool
may_keep(const struct request *request)
{
    const struct auth_context *auth = request->auth;
    return request->route->reads && auth && !is_set(auth->trust_id) && !is_set(auth->oauth_id) &&
           !is_set(auth->appcred_id) && !auth->group_ids;
}

static enum rc
look(struct request *request, const struct cached_text *found, struct table_look *ret_look,
     struct err *err)
{
    struct db *db = NULL;
    enum rc rc = request_db(request, &db, err);
    return rc ? rc
              : table_change_look(db, request->route->reads, found ? found->label : NULL, ret_look,
                                  err);
}

enum rc
reply_cache_answer(struct request *request, bool *ret_answered, struct err *err)
{
    *ret_answered = false;
    if (!may_keep(request)) {
        return RC_OK;
    }
    struct text_cache *cache = request->server->replies;
    g_autoptr(GString) key = key_of(request);
    if (key->len > KEY_MAX) {
        return RC_OK;
    }
    struct cached_text found = {0};
    struct table_look seen = {0};
    bool is_there = text_cache_find(cache, key->str, &found);
    enum rc rc = look(request, is_there ? &found : NULL, &seen, err);
    if (rc == RC_OK && !seen.is_changed) {
        request->reply.text = g_strdup(found.text);
        text_cache_renew(cache, key->str, found.serial, seen.now);
        g_free(seen.now);
        *ret_answered = true;
        n_hits++;
    } else if (rc == RC_OK) {
        request->cache_key = g_string_free(g_steal_pointer(&key), FALSE);
        request->cache_label = seen.now;
        n_misses++;
    }
    if (is_there) {
        text_cache_done(&found);
    }
    return rc;
}

void
reply_cache_keep(struct request *request)
{
    struct reply *reply = &request->reply;
    if (!request->cache_key || reply->headers->len || reply->content_type || reply->text_size) {
        return;
    }
    if (reply->json) {
        reply->text = json_dumps(reply->json, JSON_COMPACT | JSON_ENCODE_ANY);
        json_decref(reply->json);
        reply->json = NULL;
    }
    if (reply->text) {
        text_cache_put(request->server->replies, request->cache_key, request->cache_label,
                       reply->text);
    }
}
