// SPDX-License-Identifier: Apache-2.0
#include "services/identity/delegation/ec2_sign.h"
#include "common/base/util.h"
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>

#define TEXT_MAX 16384

struct mac {
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned size;
};

static struct mac
sign(const EVP_MD *md, const void *key, size_t key_size, const char *text, size_t size)
{
    struct mac mac = {.size = 0};
    HMAC(md, key, (int)key_size, (const unsigned char *)text, size, mac.bytes, &mac.size);
    return mac;
}

static char *
mac_base64(struct mac mac)
{
    return g_base64_encode(mac.bytes, mac.size);
}

static char *
mac_hex(struct mac mac)
{
    GString *hex = g_string_sized_new(2 * mac.size);
    for (unsigned i = 0; i < mac.size; i++) {
        g_string_append_printf(hex, "%02x", mac.bytes[i]);
    }
    return g_string_free(hex, FALSE);
}

// A text member, "" when there is none; too long: "" as well.
static const char *
text_of(json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text && strlen(text) <= TEXT_MAX ? text : "";
}

static char *
value_text(json_t *value)
{
    return json_is_string(value) ? g_strdup(json_string_value(value))
           : json_is_integer(value)
               ? g_strdup_printf("%" JSON_INTEGER_FORMAT, json_integer_value(value))
               : g_strdup("");
}

