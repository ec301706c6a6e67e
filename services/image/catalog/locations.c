// SPDX-License-Identifier: Apache-2.0
#include "services/image/catalog/locations.h"

#include "services/image/access.h"
#include "services/image/data/fetch.h"
#include "services/image/data/import.h"
#include "services/image/data/job.h"
#include "services/image/store/url_db.h"

#include <string.h>

#define MAX_METADATA 4096 // bytes of JSON

static void
append_places(const struct stores *stores, json_t *entry, json_t *list)
{
    const char *blob = json_string_value(json_object_get(entry, "blob"));
    size_t i;
    json_t *name;
    // What is kept as layers lies nowhere as one file.
    json_array_foreach(json_object_get(entry, "stores"), i, name)
    {
        const struct store *store = stores_find(stores, json_string_value(name));
        g_autofree char *url = store && blob ? store_url(store, blob) : NULL;
        if (url) {
            json_array_append_new(
                list, json_pack("{s:s, s:{s:O}}", "url", url, "metadata", "store", name));
        }
    }
}

json_t *
locations_of(const struct stores *stores, json_t *entry)
{
    json_t *list = json_array();
    if (!json_is_true(json_object_get(entry, "is_located"))) {
        append_places(stores, entry, list);
    }
    json_array_extend(list, json_object_get(entry, "urls"));
    return list;
}

enum rc
locations_load(struct db *db, const char *image_id, json_t **ret_entry, struct err *err)
{
    g_autofree char *ids = g_strdup_printf("{%s}", image_id);
    json_auto_t *entries = NULL;
    enum rc rc = url_db_load(db, ids, &entries, err);
    if (rc == RC_OK && !json_object_get(entries, image_id)) {
        return fault(err, RC_NOT_FOUND, "No image found with ID %.64s", image_id);
    }
    if (rc == RC_OK) {
        *ret_entry = json_incref(json_object_get(entries, image_id));
    }
    return rc;
}

static bool
may_know(const struct request *request, json_t *entry)
{
    json_t *owner = json_object_get(entry, "owner");
    json_auto_t *target = json_pack("{s:O, s:O, s:O}", "project_id", owner, "owner", owner,
                                    "visibility", json_object_get(entry, "visibility"));
    return request_is_allowed(request, "get_image_location", target);
}

static enum rc
add_locations(const struct request *request, struct db *db, json_t *images, struct err *err)
{
    g_autoptr(GString) ids = g_string_new("{");
    json_auto_t *entries = NULL;
    json_t *image;
    size_t i;
    json_array_foreach(images, i, image)
    {
        g_string_append_printf(ids, "%s%s", i ? "," : "",
                               json_string_value(json_object_get(image, "id")));
    }
    g_string_append_c(ids, '}');
    enum rc rc = url_db_load(db, ids->str, &entries, err);
    json_array_foreach(images, i, image)
    {
        json_t *entry = json_object_get(entries, json_string_value(json_object_get(image, "id")));
        if (rc == RC_OK && entry && may_know(request, entry)) {
            json_object_set_new(image, "locations",
                                locations_of(image_service_of(request)->stores, entry));
        }
    }
    return rc;
}

enum rc
locations_in_items(const struct request *request, struct db *db, char **items, struct err *err)
{
    if (!image_service_of(request)->show_locations || !**items) {
        return RC_OK;
    }
    g_autofree char *text = g_strdup_printf("[%s]", *items);
    json_auto_t *images = json_loads(text, 0, NULL);
    g_assert(images);
    enum rc rc = add_locations(request, db, images, err);
    if (rc == RC_OK) {
        g_autofree char *dumped = json_dumps(images, 0);
        g_free(*items);
        *items = g_strndup(dumped + 1, strlen(dumped) - 2);
    }
    return rc;
}

enum rc
locations_in_image(const struct request *request, struct db *db, char **json, struct err *err)
{
    return locations_in_items(request, db, json, err);
}

// ---- adding one

static bool
is_hex(const char *text, size_t n)
{
    return text && strlen(text) == n && strspn(text, "0123456789abcdefABCDEF") == n;
}

// md5 is the checksum's business, and the only one of the others that bytes are not known by.
static enum rc
read_hash(struct location *location, const char *name, const char *value, enum rc refusal,
          struct err *err)
{
    if (!name || !value) {
        return fault(err, RC_INVALID, "validation_data: '%s' is missing or no text",
                     name ? "os_hash_value" : "os_hash_algo");
    }
    bool is_md5 = !strcmp(name, "md5");
    location->algo = digest_algo_find(name);
    if (!location->algo && !is_md5) {
        return fault(err, refusal, "os_hash_algo: '%.60s' is none of digest, sha384, sha256, md5",
                     name);
    }
    size_t n_hex = is_md5 ? 32 : location->algo->n_hex;
    if (!is_hex(value, n_hex)) {
        return fault(
            err, refusal,
            "os_hash_value (%.140s) is not a hexadecimal value of %s (should be %zu bytes)", value,
            name, n_hex / 2);
    }
    *(is_md5 ? &location->md5 : &location->hash) = g_ascii_strdown(value, -1);
    return RC_OK;
}

