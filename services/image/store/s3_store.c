// SPDX-License-Identifier: Apache-2.0
// Blobs as objects <prefix><digest> of a bucket. An object appears whole: by one PUT, or when its
// parts are completed.
#include "services/image/store/driver.h"
#include "services/image/store/s3.h"

#include "common/base/util.h"

#include <string.h>

#define MAX_BUSY 8 // uploads of one store at once: each holds a part in memory
#define MAX_PARTS 9000

static void
s3_done(void *self)
{
    struct s3 *s3 = self;
    char *texts[] = {s3->url,        s3->bucket,     s3->region, s3->prefix,
                     s3->access_key, s3->secret_key, s3->signer};
    for (size_t i = 0; i < N_ELEMENTS(texts); i++) {
        g_free(texts[i]);
    }
    g_mutex_clear(&s3->mutex);
    g_cond_clear(&s3->freed);
    g_free(s3);
}

static enum rc
need(const struct conf *conf, const char *group, const char *key, const char *allowed,
     struct err *err)
{
    const char *text = conf_text(conf, group, key);
    return *text && (!allowed || strspn(text, allowed) == strlen(text))
               ? RC_OK
               : fault(err, RC_INVALID, "setting [%s] %s: %s", group, key,
                       *text ? "has characters that are not allowed"
                             : "must be set for a store of "
                               "kind s3");
}

#define PLAIN "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~"

static enum rc
check_settings(const struct conf *conf, const char *group, struct err *err)
{
    static const struct {
        const char *key, *allowed;
    } needed[] = {{"url", NULL},
                  {"bucket", PLAIN},
                  {"region", PLAIN},
                  {"access_key", NULL},
                  {"secret_key", NULL}};
    enum rc rc = RC_OK;
    for (size_t i = 0; rc == RC_OK && i < N_ELEMENTS(needed); i++) {
        rc = need(conf, group, needed[i].key, needed[i].allowed, err);
    }
    return rc == RC_OK && *conf_text(conf, group, "prefix")
               ? need(conf, group, "prefix", PLAIN "/", err)
               : rc;
}

static enum rc
s3_init(const struct conf *conf, const char *group, const char *temp_path, void **ret_self,
        struct err *err)
{
    enum rc rc = check_settings(conf, group, err);
    if (rc != RC_OK) {
        return rc;
    }
    struct s3 *s3 = g_new0(struct s3, 1);
    s3->url = g_strdup(conf_text(conf, group, "url"));
    while (g_str_has_suffix(s3->url, "/")) {
        s3->url[strlen(s3->url) - 1] = '\0';
    }
    s3->bucket = g_strdup(conf_text(conf, group, "bucket"));
    s3->region = g_strdup(conf_text(conf, group, "region"));
    s3->prefix = g_strdup(conf_text(conf, group, "prefix"));
    s3->signer = g_strdup_printf("aws:amz:%s:s3", s3->region);
    s3->access_key = g_strdup(conf_text(conf, group, "access_key"));
    s3->secret_key = g_strdup(conf_text(conf, group, "secret_key"));
    s3->part_size = conf_int(conf, group, "part_size");
    s3->timeout_s = (long)conf_int(conf, group, "timeout");
    g_mutex_init(&s3->mutex);
    g_cond_init(&s3->freed);
    *ret_self = s3;
    return RC_OK;
}

// A server that is away takes only its own images along.
static bool
s3_is_usable(void *self)
{
    return true;
}

static bool
s3_takes_temps(const void *self)
{
    return false;
}

static json_t *
s3_describe(const void *self)
{
    const struct s3 *s3 = self;
    return json_pack("{s:I, s:I, s:i}", "s3_store_large_object_size", (json_int_t)s3->part_size,
                     "s3_store_large_object_chunk_size", (json_int_t)s3->part_size,
                     "s3_store_thread_pools", MAX_BUSY);
}

static char *
s3_blob_url(const void *self, const char *digest)
{
    const struct s3 *s3 = self;
    const char *host = strstr(s3->url, "://");
    return g_strdup_printf("%s%s/%s/%s%s",
                           g_str_has_prefix(s3->url, "https") ? "s3+https://" : "s3://",
                           host ? host + 3 : s3->url, s3->bucket, s3->prefix, digest);
}

