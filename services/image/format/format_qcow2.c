// SPDX-License-Identifier: Apache-2.0
// qcow2, versions 2 and 3 (QEMU docs/interop/qcow2.txt).
#include <string.h>

#include "services/image/format/format_probe.h"

#define V2_HEADER 72
#define V3_HEADER 104
#define MAX_L1_BYTES (32u << 20)      // QEMU's own limits
#define MAX_REFCOUNT_TABLE (8u << 20) // bytes
#define MAX_SNAPSHOTS 65536
#define MAX_DISK ((uint64_t)1 << 50) // 1 PiB
enum {
    INCOMPATIBLE_DIRTY = 1,
    INCOMPATIBLE_CORRUPT = 2,
    INCOMPATIBLE_DATA_FILE = 4,
    INCOMPATIBLE_COMPRESSION = 8,
    INCOMPATIBLE_EXTENDED_L2 = 16
};
#define INCOMPATIBLE_KNOWN \
    (INCOMPATIBLE_DIRTY | INCOMPATIBLE_COMPRESSION | INCOMPATIBLE_EXTENDED_L2)
#define EXTENSION_BACKING_FORMAT 0xe2792acau
#define EXTENSION_DATA_FILE 0x44415441u
#define EXTENSION_CRYPTO 0x0537be77u

static bool check_features(const struct format_view *view, struct format_verdict *verdict);
static bool check_extensions(const struct format_view *view, uint32_t offset,
                             struct format_verdict *verdict);
static bool check_tables(const struct format_view *view, unsigned cluster_bits,
                         struct format_verdict *verdict);

bool
qcow2_check(const struct format_view *view, struct format_verdict *verdict)
{
    const uint8_t *h = view->head;
    if (view->head_size < V2_HEADER) {
        return format_refuse(verdict, "qcow2 header is cut off");
    }
    uint32_t version = get_be32(h + 4), cluster_bits = get_be32(h + 20);
    if (version != 2 && version != 3) {
        return format_refuse(verdict, "qcow2 version %u is not accepted", version);
    }
    if (get_be64(h + 8) != 0 || get_be32(h + 16) != 0) {
        return format_refuse(verdict, "qcow2 image has a backing file");
    }
    if (get_be32(h + 32) != 0) {
        return format_refuse(verdict, "qcow2 image is encrypted");
    }
    if (cluster_bits < 9 || cluster_bits > 21) {
        return format_refuse(verdict, "qcow2 cluster size 2^%u is out of range", cluster_bits);
    }
    if (version == 3 && !check_features(view, verdict)) {
        return false;
    }
    if (!check_extensions(view, version == 2 ? V2_HEADER : get_be32(h + 100), verdict) ||
        !check_tables(view, cluster_bits, verdict)) {
        return false;
    }
    verdict->virtual_size = (int64_t)get_be64(h + 24);
    return true;
}

static bool
check_features(const struct format_view *view, struct format_verdict *verdict)
{
    const uint8_t *h = view->head;
    if (view->head_size < V3_HEADER) {
        return format_refuse(verdict, "qcow2 header is cut off");
    }
    uint64_t incompatible = get_be64(h + 72);
    uint32_t header_size = get_be32(h + 100);
    if (incompatible & INCOMPATIBLE_DATA_FILE) {
        return format_refuse(verdict, "qcow2 image has an external data file");
    }
    if (incompatible & INCOMPATIBLE_CORRUPT) {
        return format_refuse(verdict, "qcow2 image is marked corrupt");
    }
    if (incompatible & ~(uint64_t)INCOMPATIBLE_KNOWN) {
        return format_refuse(verdict, "qcow2 image has unknown incompatible features 0x%llx",
                             (unsigned long long)incompatible);
    }
    if (get_be32(h + 96) > 6) {
        return format_refuse(verdict, "qcow2 refcount width 2^%u is out of range",
                             get_be32(h + 96));
    }
    if (header_size < V3_HEADER || header_size % 8 || header_size > 4096) {
        return format_refuse(verdict, "qcow2 header length %u is out of range", header_size);
    }
    return true;
}

