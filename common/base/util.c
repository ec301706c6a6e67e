// SPDX-License-Identifier: Apache-2.0
#include "common/base/util.h"
#include "common/base/append.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <time.h>

#define US_PER_S INT64_C(1000000)
#define ID_BYTES 16
#define SECONDS_PER_DAY INT64_C(86400)
#define YEAR_10000_US (INT64_C(253402300800) * US_PER_S)

// Namespace of derived ids: the version 5 UUID of "haneul" under the DNS namespace of RFC 4122,
// fixed for ever.
static const unsigned char namespace_id[16] = {0x2f, 0x1e, 0x5d, 0x0c, 0x6b, 0x7a, 0x5c, 0x41,
                                               0x9d, 0x33, 0x8a, 0x51, 0xe4, 0x0b, 0x77, 0x90};

void
random_bytes(void *ret_bytes, size_t size)
{
    unsigned char *at = ret_bytes;
    while (size > 0) {
        ssize_t n = getrandom(at, size, 0);
        if (n > 0) {
            at += n;
            size -= (size_t)n;
        }
    }
}

static void
uuid_format(unsigned char id[16], unsigned version, char ret_uuid[UUID_SIZE])
{
    id[6] = (unsigned char)((id[6] & 0x0f) | (version << 4));
    id[8] = (unsigned char)((id[8] & 0x3f) | 0x80);
    static const char digits[] = "0123456789abcdef";
    char *out = ret_uuid;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            *out++ = '-';
        }
        *out++ = digits[id[i] >> 4];
        *out++ = digits[id[i] & 15];
    }
    *out = '\0';
}

// Each thread asks the kernel for its next 16 ids at once. Each is given out once and wiped; no
// program goes on in a forked child.
static void
id_new(unsigned char ret_id[ID_BYTES])
{
    enum { N_AT_ONCE = 16 };
    static _Thread_local unsigned char ids[N_AT_ONCE][ID_BYTES];
    static _Thread_local unsigned n_left;
    if (n_left == 0) {
        random_bytes(ids, sizeof ids);
        n_left = N_AT_ONCE;
    }
    memcpy(ret_id, ids[--n_left], ID_BYTES);
    explicit_bzero(ids[n_left], ID_BYTES);
}

void
uuid_new(char ret_uuid[UUID_SIZE])
{
    unsigned char id[ID_BYTES];
    id_new(id);
    uuid_format(id, 4, ret_uuid);
}

char *
id_text_new(void)
{
    unsigned char id[ID_BYTES];
    id_new(id);
    return base64url_encode(id, sizeof id);
}

void
uuid_derive(const char *owner, const char *name, char ret_uuid[UUID_SIZE])
{
    g_autofree char *text = g_strdup_printf("%s/%s", owner, name);
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA1);
    g_checksum_update(sum, namespace_id, sizeof(namespace_id));
    g_checksum_update(sum, (const guchar *)text, -1);
    unsigned char digest[20];
    gsize size = sizeof(digest);
    g_checksum_get_digest(sum, digest, &size);
    uuid_format(digest, 5, ret_uuid);
}

bool
uuid_is_valid(const char *text)
{
    size_t len = strlen(text);
    if (len != 32 && len != UUID_LEN) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        bool dash = len == UUID_LEN && (i == 8 || i == 13 || i == 18 || i == 23);
        if (dash ? text[i] != '-' : !g_ascii_isxdigit(text[i])) {
            return false;
        }
    }
    return true;
}

void
hex_id_new(char ret_id[HEX_ID_SIZE])
{
    char uuid[UUID_SIZE];
    uuid_new(uuid);
    char *out = ret_id;
    for (const char *in = uuid; *in; in++) {
        if (*in != '-') {
            *out++ = *in;
        }
    }
    *out = '\0';
}

char *
random_token(size_t n_bytes)
{
    g_autofree unsigned char *bytes = g_malloc(n_bytes);
    random_bytes(bytes, n_bytes);
    return base64url_encode(bytes, n_bytes);
}

char *
sha256_hex(const void *data, size_t size)
{
    return g_compute_checksum_for_data(G_CHECKSUM_SHA256, data, size);
}

bool
equal_constant_time(const char *a, const char *b)
{
    size_t len_a = strlen(a), len_b = strlen(b);
    volatile unsigned char difference = len_a != len_b;
    for (size_t i = 0; i < len_a && len_b > 0; i++) {
        difference |= (unsigned char)(a[i] ^ b[i % len_b]);
    }
    return difference == 0;
}

int64_t
now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * US_PER_S + now.tv_nsec / 1000;
}

int64_t
monotonic_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

