// SPDX-License-Identifier: Apache-2.0
#include "services/identity/federation/issuer.h"
#include "common/base/util.h"
#include "common/client/client.h"
#include <string.h>

enum {
    ANSWER_MAX = 256 * 1024, // bytes of a document
    ANSWER_MS = 4000,        // for each of the two
    WAIT_MS = 3000,          // for a question that another thread has under way …
    WAITERS_MAX = 2,         // … by so many: the rest of the slow threads are for others
    STALE_FACTOR = 4,        // keys that nobody could renew count for so many times keep_ms
    FAILED_PAUSE_MS = 5000,  // while no key is known
    ISSUERS_MAX = 1024,
};

struct issuer {
    struct jwk_set *keys;       // NULL: not known
    int64_t known_ms, asked_ms; // when the last answer, good or not, was there
    bool is_asked, was_asked, has_failed;
};
struct issuers {
    struct issuer_rules rules;
    char *ca_file;
    GMutex lock; // guards all below
    GCond answered;
    GHashTable *table; // issuer → struct issuer
    int n_waiting;
};

static void
issuer_free(gpointer data)
{
    jwk_set_unref(((struct issuer *)data)->keys);
    g_free(data);
}

struct issuers *
issuers_new(const struct issuer_rules *rules)
{
    struct issuers *issuers = g_new0(struct issuers, 1);
    issuers->rules = *rules;
    issuers->rules.ca_file = issuers->ca_file = g_strdup(rules->ca_file);
    issuers->table = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, issuer_free);
    g_mutex_init(&issuers->lock);
    g_cond_init(&issuers->answered);
    return issuers;
}

void
issuers_free(struct issuers *issuers)
{
    if (!issuers) {
        return;
    }
    g_hash_table_unref(issuers->table);
    g_mutex_clear(&issuers->lock);
    g_cond_clear(&issuers->answered);
    g_free(issuers->ca_file);
    g_free(issuers);
}

// ---- asking

static bool
may_ask(const struct issuers *issuers, const char *url)
{
    bool is_http = issuers->rules.may_http && g_str_has_prefix(url, "http://");
    return (is_http || g_str_has_prefix(url, "https://")) && strlen(url) <= 2048 &&
           text_is_clean(url, 2048) && !strpbrk(url, " \\");
}

static enum rc
get(const struct issuers *issuers, const char *url, json_t **ret_document, struct err *err)
{
    if (!may_ask(issuers, url)) {
        return fault(err, RC_UNAVAILABLE, "the issuer names an address that may not be asked");
    }
    const struct call call = {.method = "GET",
                              .url = url,
                              .timeout_ms = ANSWER_MS,
                              .no_auth = true,
                              .max_reply = ANSWER_MAX,
                              .ca_file = issuers->rules.ca_file};
    struct err why = {0};
    json_t *document = NULL;
    enum rc rc = client_call(NULL, &call, &document, &why);
    if (rc || !json_is_object(document)) {
        json_decref(document);
        return fault(err, RC_UNAVAILABLE, "cannot read the issuer's keys: %s",
                     rc ? why.message : "its answer is no object");
    }
    *ret_document = document;
    return RC_OK;
}

static enum rc
ask(const struct issuers *issuers, const char *issuer, struct jwk_set **ret_keys, struct err *err)
{
    json_auto_t *about = NULL, *document = NULL;
    size_t len = strlen(issuer);
    g_autofree char *url = g_strdup_printf("%.*s/.well-known/openid-configuration",
                                           (int)(len - g_str_has_suffix(issuer, "/")), issuer);
    enum rc rc = get(issuers, url, &about, err);
    if (rc) {
        return rc;
    }
    const char *name = json_string_value(json_object_get(about, "issuer")),
               *keys_url = json_string_value(json_object_get(about, "jwks_uri"));
    if (!name || strcmp(name, issuer) || !keys_url) {
        return fault(err, RC_UNAVAILABLE, "the issuer's discovery document is another's");
    }
    rc = get(issuers, keys_url, &document, err);
    struct jwk_set *keys = rc ? NULL : jwk_set_new(document);
    if (rc == RC_OK && (!keys || !jwk_set_size(keys))) {
        jwk_set_unref(keys);
        rc = fault(err, RC_UNAVAILABLE, "the issuer has no key that can be used");
    }
    if (rc == RC_OK) {
        *ret_keys = keys;
    }
    return rc;
}

