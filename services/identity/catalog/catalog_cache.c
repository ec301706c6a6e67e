// SPDX-License-Identifier: Apache-2.0
#include "services/identity/catalog/catalog_cache.h"
#include "services/identity/catalog/catalog_db.h"
#include <pthread.h>
#include <string.h>

// Stands for the project's id in the kept text: no URL has it, and JSON does not escape it.
#define HOLE "$HANEUL-PROJECT$"

struct catalog_cache {
    pthread_rwlock_t lock;         // guards all below
    GRefString *scoped, *unscoped; // NULL: not known
    GRefString *providers;         // NULL: none, or not known
    bool has_holes;                // scoped
    GHashTable *filtered;          // projects that do not see all
    int64_t version;
};

static void
locked_replace(GRefString **text, const char *by)
{
    g_clear_pointer(text, g_ref_string_release);
    *text = by ? g_ref_string_new(by) : NULL;
}

struct catalog_cache *
catalog_cache_new(void)
{
    struct catalog_cache *cache = g_new0(struct catalog_cache, 1);
    pthread_rwlock_init(&cache->lock, NULL);
    cache->filtered = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    return cache;
}

void
catalog_cache_forget(struct catalog_cache *cache)
{
    pthread_rwlock_wrlock(&cache->lock);
    locked_replace(&cache->scoped, NULL);
    locked_replace(&cache->unscoped, NULL);
    locked_replace(&cache->providers, NULL);
    pthread_rwlock_unlock(&cache->lock);
}

enum rc
catalog_cache_forget_after(enum rc rc, const struct request *request)
{
    if (rc == RC_OK) {
        catalog_cache_forget(identity_of(request)->catalog);
    }
    return rc;
}

enum rc
catalog_cache_check(struct catalog_cache *cache, struct db *db, struct err *err)
{
    int64_t version = 0;
    enum rc rc = catalog_db_version(db, &version, err);
    if (rc) {
        return rc;
    }
    pthread_rwlock_rdlock(&cache->lock);
    bool is_old = cache->scoped && cache->version != version;
    pthread_rwlock_unlock(&cache->lock);
    if (is_old) {
        catalog_cache_forget(cache);
    }
    return RC_OK;
}

static enum rc
load(struct catalog_cache *cache, struct db *db, struct err *err)
{
    struct catalog_texts texts = {0};
    json_auto_t *filtered = NULL;
    enum rc rc = catalog_db_texts(db, HOLE, &texts, err);
    rc = rc ? rc : catalog_db_filtered(db, &filtered, err);
    if (rc == RC_OK) {
        pthread_rwlock_wrlock(&cache->lock);
        locked_replace(&cache->scoped, texts.scoped);
        locked_replace(&cache->unscoped, texts.unscoped);
        locked_replace(&cache->providers, texts.providers);
        cache->has_holes = strstr(texts.scoped, HOLE);
        cache->version = texts.version;
        g_hash_table_remove_all(cache->filtered);
        for (size_t i = 0; i < json_array_size(filtered); i++) {
            const char *id = json_string_value(json_array_get(filtered, i));
            g_hash_table_add(cache->filtered, g_strdup(id));
        }
        pthread_rwlock_unlock(&cache->lock);
    }
    g_free(texts.scoped);
    g_free(texts.unscoped);
    g_free(texts.providers);
    return rc;
}

static GRefString *
fill(const char *text, const char *project_id)
{
    g_auto(GStrv) parts = g_strsplit(text, HOLE, -1);
    g_autofree char *filled = g_strjoinv(project_id, parts);
    return g_ref_string_new(filled);
}

// NULL: not known, or this project's own.
static GRefString *
find(struct catalog_cache *cache, const char *project_id, bool *ret_filtered)
{
    pthread_rwlock_rdlock(&cache->lock);
    GRefString *text = project_id[0] ? cache->scoped : cache->unscoped;
    *ret_filtered = text && g_hash_table_contains(cache->filtered, project_id);
    GRefString *found = !text || *ret_filtered              ? NULL
                        : project_id[0] && cache->has_holes ? fill(text, project_id)
                                                            : g_ref_string_acquire(text);
    pthread_rwlock_unlock(&cache->lock);
    return found;
}

static enum rc
load_or_ask(const struct request *request, const char *project_id, bool is_filtered,
            GRefString **ret_text, struct err *err)
{
    struct db *db = NULL;
    enum rc rc = request_db(request, &db, err);
    if (rc || !is_filtered) {
        return rc ? rc : load(identity_of(request)->catalog, db, err);
    }
    g_autofree char *text = NULL;
    rc = catalog_db_text_of(db, project_id, &text, err);
    *ret_text = rc ? NULL : g_ref_string_new(text);
    return rc;
}

enum rc
catalog_cache_text(const struct request *request, const char *project_id, GRefString **ret_text,
                   struct err *err)
{
    enum rc rc = RC_OK;
    GRefString *text = NULL;
    while (rc == RC_OK && !text) {
        bool is_filtered = false;
        text = find(identity_of(request)->catalog, project_id, &is_filtered);
        rc = text ? RC_OK : load_or_ask(request, project_id, is_filtered, &text, err);
    }
    *ret_text = text;
    return rc;
}

// False: not known.
static bool
find_providers(struct catalog_cache *cache, GRefString **ret_text)
{
    pthread_rwlock_rdlock(&cache->lock);
    bool is_known = cache->scoped;
    *ret_text = cache->providers ? g_ref_string_acquire(cache->providers) : NULL;
    pthread_rwlock_unlock(&cache->lock);
    return is_known;
}

enum rc
catalog_cache_providers(const struct request *request, GRefString **ret_text, struct err *err)
{
    struct catalog_cache *cache = identity_of(request)->catalog;
    enum rc rc = RC_OK;
    while (rc == RC_OK && !find_providers(cache, ret_text)) {
        struct db *db = NULL;
        rc = request_db(request, &db, err);
        rc = rc ? rc : load(cache, db, err);
    }
    return rc;
}
