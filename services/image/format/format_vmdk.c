// SPDX-License-Identifier: Apache-2.0
// VMDK: monolithicSparse and streamOptimized with an embedded descriptor and one extent, the file
// itself.
#include <glib.h>
#include <string.h>

#include "services/image/format/format_probe.h"

#define SECTOR 512
#define MAX_DESCRIPTOR (64 * 1024)
#define READ_DESCRIPTOR (20 * SECTOR) // what QEMU reads behind the header, wherever that points
#define MAX_DIRECTORY ((uint64_t)64 << 20)
#define MAX_SECTORS ((uint64_t)1 << 41) // 1 PiB
#define FOOTER_FROM_END 1024            // footer header, then the end-of-stream marker
#define GD_AT_END UINT64_MAX

static bool check_descriptor(const struct format_view *view, struct format_verdict *verdict);
struct seen {
    unsigned n_extents, n_types;
};
static bool check_line(char *line, struct seen *seen, struct format_verdict *verdict);
static bool check_tables(const struct format_view *view, struct format_verdict *verdict);
static bool check_extent(const char *line, struct format_verdict *verdict);
static bool check_footer(const struct format_view *view, struct format_verdict *verdict);

bool
vmdk_check(const struct format_view *view, struct format_verdict *verdict)
{
    const uint8_t *h = view->head;
    if (memcmp(h, "KDMV", 4) != 0) {
        return format_refuse(verdict, "vmdk whose extents are other files is not accepted");
    }
    if (view->head_size < SECTOR) {
        return format_refuse(verdict, "vmdk header is cut off");
    }
    uint32_t version = get_le32(h + 4);
    uint64_t sectors = get_le64(h + 12), grain = get_le64(h + 20);
    if (version < 1 || version > 3) {
        return format_refuse(verdict, "vmdk version %u is not accepted", version);
    }
    // Capacity 0 makes readers take the extents from the descriptor instead of from this file.
    if (sectors == 0 || sectors > MAX_SECTORS) {
        return format_refuse(verdict, "vmdk capacity is absurd");
    }
    if (grain < 8 || grain > 16384 || (grain & (grain - 1)) != 0 || get_le32(h + 44) > 512) {
        return format_refuse(verdict, "vmdk grain tables have absurd sizes");
    }
    if (!check_tables(view, verdict) || !check_descriptor(view, verdict) ||
        !check_footer(view, verdict)) {
        return false;
    }
    verdict->virtual_size = (int64_t)(sectors * SECTOR);
    return true;
}

// The grain directory has four bytes for each table of grains.
static bool
check_tables(const struct format_view *view, struct format_verdict *verdict)
{
    const uint8_t *h = view->head;
    uint64_t covered = get_le64(h + 20) * get_le32(h + 44), directory = get_le64(h + 56);
    if (covered == 0) {
        return format_refuse(verdict, "vmdk grain tables have absurd sizes");
    }
    uint64_t size = (get_le64(h + 12) + covered - 1) / covered * 4;
    if (size > MAX_DIRECTORY) {
        return format_refuse(verdict, "vmdk grain directory has an absurd size");
    }
    if (directory == GD_AT_END || !view->final) {
        return true;
    }
    bool fits =
        directory > 0 && directory < view->size / SECTOR && size <= view->size - directory * SECTOR;
    return fits || format_refuse(verdict, "vmdk tables lie outside the file");
}

// QEMU takes these words for a parent's name wherever they stand: in a comment, within a line.
static bool
names_parent(const uint8_t *bytes, size_t size)
{
    static const char words[] = "parentFileNameHint";
    for (size_t at = 0; at + sizeof words - 1 <= size; at++) {
        if (!g_ascii_strncasecmp((const char *)bytes + at, words, sizeof words - 1)) {
            return true;
        }
    }
    return false;
}