// ---- keeping

static struct issuer *
locked_find(struct issuers *issuers, const char *name)
{
    struct issuer *issuer = g_hash_table_lookup(issuers->table, name);
    if (!issuer) {
        issuer = g_new0(struct issuer, 1);
        g_hash_table_insert(issuers->table, g_strdup(name), issuer);
    }
    return issuer;
}

enum step { USE, WAIT, ASK, NONE };

static enum step
locked_decide(const struct issuers *issuers, const struct issuer *issuer, const char *kid)
{
    int64_t now = monotonic_ms(), age = now - issuer->known_ms,
            pause_ms = issuer->keys ? issuers->rules.again_ms
                                    : MIN(issuers->rules.again_ms, FAILED_PAUSE_MS);
    bool has = issuer->keys && jwk_set_has(issuer->keys, kid),
         may_again = !issuer->was_asked || now - issuer->asked_ms >= pause_ms;
    if (has && (age < issuers->rules.keep_ms || ((!may_again || issuer->is_asked) &&
                                                 age < STALE_FACTOR * issuers->rules.keep_ms))) {
        return USE;
    }
    return issuer->is_asked ? WAIT : may_again ? ASK : NONE;
}

// Only who answered the last time is known not to have the key.
static enum rc
locked_refuse(const struct issuer *issuer, const struct err *why, struct err *err)
{
    return issuer->keys && !issuer->has_failed
               ? fault(err, RC_UNAUTHORIZED, "the issuer has no such key")
           : why->message[0] ? fault(err, RC_UNAVAILABLE, "%s", why->message)
                             : fault(err, RC_UNAVAILABLE, "the issuer did not answer a moment ago");
}

static bool
locked_wait(struct issuers *issuers, int64_t until_us)
{
    if (issuers->n_waiting >= WAITERS_MAX) {
        return false;
    }
    issuers->n_waiting++;
    bool woken = g_cond_wait_until(&issuers->answered, &issuers->lock, until_us);
    issuers->n_waiting--;
    return woken;
}

// Without the lock while the issuer is asked; entries that are asked stay in the table.
static void
locked_ask(struct issuers *issuers, const char *name, struct issuer *issuer, struct err *err)
{
    struct jwk_set *keys = NULL;
    issuer->is_asked = issuer->was_asked = true;
    g_mutex_unlock(&issuers->lock);
    enum rc rc = ask(issuers, name, &keys, err);
    g_mutex_lock(&issuers->lock);
    issuer->is_asked = false;
    issuer->has_failed = rc != RC_OK;
    issuer->asked_ms = monotonic_ms();
    if (rc == RC_OK) {
        jwk_set_unref(issuer->keys);
        issuer->keys = keys;
        issuer->known_ms = monotonic_ms();
    }
    g_cond_broadcast(&issuers->answered);
}

static enum rc
locked_keys(struct issuers *issuers, const char *name, const char *kid, struct jwk_set **ret_keys,
            struct err *err)
{
    int64_t until_us = g_get_monotonic_time() + WAIT_MS * INT64_C(1000);
    struct issuer *issuer = locked_find(issuers, name);
    struct err why = {0};
    for (;;) {
        switch (locked_decide(issuers, issuer, kid)) {
        case USE:
            *ret_keys = jwk_set_ref(issuer->keys);
            return RC_OK;
        case ASK:
            locked_ask(issuers, name, issuer, &why);
            break;
        case WAIT:
            if (!locked_wait(issuers, until_us)) {
                return fault(err, RC_UNAVAILABLE, "the issuer has not answered yet");
            }
            break;
        case NONE:
            return locked_refuse(issuer, &why, err);
        }
    }
}

enum rc
issuers_keys(struct issuers *issuers, const char *issuer, const char *kid,
             struct jwk_set **ret_keys, struct err *err)
{
    if (!may_ask(issuers, issuer) || strpbrk(issuer, "?#")) {
        return fault(err, RC_UNAUTHORIZED, "the issuer is no address that may be asked");
    }
    g_mutex_lock(&issuers->lock);
    enum rc rc = g_hash_table_size(issuers->table) < ISSUERS_MAX ||
                         g_hash_table_contains(issuers->table, issuer)
                     ? locked_keys(issuers, issuer, kid, ret_keys, err)
                     : fault(err, RC_UNAVAILABLE, "too many issuers are known");
    g_mutex_unlock(&issuers->lock);
    return rc;
}
