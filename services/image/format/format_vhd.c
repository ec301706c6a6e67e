// SPDX-License-Identifier: Apache-2.0
// VDI, VHD (fixed and dynamic) and VHDX.
#include <stdlib.h>
#include <string.h>

#include "services/image/format/format_probe.h"

#define MIB ((uint64_t)1 << 20)
#define MAX_DISK ((uint64_t)1 << 50)
#define VHD_FOOTER 512
enum { VHD_FIXED = 2, VHD_DYNAMIC = 3 };

bool
vdi_check(const struct format_view *view, struct format_verdict *verdict)
{
    const uint8_t *h = view->head;
    static const uint8_t no_uuid[16];
    if (view->head_size < 512) {
        return format_refuse(verdict, "vdi header is cut off");
    }
    uint32_t type = get_le32(h + 76), blocks = get_le32(h + 384), used = get_le32(h + 388);
    uint64_t size = get_le64(h + 368);
    if (get_le32(h + 68) != 0x00010001) {
        return format_refuse(verdict, "vdi version 0x%08x is not accepted", get_le32(h + 68));
    }
    if ((type != 1 && type != 2) || memcmp(h + 424, no_uuid, 16) || memcmp(h + 440, no_uuid, 16)) {
        return format_refuse(verdict, "vdi image has a parent");
    }
    if (get_le32(h + 376) != MIB || size > MAX_DISK || size > blocks * MIB || used > blocks) {
        return format_refuse(verdict, "vdi tables have absurd sizes");
    }
    uint64_t map = get_le32(h + 340), data = get_le32(h + 344);
    if (view->final &&
        (map + blocks * (uint64_t)4 > view->size || data + used * MIB > view->size)) {
        return format_refuse(verdict, "vdi tables lie outside the file");
    }
    verdict->virtual_size = (int64_t)size;
    return true;
}

// The footer's checksum is the complement of the sum of its other bytes.
static bool
vhd_checksum_holds(const uint8_t *footer)
{
    uint32_t sum = 0;
    for (int i = 0; i < VHD_FOOTER; i++) {
        sum += i >= 64 && i < 68 ? 0 : footer[i];
    }
    return ~sum == get_be32(footer + 64);
}

static bool
vhd_check_dynamic(const struct format_view *view, const uint8_t *footer,
                  struct format_verdict *verdict)
{
    uint64_t at = get_be64(footer + 16);
    if (at < VHD_FOOTER || at > HEAD_SIZE - 1024 || at + 1024 > view->head_size ||
        memcmp(view->head + at, "cxsparse", 8)) {
        return format_refuse(verdict, "vhd has no dynamic disk header near its start");
    }
    const uint8_t *d = view->head + at;
    uint64_t table = get_be64(d + 16), entries = get_be32(d + 28), block = get_be32(d + 32);
    uint64_t size = get_be64(footer + 48);
    static const uint8_t no_uuid[16];
    if (memcmp(d + 40, no_uuid, 16)) {
        return format_refuse(verdict, "vhd image has a parent");
    }
    if (block < 512 || block > 256 * MIB || (block & (block - 1)) || entries > (16u << 20) ||
        size > MAX_DISK || entries * block < size) {
        return format_refuse(verdict, "vhd tables have absurd sizes");
    }
    if (view->final && (table > view->size || entries * 4 > view->size - table)) {
        return format_refuse(verdict, "vhd tables lie outside the file");
    }
    return true;
}

bool
vhd_check(const struct format_view *view, struct format_verdict *verdict)
{
    bool at_start = view->head_size >= VHD_FOOTER && !memcmp(view->head, "conectix", 8);
    if (!at_start && view->tail_size < VHD_FOOTER) {
        return format_refuse(verdict, "vhd footer is cut off");
    }
    const uint8_t *footer = at_start ? view->head : view->tail + view->tail_size - VHD_FOOTER;
    if (memcmp(footer, "conectix", 8) || !vhd_checksum_holds(footer)) {
        return format_refuse(verdict, "vhd footer is broken");
    }
    uint32_t type = get_be32(footer + 60);
    uint64_t size = get_be64(footer + 48);
    if (type != (at_start ? VHD_DYNAMIC : VHD_FIXED)) {
        return format_refuse(verdict, "vhd disk type %u is not accepted", type);
    }
    if (at_start && !vhd_check_dynamic(view, footer, verdict)) {
        return false;
    }
    if (!at_start && size > view->size - VHD_FOOTER) {
        return format_refuse(verdict, "vhd image is cut off");
    }
    verdict->virtual_size = (int64_t)size;
    return true;
}
