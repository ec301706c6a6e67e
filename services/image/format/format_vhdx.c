// SPDX-License-Identifier: Apache-2.0
// VHDX (MS-VHDX): without parent, without a log to be replayed, metadata ahead in the stream.
#include <string.h>

#include "services/image/format/format_probe.h"

#define KIB 1024u
#define HEADER_SIZE 4096
#define TABLE_SIZE (64 * KIB)
#define MAX_ENTRIES 2047
#define MAX_REGION ((uint64_t)1 << 30) // bytes; a block allocation table of 64 TiB has 512 MiB
#define MAX_DISK ((uint64_t)1 << 50)
#define GUID(...)   \
    {               \
        __VA_ARGS__ \
    }
static const uint8_t region_bat[16] = GUID(0x66, 0x77, 0xc2, 0x2d, 0x23, 0xf6, 0x00, 0x42, 0x9d,
                                           0x64, 0x11, 0x5e, 0x9b, 0xfd, 0x4a, 0x08);
static const uint8_t region_metadata[16] = GUID(0x06, 0xa2, 0x7c, 0x8b, 0x90, 0x47, 0x9a, 0x4b,
                                                0xb8, 0xfe, 0x57, 0x5f, 0x05, 0x0f, 0x88, 0x6e);
static const uint8_t item_disk_size[16] = GUID(0x24, 0x42, 0xa5, 0x2f, 0x1b, 0xcd, 0x76, 0x48, 0xb2,
                                               0x11, 0x5d, 0xbe, 0xd8, 0x3b, 0xf4, 0xb8);
static const uint8_t item_parameters[16] = GUID(0x37, 0x67, 0xa1, 0xca, 0x36, 0xfa, 0x43, 0x4d,
                                                0xb3, 0xb6, 0x33, 0xf0, 0xaa, 0x44, 0xe7, 0x6b);
static const uint8_t item_parent[16] = GUID(0x2d, 0x5f, 0xd3, 0xa8, 0x0b, 0xb3, 0x4d, 0x45, 0xab,
                                            0xf7, 0xd3, 0xd8, 0x48, 0x34, 0xab, 0x0c);
static const uint8_t item_sector[16] = GUID(0x1d, 0xbf, 0x41, 0x81, 0x6f, 0xa9, 0x09, 0x47, 0xba,
                                            0x47, 0xf2, 0x33, 0xa8, 0xfa, 0xab, 0x5f);
static const uint8_t item_physical[16] = GUID(0xc7, 0x48, 0xa3, 0xcd, 0x5d, 0x44, 0x71, 0x44, 0x9c,
                                              0xc9, 0xe9, 0x88, 0x52, 0x51, 0xc5, 0x56);
static const uint8_t item_page83[16] = GUID(0xab, 0x12, 0xca, 0xbe, 0xe6, 0xb2, 0x23, 0x45, 0x93,
                                            0xef, 0xc3, 0x09, 0xe0, 0x00, 0xc7, 0x46);

static bool check_log(const struct format_view *view, struct format_verdict *verdict);
static bool check_regions(const struct format_view *view, struct format_verdict *verdict);
static bool check_metadata(const struct format_view *view, struct format_verdict *verdict);

// CRC-32C over a structure whose own checksum field, at offset 4, counts as zero.
static uint32_t
crc32c_of(const uint8_t *bytes, size_t size)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < size; i++) {
        crc ^= i >= 4 && i < 8 ? 0 : bytes[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
        }
    }
    return ~crc;
}

bool
vhdx_check(const struct format_view *view, struct format_verdict *verdict)
{
    if (view->head_size < 320 * KIB) {
        return format_refuse(verdict, "vhdx headers are cut off");
    }
    if (!check_log(view, verdict) || !check_regions(view, verdict)) {
        return false;
    }
    return !view->final || check_metadata(view, verdict);
}

// The current header is the valid one with the higher sequence number.
static bool
check_log(const struct format_view *view, struct format_verdict *verdict)
{
    const uint8_t *current = NULL;
    static const uint8_t no_guid[16];
    for (size_t at = 64 * KIB; at <= 128 * KIB; at += 64 * KIB) {
        const uint8_t *h = view->head + at;
        if (!memcmp(h, "head", 4) && get_le32(h + 4) == crc32c_of(h, HEADER_SIZE) &&
            (!current || get_le64(h + 8) > get_le64(current + 8))) {
            current = h;
        }
    }
    if (!current) {
        return format_refuse(verdict, "vhdx has no valid header");
    }
    if (memcmp(current + 48, no_guid, 16)) {
        return format_refuse(verdict, "vhdx has a log to be replayed");
    }
    return true;
}

