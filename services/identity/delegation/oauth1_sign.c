// SPDX-License-Identifier: Apache-2.0
#include "services/identity/delegation/oauth1_sign.h"
#include "common/base/util.h"
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_MAX 4096
#define VALUE_MAX 1024

void
oauth1_add(struct oauth1_request *request, const char *name, const char *value)
{
    g_ptr_array_add(request->pairs, g_strdup(name));
    g_ptr_array_add(request->pairs, g_strdup(value));
}

void
oauth1_request_done(struct oauth1_request *request)
{
    if (request->pairs) {
        g_ptr_array_unref(request->pairs);
    }
    g_free(request->method);
    g_free(request->signature);
}

// name="value" with both encoded (§3.5.1); blanks around the comma do not count.
static bool
take_pair(struct oauth1_request *request, const char *text)
{
    g_autofree char *pair = g_strstrip(g_strdup(text));
    char *equals = strchr(pair, '=');
    size_t len = equals ? strlen(equals + 1) : 0;
    if (!equals || len < 2 || len > VALUE_MAX || equals[1] != '"' || equals[len] != '"') {
        return false;
    }
    *equals = equals[len] = 0;
    g_autofree char *name = g_uri_unescape_string(pair, NULL),
                    *value = g_uri_unescape_string(equals + 2, NULL);
    if (!name || !value) {
        return false;
    }
    if (!strcmp(name, "oauth_signature")) {
        g_free(request->signature);
        request->signature = g_steal_pointer(&value);
    } else if (strcmp(name, "realm")) {
        oauth1_add(request, name, value);
    }
    return true;
}

// NULL: not there, or there twice.
static const char *
value_of(const struct oauth1_request *request, const char *name)
{
    const char *found = NULL;
    for (unsigned i = 0; i < request->pairs->len; i += 2) {
        if (!strcmp(request->pairs->pdata[i], name)) {
            if (found) {
                return NULL;
            }
            found = request->pairs->pdata[i + 1];
        }
    }
    return found;
}

static enum rc
take_members(struct oauth1_request *request, struct err *err)
{
    const char *timestamp = value_of(request, "oauth_timestamp"),
               *version = value_of(request, "oauth_version");
    request->consumer_key = value_of(request, "oauth_consumer_key");
    request->token = value_of(request, "oauth_token");
    request->verifier = value_of(request, "oauth_verifier");
    request->nonce = value_of(request, "oauth_nonce");
    request->method = g_strdup(value_of(request, "oauth_signature_method"));
    const struct {
        const char *name, *value;
    } required[] = {{"oauth_consumer_key", request->consumer_key},
                    {"oauth_nonce", request->nonce},
                    {"oauth_signature_method", request->method},
                    {"oauth_signature", request->signature},
                    {"oauth_timestamp", timestamp}};
    for (size_t i = 0; i < N_ELEMENTS(required); i++) {
        if (!required[i].value || !required[i].value[0] || strlen(required[i].value) > 128) {
            return fault(err, RC_INVALID, "invalid input for field '%s': it is missing or too long",
                         required[i].name);
        }
    }
    if (version && strcmp(version, "1.0")) {
        return fault(err, RC_INVALID, "invalid input for field 'oauth_version': it is not 1.0");
    }
    return parse_int64(timestamp, 0, INT64_C(1) << 40, &request->signed_at_s)
               ? RC_OK
               : fault(err, RC_INVALID,
                       "invalid input for field 'oauth_timestamp': it is not a number");
}

