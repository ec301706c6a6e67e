// SPDX-License-Identifier: Apache-2.0
// tar as it streams by: ustar, pax extended headers, GNU's long names. What readers disagree about
// is refused: sparse files, global paths, sizes where no data belongs, bytes after the end.
#include <stdlib.h>
#include <string.h>

#include "services/image/format/archive_parts.h"

#define BLOCK 512
#define MAX_EXTENSION (64 * 1024)
enum { TAR_NAME = 0, TAR_SIZE = 124, TAR_SUM = 148, TAR_TYPE = 156, TAR_LINK = 157 };
enum { TAR_MAGIC = 257, TAR_MAJOR = 329, TAR_MINOR = 337, TAR_PREFIX = 345 };

enum tar_state { AT_HEADER, IN_DATA, IN_EXTENSION, IN_PADDING, AT_SECOND_ZERO, AT_END };

struct tar_scan {
    const struct tar_sink *sink;
    void *context;
    enum tar_state state;
    uint64_t offset; // of the next byte
    uint64_t left;   // of data, or of padding
    uint64_t padding;
    size_t fill; // of block
    uint8_t block[BLOCK];
    char extension_type;
    GString *extension; // the data of a header that describes the next member
    GString *name, *link;
    bool has_name, has_link, has_size;
    uint64_t size;
};

struct tar_scan *
tar_scan_new(const struct tar_sink *sink, void *context)
{
    struct tar_scan *scan = g_new0(struct tar_scan, 1);
    scan->sink = sink;
    scan->context = context;
    scan->extension = g_string_new("");
    scan->name = g_string_new("");
    scan->link = g_string_new("");
    return scan;
}

void
tar_scan_free(struct tar_scan *scan)
{
    if (scan) {
        g_string_free(scan->extension, TRUE);
        g_string_free(scan->name, TRUE);
        g_string_free(scan->link, TRUE);
        g_free(scan);
    }
}

// Octal digits, spaces around them; or base 256 when the first bit is set.
static bool
number_of(const uint8_t *field, size_t size, uint64_t *ret_number)
{
    uint64_t number = 0;
    size_t i = 0;
    if (field[0] & 0x80) {
        for (number = field[0] & 0x7f, i = 1; i < size; i++) {
            if (number >> 55) {
                return false;
            }
            number = number << 8 | field[i];
        }
        *ret_number = number;
        return true;
    }
    while (i < size && field[i] == ' ') {
        i++;
    }
    for (; i < size && field[i] >= '0' && field[i] <= '7'; i++) {
        number = number << 3 | (field[i] - '0'); // at most 12 digits
    }
    for (; i < size && (field[i] == ' ' || field[i] == 0); i++) {
    }
    *ret_number = number;
    return i == size;
}

bool
tar_is_header(const uint8_t block[BLOCK])
{
    uint64_t told, sum = 0;
    for (size_t i = 0; i < BLOCK; i++) {
        sum += i >= TAR_SUM && i < TAR_SUM + 8 ? ' ' : block[i];
    }
    return !memcmp(block + TAR_MAGIC, "ustar", 5) && number_of(block + TAR_SUM, 8, &told) &&
           told == sum;
}

static bool
is_zero(const uint8_t block[BLOCK])
{
    return block[0] == 0 && !memcmp(block, block + 1, BLOCK - 1);
}

// A pax record's value for the next member.
static bool
take_record(struct tar_scan *scan, const char *key, const char *value, size_t len,
            struct refusal *refusal)
{
    bool is_path = !strcmp(key, "path"), is_link = !strcmp(key, "linkpath");
    bool is_size = !strcmp(key, "size");
    if (g_str_has_prefix(key, "GNU.sparse.")) {
        return archive_refuse(refusal, "the archive has sparse members");
    }
    if (!is_path && !is_link && !is_size) {
        return true;
    }
    if (scan->extension_type == 'g' || memchr(value, 0, len) || len >= MAX_NAME) {
        return archive_refuse(refusal, "the archive's extended header has a bad '%s'", key);
    }
    if (is_path) {
        g_string_truncate(scan->name, 0);
        g_string_append_len(scan->name, value, (gssize)len);
        scan->has_name = true;
    } else if (is_link) {
        g_string_truncate(scan->link, 0);
        g_string_append_len(scan->link, value, (gssize)len);
        scan->has_link = true;
    } else {
        g_autofree char *text = g_strndup(value, len);
        if (!g_ascii_string_to_unsigned(text, 10, 0, INT64_MAX, &scan->size, NULL)) {
            return archive_refuse(refusal, "the archive's extended header has a bad 'size'");
        }
        scan->has_size = true;
    }
    return true;
}