// One call whose answer is not looked at.
static enum rc
simple_call(const struct s3 *s3, const char *method, const char *key, const char *query,
            struct err *err)
{
    struct s3_call call = {.method = method, .key = key, .query = query};
    enum rc rc = s3_call_run(s3, &call, err);
    s3_call_clear(&call);
    return rc;
}

// ---- writing

struct put {
    const struct s3 *s3;
    const char *key;
    uint8_t *part;
    size_t fill, size;
    char *upload_id; // NULL: one part is enough
    GPtrArray *etags;
};

static enum rc
begin_parts(struct put *put, struct err *err)
{
    struct s3_call call = {.method = "POST", .key = put->key, .query = "uploads="};
    enum rc rc = s3_call_run(put->s3, &call, err);
    if (rc == RC_OK) {
        g_autoptr(GPtrArray) texts = s3_xml_texts(call.answer->str, call.answer->len);
        const char *id = texts ? s3_xml_find(texts, "UploadId") : NULL;
        put->upload_id = id ? g_uri_escape_string(id, NULL, FALSE) : NULL;
        rc = put->upload_id ? RC_OK : fault(err, RC_UNAVAILABLE, "the S3 server gave no UploadId");
    }
    s3_call_clear(&call);
    return rc;
}

static enum rc
send_part(struct put *put, struct err *err)
{
    g_autofree char *query = put->upload_id ? g_strdup_printf("partNumber=%u&uploadId=%s",
                                                              put->etags->len + 1, put->upload_id)
                                            : NULL;
    struct s3_call call = {
        .method = "PUT", .key = put->key, .query = query, .body = put->part, .size = put->fill};
    enum rc rc = s3_call_run(put->s3, &call, err);
    if (rc == RC_OK) {
        g_ptr_array_add(put->etags, g_strdup(call.etag ? call.etag : ""));
        put->fill = 0;
    }
    s3_call_clear(&call);
    return rc;
}

static enum rc
take_bytes(void *context, const void *data, size_t size, struct err *err)
{
    struct put *put = context;
    enum rc rc = RC_OK;
    while (rc == RC_OK && size > 0) {
        if (put->fill == put->size) {
            rc = send_part(put, err);
        }
        size_t n = MIN(size, put->size - put->fill);
        memcpy(put->part + put->fill, data, n);
        put->fill += n;
        data = (const uint8_t *)data + n;
        size -= n;
    }
    return rc;
}

// The server may say 200 and then, in the body, that it failed.
static enum rc
complete_parts(struct put *put, struct err *err)
{
    g_autoptr(GString) xml = g_string_new("<CompleteMultipartUpload>");
    for (guint i = 0; i < put->etags->len; i++) {
        g_autofree char *etag = g_markup_escape_text(put->etags->pdata[i], -1);
        g_string_append_printf(xml, "<Part><PartNumber>%u</PartNumber><ETag>%s</ETag></Part>",
                               i + 1, etag);
    }
    g_string_append(xml, "</CompleteMultipartUpload>");
    g_autofree char *query = g_strdup_printf("uploadId=%s", put->upload_id);
    struct s3_call call = {
        .method = "POST", .key = put->key, .query = query, .body = xml->str, .size = xml->len};
    enum rc rc = s3_call_run(put->s3, &call, err);
    if (rc == RC_OK) {
        g_autoptr(GPtrArray) texts = s3_xml_texts(call.answer->str, call.answer->len);
        const char *code = texts ? s3_xml_find(texts, "Code") : NULL;
        if (!texts || code || !s3_xml_find(texts, "ETag")) {
            rc = fault(err, RC_UNAVAILABLE, "the S3 server did not complete an upload: %s",
                       code ? code : "no ETag");
        }
    }
    s3_call_clear(&call);
    return rc;
}

static enum rc
put_bytes(struct put *put, const struct blob_source *source, struct err *err)
{
    bool is_large = source->size > (int64_t)put->size;
    enum rc rc = is_large ? begin_parts(put, err) : RC_OK;
    if (rc == RC_OK) {
        rc = blob_source_read(source, take_bytes, put, err);
    }
    if (rc == RC_OK) {
        rc = send_part(put, err);
    }
    if (rc == RC_OK && is_large) {
        rc = complete_parts(put, err);
    }
    if (rc != RC_OK && put->upload_id) {
        g_autofree char *query = g_strdup_printf("uploadId=%s", put->upload_id);
        rc_ignore(simple_call(put->s3, "DELETE", put->key, query, &(struct err){0}));
    }
    return rc;
}

