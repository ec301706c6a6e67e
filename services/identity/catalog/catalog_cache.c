// SPDX-License-Identifier: Apache-2.0
#include "services/identity/catalog/catalog_cache.h"
#include "services/identity/catalog/catalog_db.h"
#include <pthread.h>
#include <string.h>

// Stands for the project's id in the kept text: no URL has it, and JSON does not escape it.
#define HOLE "$HANEUL-PROJECT$"

struct catalog_cache {
    pthread_rwlock_t lock;      // guards all below
    struct catalog_texts texts; // scoped NULL: not known
    GHashTable *filtered;       // projects that do not see all
};

static void
texts_clear(struct catalog_texts *texts)
{
    g_clear_pointer(&texts->scoped, g_free);
    g_clear_pointer(&texts->unscoped, g_free);
    g_clear_pointer(&texts->providers, g_free);
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
    texts_clear(&cache->texts);
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
    bool is_old = cache->texts.scoped && cache->texts.version != version;
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
    if (rc) {
        texts_clear(&texts);
        return rc;
    }
    pthread_rwlock_wrlock(&cache->lock);
    texts_clear(&cache->texts);
    cache->texts = texts;
    g_hash_table_remove_all(cache->filtered);
    for (size_t i = 0; i < json_array_size(filtered); i++) {
        g_hash_table_add(cache->filtered, g_strdup(json_string_value(json_array_get(filtered, i))));
    }
    pthread_rwlock_unlock(&cache->lock);
    return RC_OK;
}

static char *
fill(const char *text, const char *project_id)
{
    if (!strstr(text, HOLE)) {
        return g_strdup(text);
    }
    g_auto(GStrv) parts = g_strsplit(text, HOLE, -1);
    return g_strjoinv(project_id, parts);
}

// NULL: not known.
static char *
find(struct catalog_cache *cache, const char *project_id, bool *ret_filtered)
{
    pthread_rwlock_rdlock(&cache->lock);
    const char *text = project_id[0] ? cache->texts.scoped : cache->texts.unscoped;
    *ret_filtered = text && g_hash_table_contains(cache->filtered, project_id);
    char *filled = text ? fill(text, project_id) : NULL;
    pthread_rwlock_unlock(&cache->lock);
    return filled;
}

enum rc
catalog_cache_text(struct catalog_cache *cache, struct db *db, const char *project_id,
                   char **ret_text, struct err *err)
{
    for (;;) {
        bool is_filtered = false;
        char *text = find(cache, project_id, &is_filtered);
        if (is_filtered) {
            g_free(text);
            return catalog_db_text_of(db, project_id, ret_text, err);
        }
        if (text) {
            *ret_text = text;
            return RC_OK;
        }
        enum rc rc = load(cache, db, err);
        if (rc) {
            return rc;
        }
    }
}

enum rc
catalog_cache_providers(struct catalog_cache *cache, struct db *db, char **ret_text,
                        struct err *err)
{
    for (;;) {
        pthread_rwlock_rdlock(&cache->lock);
        bool is_known = cache->texts.scoped;
        char *text = g_strdup(cache->texts.providers);
        pthread_rwlock_unlock(&cache->lock);
        if (is_known) {
            *ret_text = text;
            return RC_OK;
        }
        enum rc rc = load(cache, db, err);
        if (rc) {
            return rc;
        }
    }
}