// "25 path=some/long/name\n" …
static bool
take_pax(struct tar_scan *scan, struct refusal *refusal)
{
    char *at = scan->extension->str, *stop = at + scan->extension->len;
    while (at < stop) {
        char *end;
        if (!g_ascii_isdigit(*at)) {
            break;
        }
        uint64_t len = strtoull(at, &end, 10);
        char *equals =
            len > 0 && len <= (uint64_t)(stop - at) ? memchr(at, '=', (size_t)len) : NULL;
        if (!equals || *end != ' ' || end >= equals || at[len - 1] != '\n') {
            break;
        }
        *equals = 0;
        size_t value_len = (size_t)(at + len - 1 - (equals + 1));
        if (!take_record(scan, end + 1, equals + 1, value_len, refusal)) {
            return false;
        }
        at += len;
    }
    return at == stop || archive_refuse(refusal, "the archive's extended header is broken");
}

static bool
take_extension(struct tar_scan *scan, struct refusal *refusal)
{
    if (scan->extension_type == 'x' || scan->extension_type == 'g') {
        return take_pax(scan, refusal);
    }
    bool is_name = scan->extension_type == 'L';
    if (strlen(scan->extension->str) >= MAX_NAME) {
        return archive_refuse(refusal, "the archive has a name that is too long");
    }
    g_string_assign(is_name ? scan->name : scan->link, scan->extension->str);
    *(is_name ? &scan->has_name : &scan->has_link) = true;
    return true;
}

static void
names_from_header(struct tar_scan *scan)
{
    const char *h = (const char *)scan->block;
    if (!scan->has_name) {
        g_string_truncate(scan->name, 0);
        // GNU's header has times where POSIX' has a prefix.
        if (!memcmp(h + TAR_MAGIC, "ustar\0", 6) && h[TAR_PREFIX]) {
            g_string_append_len(scan->name, h + TAR_PREFIX, (gssize)strnlen(h + TAR_PREFIX, 155));
            g_string_append_c(scan->name, '/');
        }
        g_string_append_len(scan->name, h, (gssize)strnlen(h, 100));
    }
    if (!scan->has_link) {
        g_string_truncate(scan->link, 0);
        g_string_append_len(scan->link, h + TAR_LINK, (gssize)strnlen(h + TAR_LINK, 100));
    }
}

static bool
start_member(struct tar_scan *scan, char type, uint64_t size, struct refusal *refusal)
{
    uint64_t major = 0, minor = 0;
    names_from_header(scan);
    if (type == '3' || type == '4') {
        if (!number_of(scan->block + TAR_MAJOR, 8, &major) ||
            !number_of(scan->block + TAR_MINOR, 8, &minor) || major > UINT32_MAX ||
            minor > UINT32_MAX) {
            return archive_refuse(refusal, "the archive has a broken device member");
        }
    }
    const struct tar_member member = {
        .name = scan->name->str,
        .link = scan->link->str,
        .type = type,
        .size = size,
        .offset = scan->offset,
        .major = (uint32_t)major,
        .minor = (uint32_t)minor,
    };
    scan->has_name = scan->has_link = scan->has_size = false;
    if (!scan->sink->member(scan->context, &member, refusal)) {
        return false;
    }
    scan->state = size ? IN_DATA : AT_HEADER;
    return size || type != '0' || scan->sink->end(scan->context, refusal);
}