static enum rc
s3_put(void *self, const struct blob_source *source, struct err *err)
{
    struct s3 *s3 = self;
    int64_t size = MAX(s3->part_size, source->size / MAX_PARTS + 1);
    g_mutex_lock(&s3->mutex);
    while (s3->n_busy >= MAX_BUSY) {
        g_cond_wait(&s3->freed, &s3->mutex);
    }
    s3->n_busy++;
    g_mutex_unlock(&s3->mutex);
    struct put put = {.s3 = s3,
                      .key = source->digest,
                      .size = (size_t)size,
                      .part = g_malloc((size_t)MAX(MIN(size, source->size), 1)),
                      .etags = g_ptr_array_new_with_free_func(g_free)};
    enum rc rc = put_bytes(&put, source, err);
    g_free(put.part);
    g_free(put.upload_id);
    g_ptr_array_unref(put.etags);
    g_mutex_lock(&s3->mutex);
    s3->n_busy--;
    g_cond_signal(&s3->freed);
    g_mutex_unlock(&s3->mutex);
    return rc;
}

// ---- reading

static enum rc
s3_get(void *self, const char *digest, int64_t first, int64_t last, blob_sink sink, void *context,
       struct err *err)
{
    struct s3_call call = {.method = "GET",
                           .key = digest,
                           .sink = sink,
                           .context = context,
                           .first = first,
                           .last = last};
    enum rc rc = s3_call_run(self, &call, err);
    s3_call_clear(&call);
    return rc;
}

// ---- lists

static enum rc
list_page(const struct s3 *s3, const char *query, GPtrArray **ret_texts, struct err *err)
{
    struct s3_call call = {.method = "GET", .query = query};
    enum rc rc = s3_call_run(s3, &call, err);
    if (rc == RC_OK) {
        *ret_texts = s3_xml_texts(call.answer->str, call.answer->len);
        rc = *ret_texts ? RC_OK : fault(err, RC_UNAVAILABLE, "the S3 server's list is not XML");
    }
    s3_call_clear(&call);
    return rc;
}

// The blob's name in an object's key, or NULL.
static const char *
name_of(const struct s3 *s3, const char *key)
{
    size_t skip = strlen(s3->prefix);
    return g_str_has_prefix(key, s3->prefix) && blob_name_is_valid(key + skip) ? key + skip : NULL;
}

static void
walk_page(const struct s3 *s3, const GPtrArray *texts, int64_t oldest_us,
          void (*fn)(void *context, const char *digest, int64_t size), void *context)
{
    const char *name = NULL;
    int64_t size = -1, time_us = INT64_MAX;
    for (guint i = 0; i + 1 < texts->len; i += 2) {
        const char *tag = texts->pdata[i], *text = texts->pdata[i + 1];
        if (!strcmp(tag, "Key")) {
            name = name_of(s3, text);
        } else if (!strcmp(tag, "Size")) {
            size = g_ascii_strtoll(text, NULL, 10);
        } else if (!strcmp(tag, "LastModified") && !iso8601_parse(text, &time_us)) {
            time_us = INT64_MAX;
        } else if (!strcmp(tag, "Contents")) {
            if (name && size >= 0 && time_us <= oldest_us) {
                fn(context, name, size);
            }
            name = NULL;
            size = -1;
            time_us = INT64_MAX;
        }
    }
}

static enum rc
s3_each(void *self, int64_t min_age_s, void (*fn)(void *context, const char *digest, int64_t size),
        void *context, struct err *err)
{
    const struct s3 *s3 = self;
    g_autofree char *prefix = g_uri_escape_string(s3->prefix, NULL, FALSE);
    g_autofree char *token = NULL;
    for (;;) {
        g_autofree char *query =
            token ? g_strdup_printf("continuation-token=%s&list-type=2&prefix=%s", token, prefix)
                  : g_strdup_printf("list-type=2&prefix=%s", prefix);
        g_autoptr(GPtrArray) texts = NULL;
        enum rc rc = list_page(s3, query, &texts, err);
        if (rc != RC_OK) {
            return rc;
        }
        walk_page(s3, texts, now_us() - min_age_s * G_USEC_PER_SEC, fn, context);
        const char *next = s3_xml_find(texts, "NextContinuationToken");
        g_free(token);
        token = next && *next ? g_uri_escape_string(next, NULL, FALSE) : NULL;
        if (!token) {
            return RC_OK;
        }
    }
}

