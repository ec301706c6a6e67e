// SPDX-License-Identifier: Apache-2.0
// From a whole file to the stores and into the rows: announced first, so that nothing is ever in a
// store unnoticed; then every store in turn; then one transaction per step that clients may see.
#include "common/log/log.h"
#include "services/image/data/upload.h"

#include <string.h>

#define REMOVAL_WAIT_S 60
#define REMOVAL_POLL_MS 100

// "{a,b}": names of stores need no quotes.
static char *
array_of(char *const *names)
{
    g_autofree char *joined = g_strjoinv(",", (char **)names);
    return g_strdup_printf("{%s}", joined);
}

static void
note_failed(struct upload *upload, const char *name)
{
    char *failed = upload->failed ? g_strconcat(upload->failed, ",", name, NULL) : g_strdup(name);
    g_free(upload->failed);
    upload->failed = failed;
}

// The same bytes may just be on their way out of a store: that ends soon.
static enum rc
announce(struct upload *upload, const struct upload_facts *facts, GArray **ret_recipe,
         struct err *err)
{
    g_autofree char *stores = array_of(upload->stores);
    int64_t deadline = monotonic_ms() + REMOVAL_WAIT_S * 1000;
    for (;;) {
        struct db *db;
        enum rc rc = upload_connection(upload, &db, err);
        rc = rc ? rc : upload_db_announce(db, facts, stores, ret_recipe, err);
        bool is_busy = rc == RC_UNAVAILABLE && !strcmp(err->type, "removing");
        if (!is_busy || monotonic_ms() > deadline ||
            service_wait_stop(upload->service->service, REMOVAL_POLL_MS)) {
            return rc;
        }
    }
}

// The bytes, and how the stores keep them.
struct whole {
    const struct blob_source *source;
    GArray *recipe; // NULL: as one blob
};

static enum rc
put_one(struct upload *upload, const char *name, const struct whole *whole, struct err *err)
{
    enum rc rc =
        recipe_put(stores_find(upload->service->stores, name), whole->recipe, whole->source, err);
    if (rc != RC_OK) {
        log_warn("cannot store an image", kv("image", upload->row.image_id), kv("store", name),
                 kv("message", err->message));
        note_failed(upload, name);
    }
    return rc;
}

static enum rc
commit(struct upload *upload, const struct upload_facts *facts, const struct upload_stored *stored,
       struct err *err)
{
    struct db *db;
    enum rc rc = upload_connection(upload, &db, err);
    return rc ? rc : upload_db_store(db, facts, stored, err);
}

// All or nothing.
static enum rc
put_all(struct upload *upload, const struct upload_facts *facts, const struct whole *whole,
        struct err *err)
{
    enum rc rc = RC_OK;
    for (char **name = upload->stores; rc == RC_OK && *name; name++) {
        rc = put_one(upload, *name, whole, err);
    }
    g_autofree char *stores = array_of(upload->stores);
    const struct upload_stored stored = {stores, "", true};
    return rc == RC_OK ? commit(upload, facts, &stored, err) : rc;
}

// Each as soon as it is there. Fails when none is.
static enum rc
put_each(struct upload *upload, const struct upload_facts *facts, const struct whole *whole,
         struct err *err)
{
    bool is_any = false;
    enum rc put = RC_OK;
    for (char **name = upload->stores; *name; name++) {
        char *one[] = {*name, NULL};
        g_autofree char *stores = array_of(one);
        put = put_one(upload, *name, whole, err);
        const struct upload_stored stored = {put == RC_OK ? stores : "{}",
                                             upload->failed ? upload->failed : "", !name[1]};
        if (put != RC_OK && (!is_any || name[1])) {
            continue;
        }
        enum rc rc = commit(upload, facts, &stored, err);
        if (rc != RC_OK) {
            return rc;
        }
        is_any = true;
    }
    return is_any ? RC_OK : put;
}

enum rc
upload_publish(struct upload *upload, const struct upload_facts *facts,
               const struct blob_source *source, struct err *err)
{
    struct whole whole = {source, NULL};
    enum rc rc = announce(upload, facts, &whole.recipe, err);
    if (rc == RC_OK) {
        bool is_whole = upload->must_all || !upload->stores[1];
        rc = (is_whole ? put_all : put_each)(upload, facts, &whole, err);
    }
    g_clear_pointer(&whole.recipe, g_array_unref);
    upload->is_settled = rc == RC_OK || rc == RC_GONE;
    return rc;
}