// `n` decimal digits of value; the place after them.
static char *
put_digits(char *at, int64_t value, int n)
{
    for (int i = n - 1; i >= 0; i--, value /= 10) {
        at[i] = (char)('0' + value % 10);
    }
    return at + n;
}

// "2026-11-20": the proleptic Gregorian date of a day since the epoch, counted in eras of 400 years
// (146,097 days) that begin on 1 March, so that the leap day is a year's last.
static char *
put_date(char *at, int64_t day)
{
    int64_t shifted = day + 719468; // since 0000-03-01
    int64_t era = shifted / 146097, of_era = shifted % 146097;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    int64_t month = (5 * of_year + 2) / 153; // March is 0
    int64_t of_month = of_year - (153 * month + 2) / 5;
    at = put_digits(at, era * 400 + year + (month >= 10), 4);
    *at++ = '-';
    at = put_digits(at, month < 10 ? month + 3 : month - 9, 2);
    *at++ = '-';
    return put_digits(at, of_month + 1, 2);
}

static char *
put_time(char *at, int64_t second)
{
    at = put_digits(at, second / 3600, 2);
    *at++ = ':';
    at = put_digits(at, second / 60 % 60, 2);
    *at++ = ':';
    return put_digits(at, second % 60, 2);
}

// Before 1970 and after 9999.
static void
format_far_time(int64_t time_us, bool fraction, char ret_text[32])
{
    struct tm tm;
    gmtime_r(&(time_t){time_us / US_PER_S}, &tm);
    size_t len = strftime(ret_text, 32, "%Y-%m-%dT%H:%M:%S", &tm);
    if (fraction) {
        snprintf(ret_text + len, 32 - len, ".%06dZ", (int)(time_us % US_PER_S));
    } else {
        g_strlcpy(ret_text + len, "Z", 32 - len);
    }
}

// Each token and each log line has such times: without strftime they take a tenth.
void
iso8601_format(int64_t time_us, bool fraction, char ret_text[32])
{
    if (time_us < 0 || time_us >= YEAR_10000_US) {
        format_far_time(time_us, fraction, ret_text);
        return;
    }
    int64_t second = time_us / US_PER_S;
    char *at = put_date(ret_text, second / SECONDS_PER_DAY);
    *at++ = 'T';
    at = put_time(at, second % SECONDS_PER_DAY);
    if (fraction) {
        *at++ = '.';
        at = put_digits(at, time_us % US_PER_S, 6);
    }
    *at++ = 'Z';
    *at = '\0';
}

bool
iso8601_parse(const char *text, int64_t *ret_time_us)
{
    size_t len = strlen(text);
    if (len < 10 || len > 40 || !g_utf8_validate(text, -1, NULL)) {
        return false;
    }
    g_autofree char *full = len == 10 ? g_strconcat(text, "T00:00:00Z", NULL) : g_strdup(text);
    if (full[10] == ' ') {
        full[10] = 'T';
    }
    g_autoptr(GTimeZone) utc = g_time_zone_new_utc();
    g_autoptr(GDateTime) time = g_date_time_new_from_iso8601(full, utc);
    if (!time) {
        return false;
    }
    *ret_time_us = g_date_time_to_unix(time) * US_PER_S + g_date_time_get_microsecond(time);
    return true;
}

void
append_int64(GString *text, int64_t value)
{
    char digits[20], *at = digits + sizeof digits;
    uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;
    do {
        *--at = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest);
    if (value < 0) {
        g_string_append_c(text, '-');
    }
    append_bytes(text, at, (size_t)(digits + sizeof digits - at));
}

bool
parse_int64(const char *text, int64_t min, int64_t max, int64_t *ret_value)
{
    gint64 value;
    if (!g_ascii_string_to_signed(text, 10, min, max, &value, NULL)) {
        return false;
    }
    *ret_value = value;
    return true;
}

bool
parse_bool(const char *text, bool *ret_value)
{
    static const struct {
        const char *text;
        bool value;
    } words[] = {
        {"true", true},   {"1", true},  {"yes", true}, {"on", true},   {"t", true},  {"y", true},
        {"false", false}, {"0", false}, {"no", false}, {"off", false}, {"f", false}, {"n", false},
    };
    for (size_t i = 0; i < N_ELEMENTS(words); i++) {
        if (strcasecmp(text, words[i].text) == 0) {
            *ret_value = words[i].value;
            return true;
        }
    }
    return false;
}

bool
text_is_clean(const char *text, size_t max_chars)
{
    if (!g_utf8_validate(text, -1, NULL) || (size_t)g_utf8_strlen(text, -1) > max_chars) {
        return false;
    }
    for (const char *at = text; *at; at = g_utf8_next_char(at)) {
        if (g_unichar_iscntrl(g_utf8_get_char(at))) {
            return false;
        }
    }
    return true;
}
