// SPDX-License-Identifier: Apache-2.0
// PATCH of /locations. One is added at a time; several may be removed.
#include "services/image/access.h"
#include "services/image/catalog/locations.h"
#include "services/image/catalog/patch.h"
#include "services/image/data/job.h"
#include "services/image/store/location_db.h"
#include "services/image/store/url_db.h"

#include <string.h>

#define WAIT_MS 10000
#define MAX_LOCATIONS_SIZE 40960 // bytes of JSON, all together
#define MAX_WAITING 4            // requests; others are answered while the image is importing

struct location_patch {
    struct request *request;
    const GArray *changes;
};

static enum rc
load(const struct request *request, struct db *db, const char *rule, bool for_update,
     image_row **ret_image, struct err *err)
{
    struct viewer viewer = viewer_of(request);
    g_autoptr(image_row) image = NULL;
    enum rc rc =
        image_db_find(db, &viewer, request_param(request, "image_id"), for_update, &image, err);
    if (rc == RC_OK) {
        rc = image_allow(request, rule, image, NULL, err);
    }
    if (rc == RC_OK && strcmp(image->status, "active") && strcmp(image->status, "queued")) {
        return fault(err, RC_CONFLICT,
                     "It's not allowed to change locations if image status is %s.", image->status);
    }
    if (rc == RC_OK) {
        *ret_image = g_steal_pointer(&image);
    }
    return rc;
}

// ---- removing

// The only place or URL of an image stays. A place in a store goes with its data.
static enum rc
remove_at(const struct request *request, struct db *db, const image_row *image, json_t *shown,
          size_t position, struct err *err)
{
    json_t *location = json_array_get(shown, position);
    const char *url = json_string_value(json_object_get(location, "url"));
    const char *store =
        json_string_value(json_object_get(json_object_get(location, "metadata"), "store"));
    if (json_array_size(shown) == 1) {
        return fault(err, RC_FORBIDDEN, "Cannot remove last location in the image.");
    }
    if (g_str_has_prefix(url, "http://") || g_str_has_prefix(url, "https://")) {
        json_auto_t *urls = json_pack("[s]", url);
        g_autofree char *text = json_dumps(urls, JSON_COMPACT);
        return url_db_remove(db, image->id, text, err);
    }
    enum rc rc = image_allow(request, "delete_image_location", image, NULL, err);
    return rc == RC_OK ? location_db_leave(db, image->id, store, err) : rc;
}

static enum rc
remove_one(const struct request *request, struct db *db, const image_row *image,
           const struct change *change, struct err *err)
{
    json_auto_t *entry = NULL;
    enum rc rc = locations_load(db, image->id, &entry, err);
    if (rc != RC_OK) {
        return rc;
    }
    json_auto_t *shown = locations_of(image_service_of(request)->stores, entry);
    int64_t n = (int64_t)json_array_size(shown), position = n - 1;
    if ((strcmp(change->position, "-") && !parse_int64(change->position, 0, n - 1, &position)) ||
        n == 0) {
        return fault(err, RC_INVALID, "Invalid position for removing a location.");
    }
    return remove_at(request, db, image, shown, (size_t)position, err);
}

static enum rc
remove_in_tx(struct db *db, void *argument, struct err *err)
{
    const struct location_patch *patch = argument;
    g_autoptr(image_row) image = NULL;
    enum rc rc = load(patch->request, db, "set_image_location", true, &image, err);
    for (guint i = 0; rc == RC_OK && i < patch->changes->len; i++) {
        const struct change *change = &g_array_index(patch->changes, struct change, i);
        rc = remove_one(patch->request, db, image, change, err);
    }
    return rc;
}

// ---- replacing: the same URLs with other metadata

static bool
are_same_urls(json_t *a, json_t *b)
{
    g_autoptr(GHashTable) urls = g_hash_table_new(g_str_hash, g_str_equal);
    size_t i;
    json_t *each;
    json_array_foreach(a, i, each)
    {
        g_hash_table_add(urls, (gpointer)json_string_value(json_object_get(each, "url")));
    }
    json_array_foreach(b, i, each)
    {
        const char *url = json_string_value(json_object_get(each, "url"));
        if (!url || !json_is_object(json_object_get(each, "metadata")) ||
            !g_hash_table_remove(urls, url)) {
            return false;
        }
    }
    return g_hash_table_size(urls) == 0;
}