static bool
check_descriptor(const struct format_view *view, struct format_verdict *verdict)
{
    uint64_t sector = get_le64(view->head + 28), n_sectors = get_le64(view->head + 36);
    // Some readers follow the header, others look behind it: it must be the same place.
    if (sector != 1 || n_sectors == 0 || n_sectors > MAX_DESCRIPTOR / SECTOR) {
        return format_refuse(verdict, "vmdk has no embedded descriptor behind its header");
    }
    size_t start = sector * SECTOR, size = n_sectors * SECTOR;
    if (start + size > view->head_size) {
        return format_refuse(verdict, "vmdk descriptor is cut off");
    }
    if (names_parent(view->head + start,
                     MIN(MAX(size, READ_DESCRIPTOR), view->head_size - start))) {
        return format_refuse(verdict, "vmdk image has a parent");
    }
    g_autofree char *text = g_strndup((const char *)view->head + start, size);
    g_strdelimit(text, "\t", ' ');
    g_auto(GStrv) lines = g_strsplit_set(text, "\r\n", -1);
    struct seen seen = {0};
    for (char **line = lines; *line; line++) {
        if (!check_line(g_strstrip(*line), &seen, verdict)) {
            return false;
        }
    }
    if (seen.n_types != 1) {
        return format_refuse(verdict, "vmdk descriptor has %u createTypes, not one", seen.n_types);
    }
    return seen.n_extents == 1 ||
           format_refuse(verdict, "vmdk descriptor has %u extents, not one", seen.n_extents);
}

static bool
key_is(const char *line, const char *key, const char **ret_value)
{
    size_t len = strlen(key);
    if (g_ascii_strncasecmp(line, key, len) != 0) {
        return false;
    }
    line += len;
    while (g_ascii_isspace(*line)) {
        line++;
    }
    if (*line != '=') {
        return false;
    }
    for (line++; g_ascii_isspace(*line) || *line == '"'; line++) {
    }
    *ret_value = line;
    return true;
}

static bool
check_line(char *line, struct seen *seen, struct format_verdict *verdict)
{
    const char *value = NULL;
    if (key_is(line, "createType", &value)) {
        seen->n_types++;
        bool known = g_str_has_prefix(value, "monolithicSparse\"") ||
                     g_str_has_prefix(value, "streamOptimized\"");
        return known || format_refuse(verdict, "vmdk createType '%.40s' is not accepted", value);
    }
    if (key_is(line, "parentCID", &value)) {
        return !g_ascii_strncasecmp(value, "ffffffff", 8) ||
               format_refuse(verdict, "vmdk image has a parent");
    }
    if (!g_ascii_strncasecmp(line, "RW ", 3) || !g_ascii_strncasecmp(line, "RDONLY ", 7) ||
        !g_ascii_strncasecmp(line, "NOACCESS ", 9)) {
        seen->n_extents++;
        return check_extent(line, verdict);
    }
    return true;
}

// RW 20480 SPARSE "name.vmdk"
static bool
check_extent(const char *line, struct format_verdict *verdict)
{
    g_auto(GStrv) words = g_strsplit(line, " ", 4);
    if (g_strv_length(words) < 4 || strcmp(words[2], "SPARSE") != 0) {
        return format_refuse(verdict, "vmdk extent is not sparse: %.60s", line);
    }
    const char *name = words[3];
    if (strpbrk(name, "/\\:") || strstr(name, "..")) {
        return format_refuse(verdict, "vmdk extent is a path: %.60s", name);
    }
    return true;
}

// Readers of a stream-optimised file replace the header by the footer: it must say the same.
static bool
check_footer(const struct format_view *view, struct format_verdict *verdict)
{
    if (get_le64(view->head + 56) != GD_AT_END || !view->final) {
        return true;
    }
    if (view->size < 3 * SECTOR || view->tail_size < FOOTER_FROM_END) {
        return format_refuse(verdict, "vmdk footer is cut off");
    }
    const uint8_t *f = view->tail + view->tail_size - FOOTER_FROM_END;
    bool same = !memcmp(f, "KDMV", 4) && get_le32(f + 4) == get_le32(view->head + 4) &&
                !memcmp(f + 12, view->head + 12, 48 - 12) && get_le64(f + 56) < view->size / SECTOR;
    return same || format_refuse(verdict, "vmdk footer contradicts its header");
}