static enum rc
read_checksum(struct location *location, json_t *given, enum rc refusal, struct err *err)
{
    const char *text = json_string_value(given);
    if (!given) {
        return RC_OK;
    }
    if (!is_hex(text, 32)) {
        return fault(err, refusal, "checksum (%.60s) is not a hexadecimal value of md5",
                     text ? text : "");
    }
    g_autofree char *lower = g_ascii_strdown(text, -1);
    if (location->md5 && strcmp(location->md5, lower)) {
        return fault(err, refusal, "Conflicting values for checksum");
    }
    g_free(location->md5);
    location->md5 = g_steal_pointer(&lower);
    return RC_OK;
}

static enum rc
read_expectation(struct location *location, json_t *given, enum rc refusal, struct err *err)
{
    static const char *const known[] = {"checksum", "os_hash_algo", "os_hash_value", NULL};
    const char *name;
    json_t *value;
    if (!given || json_is_null(given)) {
        return RC_OK;
    }
    if (!json_is_object(given)) {
        return fault(err, RC_INVALID, "validation_data must be an object");
    }
    json_object_foreach(given, name, value)
    {
        if (!g_strv_contains(known, name)) {
            return fault(err, RC_INVALID, "validation_data: '%.60s' is not known", name);
        }
    }
    if (json_object_size(given) == 0) {
        return RC_OK;
    }
    enum rc rc =
        read_hash(location, json_string_value(json_object_get(given, "os_hash_algo")),
                  json_string_value(json_object_get(given, "os_hash_value")), refusal, err);
    return rc == RC_OK ? read_checksum(location, json_object_get(given, "checksum"), refusal, err)
                       : rc;
}

static enum rc
read_location(const struct request *request, json_t *value, struct location *location,
              struct err *err)
{
    const char *url = json_string_value(json_object_get(value, "url"));
    json_t *metadata = json_object_get(value, "metadata");
    if (!url || !*url || g_utf8_strlen(url, -1) > 255) {
        return fault(err, RC_INVALID, "Invalid location: 'url' must be 1 to 255 characters");
    }
    if (metadata && !json_is_object(metadata)) {
        return fault(err, RC_INVALID, "Invalid location: 'metadata' must be an object");
    }
    enum rc rc = fetch_check_url(image_service_of(request), url, err);
    if (rc != RC_OK) {
        return fault(err, rc, "Invalid location: the url %.255s is not fetched", url);
    }
    json_auto_t *kept = json_pack("{s:s, s:o}", "url", url, "metadata",
                                  metadata ? json_incref(metadata) : json_object());
    location->text = json_dumps(kept, JSON_COMPACT);
    return strlen(location->text) <= MAX_METADATA
               ? RC_OK
               : fault(err, RC_INVALID, "Invalid location: 'metadata' is too long");
}

// Data that is there keeps its hash: what is expected of more of it must be the same.
static enum rc
match_image(struct location *location, const image_row *image, struct err *err)
{
    bool differs = (location->md5 && strcmp(location->md5, image->checksum)) ||
                   (location->hash && strcmp(location->hash, image->digest));
    if (differs) {
        return fault(err, RC_CONFLICT, "%s is already set with a different value",
                     location->hash && strcmp(location->hash, image->digest) ? "os_hash_value"
                                                                             : "checksum");
    }
    g_free(location->hash);
    location->hash = g_strdup(image->digest);
    location->algo = digest_algo_of(image->digest);
    return RC_OK;
}

enum rc
locations_begin(struct request *request, struct db *db, image_row **image, json_t *value,
                enum rc refusal, struct job_end **ret_end, struct err *err)
{
    struct location *location = g_new0(struct location, 1);
    enum rc rc = upload_check_image(*image, err);
    if (rc == RC_OK) {
        rc = read_location(request, value, location, err);
    }
    if (rc == RC_OK) {
        rc = read_expectation(location, json_object_get(value, "validation_data"), refusal, err);
    }
    if (rc == RC_OK && (*image)->has_data) {
        rc = match_image(location, *image, err);
    }
    if (rc != RC_OK) {
        location_free(location);
        return rc;
    }
    const char *url = json_string_value(json_object_get(value, "url"));
    json_auto_t *input = json_pack("{s:s, s:s, s:O?}", "image_id", (*image)->id, "loc_url", url,
                                   "validation_data", json_object_get(value, "validation_data"));
    const struct import_order order = {.request = request, .db = db, .url = url, .input = input};
    return import_begin_location(&order, location, image, ret_end, err);
}
