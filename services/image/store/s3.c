// SPDX-License-Identifier: Apache-2.0
#include "services/image/store/s3.h"

#include "common/base/util.h"

#include <curl/curl.h>
#include <string.h>

#define CONNECT_TIMEOUT_S 10L
#define CONTINUE_TIMEOUT_MS 100L
#define N_TRIES 5
#define ONCE_S 30L
#define FIRST_DELAY_MS 200
#define MAX_ANSWER ((size_t)4 << 20)
#define EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

struct attempt {
    struct s3_call *call;
    CURL *curl;
    int64_t n_taken; // by the sink, in all attempts
    struct err sink_err;
};

static int64_t
bytes_missing(const struct attempt *attempt)
{
    return attempt->call->last - attempt->call->first + 1 - attempt->n_taken;
}

static size_t
take_body(char *data, size_t size, size_t n, void *context)
{
    struct attempt *attempt = context;
    struct s3_call *call = attempt->call;
    size_t total = size * n;
    curl_easy_getinfo(attempt->curl, CURLINFO_RESPONSE_CODE, &call->status);
    if (call->sink && call->status == 206) {
        if ((int64_t)total > bytes_missing(attempt)) {
            return 0; // more than was asked for
        }
        if (call->sink(call->context, data, total, &attempt->sink_err) != RC_OK) {
            return 0;
        }
        attempt->n_taken += (int64_t)total;
        return total;
    }
    if (call->answer->len + total > MAX_ANSWER) {
        return 0;
    }
    g_string_append_len(call->answer, data, (gssize)total);
    return total;
}

static size_t
take_header(char *data, size_t size, size_t n, void *context)
{
    struct attempt *attempt = context;
    size_t total = size * n;
    if (total > 5 && !g_ascii_strncasecmp(data, "etag:", 5)) {
        g_autofree char *line = g_strndup(data + 5, total - 5);
        g_free(attempt->call->etag);
        attempt->call->etag = g_strdup(g_strstrip(line));
    }
    return total;
}

static struct curl_slist *
make_headers(const struct attempt *attempt)
{
    const struct s3_call *call = attempt->call;
    g_autofree char *hash =
        call->size ? sha256_hex(call->body, call->size) : g_strdup(EMPTY_SHA256);
    g_autofree char *line = g_strconcat("x-amz-content-sha256: ", hash, NULL);
    struct curl_slist *headers = curl_slist_append(NULL, line);
    headers = curl_slist_append(headers, "Content-Type: application/octet-stream");
    if (call->sink) {
        g_autofree char *range =
            g_strdup_printf("Range: bytes=%lld-%lld", (long long)(call->first + attempt->n_taken),
                            (long long)call->last);
        headers = curl_slist_append(headers, range);
    }
    return headers;
}

static CURLcode
perform(const struct s3 *s3, struct attempt *attempt, char *message)
{
    struct s3_call *call = attempt->call;
    CURL *curl = attempt->curl;
    g_autofree char *url =
        g_strconcat(s3->url, "/", s3->bucket, "/", call->key ? s3->prefix : "",
                    call->key ? call->key : "", call->query ? "?" : "", call->query, NULL);
    struct curl_slist *headers = make_headers(attempt);
    curl_easy_reset(curl);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_AWS_SIGV4, s3->signer);
    curl_easy_setopt(curl, CURLOPT_USERNAME, s3->access_key);
    curl_easy_setopt(curl, CURLOPT_PASSWORD, s3->secret_key);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT_S);
    // A header that is taken away ("Expect:") would be signed all the same.
    curl_easy_setopt(curl, CURLOPT_EXPECT_100_TIMEOUT_MS, CONTINUE_TIMEOUT_MS);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, s3->timeout_s);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, call->is_once ? ONCE_S : 0L);
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, call->method);
    if (strcmp(call->method, "GET") != 0 && strcmp(call->method, "DELETE") != 0) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->size);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, call->body ? call->body : "");
    }
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, attempt);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, attempt);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, message);
    call->status = 0;
    g_string_truncate(call->answer, 0);
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &call->status);
    curl_slist_free_all(headers);
    return code;
}

// A range that came to an end too early goes on where it ended.
static bool
is_worth_another_try(CURLcode code, long status)
{
    return code != CURLE_OK || status >= 500 || status == 429 || status == 408 || status == 206;
}