static bool
check_extensions(const struct format_view *view, uint32_t offset, struct format_verdict *verdict)
{
    size_t cluster = (size_t)1 << get_be32(view->head + 20);
    size_t end = view->head_size < cluster ? view->head_size : cluster;
    uint64_t at = offset;
    while (at + 8 <= end) {
        uint32_t type = get_be32(view->head + at), length = get_be32(view->head + at + 4);
        if (type == 0) {
            break;
        }
        if (type == EXTENSION_DATA_FILE) {
            return format_refuse(verdict, "qcow2 image names an external data file");
        }
        if (type == EXTENSION_BACKING_FORMAT && length > 0) {
            return format_refuse(verdict, "qcow2 image names a backing format");
        }
        if (type == EXTENSION_CRYPTO) {
            return format_refuse(verdict, "qcow2 image is encrypted");
        }
        at += 8 + (((uint64_t)length + 7) & ~(uint64_t)7);
    }
    // Extensions longer than what is kept of the stream would hide the ones behind them.
    if (at > cluster || (at + 8 > end && end < cluster && view->head_size == HEAD_SIZE)) {
        return format_refuse(verdict, "qcow2 header extensions run past the header's cluster");
    }
    return true;
}

// A table must start on a cluster and lie inside the file.
static bool
table_fits(const struct format_view *view, uint64_t offset, uint64_t bytes, unsigned cluster_bits)
{
    uint64_t mask = ((uint64_t)1 << cluster_bits) - 1;
    return (offset & mask) == 0 && offset <= INT64_MAX / 2 &&
           (!view->final || (offset <= view->size && bytes <= view->size - offset));
}

static bool
check_tables(const struct format_view *view, unsigned cluster_bits, struct format_verdict *verdict)
{
    const uint8_t *h = view->head;
    uint64_t size = get_be64(h + 24), l1_offset = get_be64(h + 40), refcounts = get_be64(h + 48);
    uint64_t l1_bytes = (uint64_t)get_be32(h + 36) * 8;
    uint64_t refcount_bytes = (uint64_t)get_be32(h + 56) << cluster_bits;
    bool extended = get_be32(h + 4) == 3 && (get_be64(h + 72) & INCOMPATIBLE_EXTENDED_L2);
    // One L1 entry covers a cluster full of L2 entries.
    unsigned l1_shift = cluster_bits + cluster_bits - (extended ? 4 : 3);
    if (size > MAX_DISK) {
        return format_refuse(verdict, "qcow2 virtual size %llu is absurd",
                             (unsigned long long)size);
    }
    if (l1_bytes > MAX_L1_BYTES || refcount_bytes > MAX_REFCOUNT_TABLE || refcount_bytes == 0) {
        return format_refuse(verdict, "qcow2 tables have absurd sizes");
    }
    if (l1_bytes / 8 < (size + ((uint64_t)1 << l1_shift) - 1) >> l1_shift) {
        return format_refuse(verdict, "qcow2 L1 table is too small for the virtual size");
    }
    if (get_be32(h + 60) > MAX_SNAPSHOTS) {
        return format_refuse(verdict, "qcow2 image has an absurd number of snapshots");
    }
    if ((l1_offset == 0 && l1_bytes > 0) || refcounts == 0) {
        return format_refuse(verdict, "qcow2 tables lie over the header");
    }
    if (!table_fits(view, l1_offset, l1_bytes, cluster_bits) ||
        !table_fits(view, refcounts, refcount_bytes, cluster_bits) ||
        !table_fits(view, get_be64(h + 64), 0, cluster_bits)) {
        return format_refuse(verdict, "qcow2 tables lie outside the file");
    }
    return true;
}