static bool
take_header(struct tar_scan *scan, struct refusal *refusal)
{
    uint64_t size;
    char type = (char)scan->block[TAR_TYPE];
    type = type == 0 || type == '7' ? '0' : type;
    if (!tar_is_header(scan->block)) {
        return archive_refuse(refusal, "the archive has a broken header at %llu",
                              (unsigned long long)(scan->offset - BLOCK));
    }
    if (!number_of(scan->block + TAR_SIZE, 12, &size)) {
        return archive_refuse(refusal, "the archive has a member of absurd size");
    }
    bool is_extension = type && strchr("xgLK", type);
    if (!is_extension && scan->has_size) {
        size = scan->size;
    }
    if (size > INT64_MAX - scan->offset - BLOCK) {
        return archive_refuse(refusal, "the archive has a member of absurd size");
    }
    scan->left = size;
    scan->padding = (BLOCK - size % BLOCK) % BLOCK;
    if (is_extension) {
        scan->extension_type = type;
        g_string_truncate(scan->extension, 0);
        scan->state = IN_EXTENSION;
        return (size > 0 && size <= MAX_EXTENSION) ||
               archive_refuse(refusal, "the archive has an extended header of absurd size");
    }
    if (type < '0' || type > '6') {
        return archive_refuse(refusal, "the archive has a member of unknown type 0x%02x",
                              (unsigned char)type);
    }
    if (size > 0 && type != '0') {
        return archive_refuse(refusal, "the archive has data where none belongs");
    }
    return start_member(scan, type, size, refusal);
}

static bool
take_block(struct tar_scan *scan, struct refusal *refusal)
{
    bool zero = is_zero(scan->block);
    if (scan->state == AT_HEADER && !zero) {
        return take_header(scan, refusal);
    }
    if (!zero) {
        return archive_refuse(refusal, "the archive has data after its end");
    }
    if (scan->has_name || scan->has_link || scan->has_size) {
        return archive_refuse(refusal, "the archive ends after an extended header");
    }
    scan->state = scan->state == AT_HEADER ? AT_SECOND_ZERO : AT_END;
    return true;
}

static bool
data_is_over(struct tar_scan *scan, struct refusal *refusal)
{
    bool is_data = scan->state == IN_DATA;
    scan->state = scan->padding ? IN_PADDING : AT_HEADER;
    scan->left = scan->padding;
    return is_data ? scan->sink->end(scan->context, refusal) : take_extension(scan, refusal);
}

// Of data or padding, as much as there is.
static size_t
take_bytes(struct tar_scan *scan, const uint8_t *data, size_t size, struct refusal *refusal)
{
    size_t n = (size_t)MIN(size, scan->left);
    scan->left -= n;
    scan->offset += n;
    if (scan->state == IN_DATA) {
        scan->sink->data(scan->context, data, n, refusal);
    } else if (scan->state == IN_EXTENSION) {
        g_string_append_len(scan->extension, (const char *)data, (gssize)n);
    }
    if (scan->left == 0 && !refusal->refused) {
        if (scan->state == IN_PADDING) {
            scan->state = AT_HEADER;
        } else {
            data_is_over(scan, refusal);
        }
    }
    return n;
}

bool
tar_scan_feed(struct tar_scan *scan, const uint8_t *data, size_t size, struct refusal *refusal)
{
    while (size > 0 && !refusal->refused) {
        size_t n;
        if (scan->state == IN_DATA || scan->state == IN_EXTENSION || scan->state == IN_PADDING) {
            n = take_bytes(scan, data, size, refusal);
        } else {
            n = MIN(size, BLOCK - scan->fill);
            memcpy(scan->block + scan->fill, data, n);
            scan->fill += n;
            scan->offset += n;
            if (scan->fill == BLOCK) {
                scan->fill = 0;
                take_block(scan, refusal);
            }
        }
        data += n;
        size -= n;
    }
    return !refusal->refused;
}

bool
tar_scan_end(struct tar_scan *scan, struct refusal *refusal)
{
    if (scan->fill > 0 && (scan->state == AT_END || scan->state == AT_SECOND_ZERO)) {
        return archive_refuse(refusal, "the archive has data after its end");
    }
    bool ended = scan->fill == 0 && (scan->state == AT_END || scan->state == AT_SECOND_ZERO);
    return ended || archive_refuse(refusal, "the archive is cut off");
}