static int
by_bytes(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int
by_lower(const void *a, const void *b)
{
    return g_ascii_strcasecmp(*(const char *const *)a, *(const char *const *)b);
}

static GPtrArray *
sorted_names(json_t *params, GCompareFunc compare)
{
    GPtrArray *names = g_ptr_array_new();
    const char *name;
    json_t *value;
    json_object_foreach(params, name, value)
    {
        g_ptr_array_add(names, (gpointer)name);
    }
    g_ptr_array_sort(names, compare);
    return names;
}

// ---- versions 0, 1 and 2

static char *
version_0(json_t *claim, const char *secret)
{
    json_t *params = json_object_get(claim, "params");
    g_autofree char *text =
        g_strconcat(text_of(params, "Action"), text_of(params, "Timestamp"), NULL);
    return mac_base64(sign(EVP_sha1(), secret, strlen(secret), text, strlen(text)));
}

static char *
version_1(json_t *claim, const char *secret)
{
    json_t *params = json_object_get(claim, "params");
    g_autoptr(GPtrArray) names = sorted_names(params, by_lower);
    g_autoptr(GString) text = g_string_new(NULL);
    for (unsigned i = 0; i < names->len; i++) {
        g_autofree char *value = value_text(json_object_get(params, names->pdata[i]));
        g_string_append_printf(text, "%s%s", (const char *)names->pdata[i], value);
    }
    return mac_base64(sign(EVP_sha1(), secret, strlen(secret), text->str, text->len));
}

// set NULL: none; else SignatureMethod is added with this value, as the signer does.
static char *
canonical_query(json_t *given, const char *method)
{
    json_auto_t *params = given ? json_copy(given) : json_object();
    if (method) {
        json_object_set_new(params, "SignatureMethod", json_string(method));
    }
    g_autoptr(GPtrArray) names = sorted_names(params, by_bytes);
    GString *query = g_string_new(NULL);
    for (unsigned i = 0; i < names->len; i++) {
        g_autofree char *value = value_text(json_object_get(params, names->pdata[i]));
        g_autofree char *name = g_uri_escape_string(names->pdata[i], NULL, FALSE),
                        *escaped = g_uri_escape_string(value, NULL, FALSE);
        g_string_append_printf(query, "%s%s=%s", i ? "&" : "", name, escaped);
    }
    return g_string_free(query, FALSE);
}

static char *
version_2(json_t *claim, const char *host, const char *secret)
{
    g_autofree char *query = canonical_query(json_object_get(claim, "params"), "HmacSHA256");
    g_autofree char *text = g_strdup_printf("%s\n%s\n%s\n%s", text_of(claim, "verb"), host,
                                            text_of(claim, "path"), query);
    return mac_base64(sign(EVP_sha256(), secret, strlen(secret), text, strlen(text)));
}

// ---- version 4

static bool
is_version_4(json_t *claim)
{
    return g_str_has_prefix(text_of(json_object_get(claim, "headers"), "Authorization"),
                            "AWS4-HMAC-SHA256") ||
           !strcmp(text_of(json_object_get(claim, "params"), "X-Amz-Algorithm"),
                   "AWS4-HMAC-SHA256");
}

// Of the Authorization header, else of the query; the caller frees.
static char *
parameter_4(json_t *claim, const char *name)
{
    const char *header = text_of(json_object_get(claim, "headers"), "Authorization");
    g_autofree char *start = g_strdup_printf("%s=", name),
                    *query = g_strdup_printf("X-Amz-%s", name);
    if (!header[0]) {
        return g_strdup(text_of(json_object_get(claim, "params"), query));
    }
    const char *at = strstr(header, start);
    at = at ? at + strlen(start) : "";
    return g_strndup(at, strcspn(at, ","));
}

static const char *
date_4(json_t *claim)
{
    const char *header = text_of(json_object_get(claim, "headers"), "X-Amz-Date");
    return header[0] ? header : text_of(json_object_get(claim, "params"), "X-Amz-Date");
}

static char *
header_value(json_t *headers, const char *wanted)
{
    const char *name;
    json_t *value;
    json_object_foreach(headers, name, value)
    {
        g_autofree char *key = g_strstrip(g_strdup(name));
        if (!g_ascii_strcasecmp(key, wanted)) {
            return g_strstrip(value_text(value));
        }
    }
    return NULL;
}

static char *
canonical_headers(json_t *claim, const char *signed_headers)
{
    GString *text = g_string_new(NULL);
    g_auto(GStrv) names = g_strsplit(signed_headers, ";", 64);
    for (char **name = names; *name; name++) {
        g_autofree char *value = header_value(json_object_get(claim, "headers"), *name);
        if (value) {
            g_string_append_printf(text, "%s%s:%s", text->len ? "\n" : "", *name, value);
        }
    }
    g_string_append_c(text, '\n');
    return g_string_free(text, FALSE);
}

// scope: date, region, service. The caller frees.
static char *
sign_4(const char *secret, char **scope, const char *text, size_t size)
{
    g_autofree char *start = g_strconcat("AWS4", secret, NULL);
    struct mac key = sign(EVP_sha256(), start, strlen(start), scope[0], strlen(scope[0]));
    key = sign(EVP_sha256(), key.bytes, key.size, scope[1], strlen(scope[1]));
    key = sign(EVP_sha256(), key.bytes, key.size, scope[2], strlen(scope[2]));
    key = sign(EVP_sha256(), key.bytes, key.size, "aws4_request", strlen("aws4_request"));
    char *hex = mac_hex(sign(EVP_sha256(), key.bytes, key.size, text, size));
    OPENSSL_cleanse(start, strlen(start));
    OPENSSL_cleanse(&key, sizeof key);
    return hex;
}

static char *
request_digest(json_t *claim, const char *host)
{
    g_autofree char *verb = g_ascii_strup(text_of(claim, "verb"), -1),
                    *names = parameter_4(claim, "SignedHeaders"), *query = NULL;
    query = strcmp(verb, "POST") ? canonical_query(json_object_get(claim, "params"), NULL)
                                 : g_strdup("");
    g_autofree char *headers = canonical_headers(claim, names);
    g_autofree char *text = g_strdup_printf("%s\n%s\n%s\n%s\n%s\n%s", verb, text_of(claim, "path"),
                                            query, headers, names, text_of(claim, "body_hash"));
    return sha256_hex(text, strlen(text));
}

static char *
version_4(json_t *claim, const char *host, const char *secret)
{
    g_autofree char *credential = parameter_4(claim, "Credential"),
                    *digest = request_digest(claim, host);
    g_auto(GStrv) parts = g_strsplit(credential, "/", 8); // access key, date, region, service, …
    const char *date = date_4(claim);
    if (g_strv_length(parts) != 5 || !parts[1][0] || !g_str_has_prefix(date, parts[1])) {
        return NULL;
    }
    g_autofree char *text =
        g_strdup_printf("AWS4-HMAC-SHA256\n%s\n%s\n%s", date, strchr(credential, '/') + 1, digest);
    return sign_4(secret, parts + 1, text, strlen(text));
}

// ---- any version

static char *
signature_of(json_t *claim, const char *host, const char *secret)
{
    const char *version = text_of(json_object_get(claim, "params"), "SignatureVersion");
    return !strcmp(version, "0")   ? version_0(claim, secret)
           : !strcmp(version, "1") ? version_1(claim, secret)
           : !strcmp(version, "2") ? version_2(claim, host, secret)
           : is_version_4(claim)   ? version_4(claim, host, secret)
                                   : NULL;
}

bool
ec2_signature_is_good(json_t *claim, const char *secret)
{
    const char *given = text_of(claim, "signature"), *host = text_of(claim, "host");
    g_autofree char *bare = g_strndup(host, strcspn(host, ":")),
                    *first = signature_of(claim, host, secret),
                    *second = signature_of(claim, bare, secret);
    bool ok = given[0] && first && equal_constant_time(first, given);
    return (given[0] && second && equal_constant_time(second, given)) || ok;
}

bool
s3_signature_is_good(json_t *claim, const char *secret)
{
    const char *given = text_of(claim, "signature"), *token = text_of(claim, "token");
    size_t size = 0;
    g_autofree char *urlsafe = g_strdelimit(g_strdup(token), "+", '-');
    g_strdelimit(urlsafe, "/", '_');
    g_autofree unsigned char *data = base64url_decode(urlsafe, &size);
    if (!given[0] || !data || !size) {
        return false;
    }
    g_autofree char *text = g_strndup((const char *)data, size), *expected = NULL;
    if (!g_str_has_prefix(text, "AWS4")) {
        expected = mac_base64(sign(EVP_sha1(), secret, strlen(secret), text, size));
        return equal_constant_time(expected, given);
    }
    g_auto(GStrv) lines = g_strsplit(text, "\n", 8);
    if (g_strv_length(lines) != 4 || strcmp(lines[0], "AWS4-HMAC-SHA256")) {
        return false;
    }
    static const char *const services[] = {"s3", "iam", "sts", NULL};
    g_auto(GStrv) scope = g_strsplit(lines[2], "/", 8);
    if (g_strv_length(scope) != 4 || strcmp(scope[3], "aws4_request") ||
        !g_strv_contains(services, scope[2])) {
        return false;
    }
    expected = sign_4(secret, scope, text, size);
    return equal_constant_time(expected, given);
}

bool
ec2_signed_at(json_t *claim, int64_t *ret_us)
{
    const char *text = text_of(json_object_get(claim, "params"), "Timestamp");
    text = text[0] ? text : date_4(claim);
    if (!text[0]) {
        *ret_us = 0;
        return true;
    }
    int y, mo, d, h, mi, s, end = 0;
    char iso[40];
    if (sscanf(text, "%4d%2d%2dT%2d%2d%2dZ%n", &y, &mo, &d, &h, &mi, &s, &end) == 6 && end == 16) {
        snprintf(iso, sizeof iso, "%04d-%02d-%02dT%02d:%02d:%02dZ", y, mo, d, h, mi, s);
        text = iso;
    }
    return iso8601_parse(text, ret_us);
}