static enum rc
judge(const struct s3 *s3, const struct attempt *attempt, CURLcode code, const char *message,
      struct err *err)
{
    const struct s3_call *call = attempt->call;
    bool is_done =
        code == CURLE_OK &&
        (call->sink ? call->status == 206 && bytes_missing(attempt) == 0 : call->status / 100 == 2);
    if (is_done) {
        return RC_OK;
    }
    if (code == CURLE_OK && call->status == 404) {
        return fault(err, RC_NOT_FOUND, "bucket '%s' has no '%.40s'", s3->bucket,
                     call->key ? call->key : "");
    }
    g_autoptr(GPtrArray) texts = s3_xml_texts(call->answer->str, call->answer->len);
    const char *reason = texts ? s3_xml_find(texts, "Code") : NULL;
    return fault(err, RC_UNAVAILABLE, "%s on bucket '%s' failed: %ld %s", call->method, s3->bucket,
                 call->status,
                 code != CURLE_OK      ? (*message ? message : curl_easy_strerror(code))
                 : reason              ? reason
                 : call->status == 206 ? "the object is shorter than it was"
                                       : "");
}

enum rc
s3_call_run(const struct s3 *s3, struct s3_call *call, struct err *err)
{
    struct attempt attempt = {.call = call, .curl = curl_easy_init()};
    int64_t delay_ms = FIRST_DELAY_MS;
    int n_tries = call->is_once ? 1 : N_TRIES;
    enum rc rc = RC_OK;
    call->answer = g_string_new(NULL);
    for (int i = 0; i < n_tries; i++) {
        char message[CURL_ERROR_SIZE] = "";
        CURLcode code = perform(s3, &attempt, message);
        if (attempt.sink_err.rc != RC_OK) {
            *err = attempt.sink_err;
            rc = err->rc;
            break;
        }
        rc = judge(s3, &attempt, code, message, err);
        if (rc != RC_UNAVAILABLE || !is_worth_another_try(code, call->status) || i == n_tries - 1) {
            break;
        }
        g_usleep((gulong)(delay_ms / 2 + g_random_int_range(0, (gint32)delay_ms)) * 1000);
        delay_ms *= 2;
    }
    curl_easy_cleanup(attempt.curl);
    return rc;
}

void
s3_call_clear(struct s3_call *call)
{
    if (call->answer) {
        g_string_free(call->answer, TRUE);
    }
    g_free(call->etag);
    call->answer = NULL;
    call->etag = NULL;
}

// ---- XML

struct reading {
    GPtrArray *texts;
    GString *text;
};

static void
on_start(GMarkupParseContext *parser, const char *name, const char **names, const char **values,
         void *data, GError **error)
{
    struct reading *reading = data;
    g_string_truncate(reading->text, 0);
}

static void
on_text(GMarkupParseContext *parser, const char *text, gsize size, void *data, GError **error)
{
    struct reading *reading = data;
    g_string_append_len(reading->text, text, (gssize)size);
}

static void
on_end(GMarkupParseContext *parser, const char *name, void *data, GError **error)
{
    struct reading *reading = data;
    g_ptr_array_add(reading->texts, g_strdup(name));
    g_ptr_array_add(reading->texts, g_strdup(reading->text->str));
    g_string_truncate(reading->text, 0);
}

GPtrArray *
s3_xml_texts(const char *xml, size_t size)
{
    static const GMarkupParser parser = {
        .start_element = on_start, .end_element = on_end, .text = on_text};
    struct reading reading = {g_ptr_array_new_with_free_func(g_free), g_string_new(NULL)};
    GMarkupParseContext *context = g_markup_parse_context_new(&parser, 0, &reading, NULL);
    bool done = g_markup_parse_context_parse(context, xml, (gssize)size, NULL) &&
                g_markup_parse_context_end_parse(context, NULL);
    g_markup_parse_context_free(context);
    g_string_free(reading.text, TRUE);
    if (!done) {
        g_ptr_array_unref(reading.texts);
        return NULL;
    }
    return reading.texts;
}

const char *
s3_xml_find(const GPtrArray *texts, const char *name)
{
    for (guint i = 0; i + 1 < texts->len; i += 2) {
        if (!strcmp(texts->pdata[i], name)) {
            return texts->pdata[i + 1];
        }
    }
    return NULL;
}