// Calls fn for every unfinished upload whose key begins with prefix + start.
static enum rc
each_upload(const struct s3 *s3, const char *start,
            void (*fn)(const struct s3 *s3, void *context, const char *name, const char *id),
            void *context, struct err *err)
{
    g_autofree char *all = g_strconcat(s3->prefix, start, NULL);
    g_autofree char *prefix = g_uri_escape_string(all, NULL, FALSE);
    g_autofree char *markers = g_strdup("");
    g_autofree char *id_marker = g_strdup("");
    for (;;) {
        g_autofree char *query =
            g_strdup_printf("%sprefix=%s%s&uploads=", markers, prefix, id_marker);
        g_autoptr(GPtrArray) texts = NULL;
        enum rc rc = list_page(s3, query, &texts, err);
        if (rc != RC_OK) {
            return rc;
        }
        const char *name = NULL, *id = NULL;
        for (guint i = 0; i + 1 < texts->len; i += 2) {
            const char *tag = texts->pdata[i], *text = texts->pdata[i + 1];
            name = !strcmp(tag, "Key") ? name_of(s3, text) : name;
            id = !strcmp(tag, "UploadId") ? text : id;
            if (!strcmp(tag, "Upload") && name && id) {
                fn(s3, context, name, id);
            }
        }
        const char *truncated = s3_xml_find(texts, "IsTruncated");
        const char *next_key = s3_xml_find(texts, "NextKeyMarker");
        const char *next_id = s3_xml_find(texts, "NextUploadIdMarker");
        if (!truncated || strcmp(truncated, "true") || !next_key || !next_id) {
            return RC_OK;
        }
        g_autofree char *key = g_uri_escape_string(next_key, NULL, FALSE);
        g_autofree char *upload = g_uri_escape_string(next_id, NULL, FALSE);
        g_free(markers);
        g_free(id_marker);
        markers = g_strdup_printf("key-marker=%s&", key);
        id_marker = g_strdup_printf("&upload-id-marker=%s", upload);
    }
}

static void
note_upload(const struct s3 *s3, void *names, const char *name, const char *id)
{
    g_hash_table_add(names, g_strdup(name));
}

static enum rc
s3_partials(void *self, GHashTable *ret_names, struct err *err)
{
    return each_upload(self, "", note_upload, ret_names, err);
}

static void
abort_upload(const struct s3 *s3, void *context, const char *name, const char *id)
{
    g_autofree char *escaped = g_uri_escape_string(id, NULL, FALSE);
    g_autofree char *query = g_strconcat("uploadId=", escaped, NULL);
    struct err *err = context, failure = {0};
    enum rc rc = simple_call(s3, "DELETE", name, query, &failure);
    if (rc != RC_OK && rc != RC_NOT_FOUND) {
        *err = failure;
    }
}

static enum rc
s3_partial_remove(void *self, const char *digest, struct err *err)
{
    struct err failure = {0};
    enum rc rc = each_upload(self, digest, abort_upload, &failure, err);
    if (rc == RC_OK && failure.rc != RC_OK) {
        *err = failure;
        rc = failure.rc;
    }
    return rc;
}

static enum rc
s3_remove(void *self, const char *digest, struct err *err)
{
    // A claim of a removal is good for a minute: what took longer could delete what has come since.
    struct s3_call call = {.method = "DELETE", .key = digest, .is_once = true};
    enum rc rc = s3_call_run(self, &call, err);
    s3_call_clear(&call);
    return rc == RC_OK || rc == RC_NOT_FOUND ? s3_partial_remove(self, digest, err) : rc;
}

const struct store_driver s3_driver = {
    .kind = "s3",
    .is_remote = true,
    .init = s3_init,
    .done = s3_done,
    .is_usable = s3_is_usable,
    .takes_temps = s3_takes_temps,
    .describe = s3_describe,
    .url = s3_blob_url,
    .put = s3_put,
    .get = s3_get,
    .remove = s3_remove,
    .each = s3_each,
    .partials = s3_partials,
    .partial_remove = s3_partial_remove,
};