enum rc
oauth1_parse(const char *authorization, struct oauth1_request *ret_request, struct err *err)
{
    if (!authorization || g_ascii_strncasecmp(authorization, "OAuth ", 6) ||
        strlen(authorization) > HEADER_MAX) {
        return fault(err, RC_INVALID, "there is no OAuth header Authorization");
    }
    struct oauth1_request request = {.pairs = g_ptr_array_new_with_free_func(g_free)};
    g_auto(GStrv) parts = g_strsplit(authorization + 6, ",", 32);
    bool ok = true;
    for (char **part = parts; *part && ok; part++) {
        ok = take_pair(&request, *part);
    }
    enum rc rc = ok ? take_members(&request, err)
                    : fault(err, RC_INVALID, "the OAuth header Authorization is malformed");
    if (rc) {
        oauth1_request_done(&request);
        return rc;
    }
    *ret_request = request;
    return RC_OK;
}

// ---- signature

static char *
escape(const char *text)
{
    return g_uri_escape_string(text, NULL, FALSE);
}

struct parameter {
    char *name, *value; // encoded
};

static int
compare(const void *a, const void *b)
{
    const struct parameter *left = a, *right = b;
    int by_name = strcmp(left->name, right->name);
    return by_name ? by_name : strcmp(left->value, right->value);
}

// §3.4.1.3.2
static char *
normalized_parameters(const struct oauth1_request *request)
{
    size_t n = request->pairs->len / 2;
    g_autofree struct parameter *parameters = g_new(struct parameter, n);
    for (size_t i = 0; i < n; i++) {
        parameters[i].name = escape(request->pairs->pdata[2 * i]);
        parameters[i].value = escape(request->pairs->pdata[2 * i + 1]);
    }
    qsort(parameters, n, sizeof *parameters, compare);
    GString *text = g_string_new(NULL);
    for (size_t i = 0; i < n; i++) {
        g_string_append_printf(text, "%s%s=%s", i ? "&" : "", parameters[i].name,
                               parameters[i].value);
        g_free(parameters[i].name);
        g_free(parameters[i].value);
    }
    return g_string_free(text, FALSE);
}

// §3.4.1.2: scheme and host in lower case, without a port that is the scheme's own.
static char *
base_uri(const char *url)
{
    const char *host = strstr(url, "://");
    host = host ? host + 3 : url;
    size_t len = strcspn(host, "/");
    g_autofree char *start = g_ascii_strdown(url, (gssize)(host - url + (ssize_t)len));
    if ((g_str_has_prefix(start, "http://") && g_str_has_suffix(start, ":80")) ||
        (g_str_has_prefix(start, "https://") && g_str_has_suffix(start, ":443"))) {
        *strrchr(start, ':') = 0;
    }
    return g_strconcat(start, host[len] ? host + len : "/", NULL);
}

char *
oauth1_base_string(const struct oauth1_request *request, const char *method, const char *url)
{
    g_autofree char *uri = base_uri(url), *parameters = normalized_parameters(request);
    g_autofree char *first = escape(uri), *second = escape(parameters);
    return g_strdup_printf("%s&%s&%s", method, first, second);
}

bool
oauth1_is_good(const struct oauth1_request *request, const char *base_string,
               const char *consumer_secret, const char *token_secret)
{
    const EVP_MD *md = !strcmp(request->method, "HMAC-SHA1")     ? EVP_sha1()
                       : !strcmp(request->method, "HMAC-SHA256") ? EVP_sha256()
                                                                 : NULL;
    bool is_plain = !strcmp(request->method, "PLAINTEXT"); // §3.4.4: the key itself
    if (!md && !is_plain) {
        return false;
    }
    g_autofree char *first = escape(consumer_secret), *second = escape(token_secret),
                    *key = g_strconcat(first, "&", second, NULL);
    if (is_plain) {
        bool is_good = equal_constant_time(key, request->signature);
        OPENSSL_cleanse(key, strlen(key));
        return is_good;
    }
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    HMAC(md, key, (int)strlen(key), (const unsigned char *)base_string, strlen(base_string), mac,
         &size);
    g_autofree char *signature = g_base64_encode(mac, size);
    OPENSSL_cleanse(key, strlen(key));
    return equal_constant_time(signature, request->signature);
}