static const uint8_t *
region_table(const struct format_view *view)
{
    for (size_t at = 192 * KIB; at <= 256 * KIB; at += 64 * KIB) {
        const uint8_t *t = view->head + at;
        if (!memcmp(t, "regi", 4) && get_le32(t + 8) <= MAX_ENTRIES &&
            get_le32(t + 4) == crc32c_of(t, TABLE_SIZE)) {
            return t;
        }
    }
    return NULL;
}

static bool
check_regions(const struct format_view *view, struct format_verdict *verdict)
{
    const uint8_t *table = region_table(view);
    if (!table) {
        return format_refuse(verdict, "vhdx has no valid region table");
    }
    for (uint32_t i = 0; i < get_le32(table + 8); i++) {
        const uint8_t *entry = table + 16 + i * 32;
        bool known = !memcmp(entry, region_bat, 16) || !memcmp(entry, region_metadata, 16);
        if (!known && get_le32(entry + 28) & 1) {
            return format_refuse(verdict, "vhdx has an unknown required region");
        }
        uint64_t at = get_le64(entry + 16), size = get_le32(entry + 24);
        if (known && (at < 1024 * KIB || at > MAX_DISK || size > MAX_REGION ||
                      (view->final && at + size > view->size))) {
            return format_refuse(verdict, "vhdx tables lie outside the file");
        }
    }
    return vhdx_metadata_offset(view) != 0 ||
           format_refuse(verdict, "vhdx metadata region is missing or misplaced");
}

uint64_t
vhdx_metadata_offset(const struct format_view *view)
{
    const uint8_t *table = region_table(view);
    uint64_t offset = 0;
    for (uint32_t i = 0; table && i < get_le32(table + 8); i++) {
        const uint8_t *entry = table + 16 + i * 32;
        if (!memcmp(entry, region_metadata, 16)) {
            offset = get_le64(entry + 16);
        }
    }
    return offset >= 1024 * KIB && offset < MAX_DISK ? offset : 0;
}

static bool
check_item(const struct format_view *view, const uint8_t *entry, struct format_verdict *verdict)
{
    uint64_t at = get_le32(entry + 16), size = get_le32(entry + 20);
    static const uint8_t *const known[] = {item_disk_size, item_parameters, item_sector,
                                           item_physical, item_page83};
    if (!memcmp(entry, item_parent, 16)) {
        return format_refuse(verdict, "vhdx image has a parent");
    }
    bool is_known = false;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        is_known |= !memcmp(entry, known[i], 16);
    }
    if (!is_known) {
        return !(get_le32(entry + 24) & 4) ||
               format_refuse(verdict, "vhdx has unknown required metadata");
    }
    if (at < TABLE_SIZE || at + size > view->late_size || size < 4) {
        return format_refuse(verdict, "vhdx metadata lies out of reach");
    }
    if (!memcmp(entry, item_parameters, 16) && (size < 8 || get_le32(view->late + at + 4) & 2)) {
        return format_refuse(verdict, "vhdx image has a parent");
    }
    if (!memcmp(entry, item_disk_size, 16)) {
        uint64_t disk = size < 8 ? UINT64_MAX : get_le64(view->late + at);
        if (disk > MAX_DISK) {
            return format_refuse(verdict, "vhdx virtual size is absurd");
        }
        verdict->virtual_size = (int64_t)disk;
    }
    return true;
}

static bool
check_metadata(const struct format_view *view, struct format_verdict *verdict)
{
    if (view->late_size < TABLE_SIZE || memcmp(view->late, "metadata", 8) ||
        get_le16(view->late + 10) > MAX_ENTRIES) {
        return format_refuse(verdict, "vhdx metadata table is broken");
    }
    for (unsigned i = 0; i < get_le16(view->late + 10); i++) {
        if (!check_item(view, view->late + 32 + i * 32, verdict)) {
            return false;
        }
    }
    return verdict->virtual_size >= 0 || format_refuse(verdict, "vhdx has no virtual size");
}