static enum rc
describe_in_tx(struct db *db, void *argument, struct err *err)
{
    const struct location_patch *patch = argument;
    json_t *value = g_array_index(patch->changes, struct change, 0).value;
    g_autoptr(image_row) image = NULL;
    json_auto_t *entry = NULL;
    enum rc rc = load(patch->request, db, "set_image_location", true, &image, err);
    if (rc == RC_OK) {
        rc = locations_load(db, image->id, &entry, err);
    }
    if (rc != RC_OK) {
        return rc;
    }
    json_auto_t *shown = locations_of(image_service_of(patch->request)->stores, entry);
    if (!are_same_urls(shown, value)) {
        return fault(err, RC_INVALID,
                     "Original locations is not empty: they can be described "
                     "anew, added and removed, but not replaced by others");
    }
    g_autofree char *text = json_dumps(value, JSON_COMPACT);
    return strlen(text) <= MAX_LOCATIONS_SIZE
               ? url_db_describe(db, image->id, text, err)
               : fault(err, RC_INVALID, "Invalid location: 'metadata' is too long");
}

// ---- adding

static enum rc
wait_for(const struct request *request, struct job_end *end, struct err *err)
{
    struct image_service *service = image_service_of(request);
    struct err outcome = {0};
    bool waits = g_atomic_int_add(&service->n_waiting, 1) < MAX_WAITING;
    bool is_over = waits && job_end_wait(end, WAIT_MS, &outcome);
    g_atomic_int_add(&service->n_waiting, -1);
    if (!is_over || outcome.rc == RC_OK) {
        return RC_OK; // the image and its task tell
    }
    *err = outcome;
    return outcome.rc == RC_BAD_GATEWAY
               ? fault(err, RC_INVALID, "Invalid location: %.200s", outcome.message)
               : outcome.rc;
}

static enum rc
check_new(json_t *shown, json_t *value, const char *position, struct err *err)
{
    int64_t n = (int64_t)json_array_size(shown), at;
    size_t i;
    json_t *each;
    if (strcmp(position, "-") && !parse_int64(position, n, n, &at)) {
        return fault(err, RC_INVALID, "Invalid position for adding a location.");
    }
    if (!json_is_object(json_object_get(value, "metadata"))) {
        return fault(err, RC_INVALID, "Invalid location: 'metadata' must be an object");
    }
    json_array_foreach(shown, i, each)
    {
        if (json_equal(json_object_get(each, "url"), json_object_get(value, "url"))) {
            return fault(err, RC_INVALID, "The location %.255s already exists",
                         json_string_value(json_object_get(each, "url")));
        }
    }
    return RC_OK;
}

static enum rc
add(struct request *request, struct db *db, json_t *value, const char *position, struct err *err)
{
    g_autoptr(image_row) image = NULL;
    json_auto_t *entry = NULL;
    struct job_end *end = NULL;
    enum rc rc = load(request, db, "set_image_location", false, &image, err);
    if (rc == RC_OK) {
        rc = locations_load(db, image->id, &entry, err);
    }
    if (rc != RC_OK) {
        return rc;
    }
    json_auto_t *shown = locations_of(image_service_of(request)->stores, entry);
    rc = check_new(shown, value, position, err);
    if (rc == RC_OK) {
        rc = locations_begin(request, db, &image, value, RC_CONFLICT, &end, err);
    }
    if (rc == RC_OK) {
        rc = wait_for(request, end, err);
    }
    job_end_unref(end);
    return rc;
}

static enum rc
replace(struct request *request, struct db *db, const struct location_patch *patch, struct err *err)
{
    json_t *value = g_array_index(patch->changes, struct change, 0).value;
    g_autoptr(image_row) image = NULL;
    if (!json_is_array(value) || json_array_size(value) == 0) {
        return fault(err, RC_INVALID, "Cannot set locations to empty list.");
    }
    enum rc rc = load(request, db, "set_image_location", false, &image, err);
    if (rc != RC_OK) {
        return rc;
    }
    if (image->has_data) {
        return db_tx(db, describe_in_tx, (void *)patch, err);
    }
    return json_array_size(value) == 1
               ? add(request, db, json_array_get(value, 0), "-", err)
               : fault(err, RC_INVALID, "An image gets its locations one after the other.");
}

enum rc
locations_patch(struct request *request, struct db *db, const GArray *changes, struct err *err)
{
    const struct location_patch patch = {request, changes};
    const struct change *first = &g_array_index(changes, struct change, 0);
    bool only_removals = true;
    for (guint i = 0; i < changes->len; i++) {
        const struct change *change = &g_array_index(changes, struct change, i);
        only_removals &= change->op == OP_REMOVE && !strcmp(change->name, "locations");
    }
    if (only_removals) {
        return db_tx(db, remove_in_tx, (void *)&patch, err);
    }
    if (changes->len > 1) {
        return fault(err, RC_INVALID, "A location is added or described by a request of its own.");
    }
    return first->op == OP_ADD ? add(request, db, first->value, first->position, err)
                               : replace(request, db, &patch, err);
}
