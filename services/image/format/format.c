// SPDX-License-Identifier: Apache-2.0
#include "services/image/format/format.h"

#include <glib.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "services/image/format/archive_parts.h"
#include "services/image/format/format_probe.h"

struct format_scan {
    uint64_t size;
    size_t head_size, tail_size, late_size;
    uint64_t late_offset; // 0: nothing to capture
    bool head_judged;
    struct format_verdict verdict;
    uint8_t head[HEAD_SIZE];
    uint8_t late[LATE_SIZE];
    uint8_t tail[TAIL_SIZE];
};

enum { TAR_MAGIC = 257, TAR_BLOCK = 512 };
// How a format is recognised: bytes at an offset from the start, or from the end when negative.
struct signature {
    int offset;
    const char *bytes;
    size_t n_bytes;
    enum disk_format format;
    format_check_fn check;
    const char *name;                                 // of formats that are not allowed
    bool (*confirms)(const struct format_view *view); // NULL: the bytes are enough
};
static bool has_tar_sum(const struct format_view *view);
// clang-format off
#define SIG(bytes) bytes, sizeof(bytes) - 1
static const struct signature signatures[] = {
    {0, SIG("QFI\xfb"), FORMAT_QCOW2, qcow2_check, 0},
    {0, SIG("KDMV"), FORMAT_VMDK, vmdk_check, 0},
    {0, SIG("# Disk DescriptorFile"), FORMAT_VMDK, vmdk_check, 0},
    {0, SIG("COWD"), FORMAT_VMDK, vmdk_check, 0},
    {64, SIG("\x7f\x10\xda\xbe"), FORMAT_VDI, vdi_check, 0},
    {0, SIG("conectix"), FORMAT_VHD, vhd_check, 0},
    {0, SIG("vhdxfile"), FORMAT_VHDX, vhdx_check, 0},
    {0, SIG("QED\0"), FORMAT_OTHER, 0, "QED"},
    {0, SIG("LUKS\xba\xbe"), FORMAT_OTHER, 0, "LUKS (encrypted)"},
    {0, SIG("WithoutFreeSpace"), FORMAT_OTHER, 0, "Parallels"},
    {0, SIG("WithouFreSpacExt"), FORMAT_OTHER, 0, "Parallels"},
    {0, SIG("Bochs Virtual HD Image"), FORMAT_OTHER, 0, "Bochs"},
    {0, SIG("OOOM\0\0\0\2"), FORMAT_OTHER, 0, "COW"},
    {32769, SIG("CD001"), FORMAT_ISO, 0, 0},
    {32769, SIG("BEA01"), FORMAT_ISO, 0, 0},
    {TAR_MAGIC, SIG("ustar"), FORMAT_TAR, 0, 0, has_tar_sum},
    {-512, SIG("conectix"), FORMAT_VHD, vhd_check, 0},
    {-511, SIG("conectix"), FORMAT_VHD, vhd_check, 0},
    {-512, SIG("koly"), FORMAT_OTHER, 0, "DMG"},
};
static const char *const format_names[N_FORMATS] = {
    "raw", "qcow2", "vmdk", "vdi", "vhd", "vhdx", "iso", "tar", "other",
};
// clang-format on

static void judge(struct format_scan *scan, bool final);
static void capture(struct format_scan *scan, const uint8_t *data, size_t size);
static void keep_tail(struct format_scan *scan, const uint8_t *data, size_t size);

const char *
disk_format_name(enum disk_format format)
{
    return format_names[format];
}

struct format_scan *
format_scan_new(void)
{
    // The windows are written before they are read: no need to clear half a MiB.
    struct format_scan *scan = g_malloc(sizeof *scan);
    memset(scan, 0, offsetof(struct format_scan, head));
    scan->verdict.virtual_size = -1;
    return scan;
}

void
format_scan_free(struct format_scan *scan)
{
    g_free(scan);
}

bool
format_scan_feed(struct format_scan *scan, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    keep_tail(scan, bytes, size);
    if (scan->head_size < HEAD_SIZE) {
        size_t n = MIN(size, HEAD_SIZE - scan->head_size);
        memcpy(scan->head + scan->head_size, bytes, n);
        scan->head_size += n;
        scan->size += n;
        bytes += n;
        size -= n;
    }
    if (scan->head_size == HEAD_SIZE && !scan->head_judged) {
        scan->head_judged = true;
        judge(scan, false);
    }
    capture(scan, bytes, size);
    scan->size += size;
    return !scan->verdict.refused;
}

void
format_scan_verdict(struct format_scan *scan, struct format_verdict *ret_verdict)
{
    if (!scan->verdict.refused) {
        judge(scan, true);
    }
    *ret_verdict = scan->verdict;
}

bool
format_refuse(struct format_verdict *verdict, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(verdict->reason, sizeof verdict->reason, format, args);
    va_end(args);
    verdict->refused = true;
    return false;
}

// Kernels, ramdisks and machine images of the ami family are bytes without a header of ours.
static bool
claim_is_plain(const char *disk_format)
{
    return !strcmp(disk_format, "raw") || !strcmp(disk_format, "ami") ||
           !strcmp(disk_format, "aki") || !strcmp(disk_format, "ari");
}

enum disk_format
disk_format_find(const char *name)
{
    for (int format = 0; format < N_FORMATS; format++) {
        if (!strcmp(disk_format_name((enum disk_format)format), name)) {
            return (enum disk_format)format;
        }
    }
    return FORMAT_OTHER;
}

bool
format_claim_holds(const struct format_verdict *verdict, const char *disk_format,
                   const char *container_format, bool strict, char ret_reason[256])
{
    if (verdict->refused) {
        snprintf(ret_reason, 256, "%s", verdict->reason);
        return false;
    }
    const char *found = disk_format_name(verdict->format);
    if (!strict || !strcmp(found, disk_format)) {
        return true;
    }
    // What a container wraps cannot be seen from outside, but wrapped content looks like nothing
    // known, or is an archive. A disk that is one is what some other reader takes for a container.
    bool wrapped = strcmp(container_format, "bare") && strcmp(container_format, disk_format);
    if ((wrapped && (verdict->format == FORMAT_RAW || verdict->format == FORMAT_TAR)) ||
        (verdict->format == FORMAT_RAW && claim_is_plain(disk_format))) {
        return true;
    }
    snprintf(ret_reason, 256, "content is '%s', but the image's disk_format is '%s'", found,
             disk_format);
    return false;
}

static struct format_view
view_of(const struct format_scan *scan, bool final)
{
    return (struct format_view){
        .head = scan->head,
        .head_size = scan->head_size,
        .late = scan->late,
        .late_offset = scan->late_offset,
        .late_size = scan->late_size,
        .tail = scan->tail,
        .tail_size = scan->tail_size,
        .size = scan->size,
        .final = final,
    };
}

// The magic number alone may stand in the first sector of anything.
static bool
has_tar_sum(const struct format_view *view)
{
    return view->head_size >= TAR_BLOCK && tar_is_header(view->head);
}

static bool
signature_matches(const struct signature *sig, const struct format_view *view)
{
    const uint8_t *start = view->head;
    size_t size = view->head_size, offset = (size_t)sig->offset;
    if (sig->offset < 0) {
        if (!view->final || view->tail_size < (size_t)-sig->offset) {
            return false;
        }
        start = view->tail;
        size = view->tail_size;
        offset = size - (size_t)-sig->offset;
    }
    return offset + sig->n_bytes <= size && !memcmp(start + offset, sig->bytes, sig->n_bytes) &&
           (!sig->confirms || sig->confirms(view));
}

static void
judge(struct format_scan *scan, bool final)
{
    struct format_view view = view_of(scan, final);
    struct format_verdict *verdict = &scan->verdict;
    *verdict = (struct format_verdict){.format = FORMAT_RAW,
                                       .virtual_size = final ? (int64_t)scan->size : -1};
    unsigned n_matches = 0;
    for (size_t i = 0; i < G_N_ELEMENTS(signatures); i++) {
        const struct signature *sig = &signatures[i];
        if (!signature_matches(sig, &view)) {
            continue;
        }
        if (n_matches++ > 0) {
            // What one reader takes for this, another takes for that.
            if (sig->format != verdict->format && !verdict->refused) {
                format_refuse(verdict, "content is both '%s' and '%s'",
                              disk_format_name(verdict->format),
                              sig->name ? sig->name : disk_format_name(sig->format));
            }
            continue;
        }
        verdict->format = sig->format;
        if (sig->format == FORMAT_OTHER) {
            format_refuse(verdict, "disk format %s is not accepted", sig->name);
        } else if (sig->check) {
            verdict->virtual_size = -1;
            sig->check(&view, verdict);
        }
    }
    if (!final && verdict->format == FORMAT_VHDX && !verdict->refused) {
        scan->late_offset = vhdx_metadata_offset(&view);
    }
}

// data starts at stream offset scan->size.
static void
capture(struct format_scan *scan, const uint8_t *data, size_t size)
{
    uint64_t wanted = scan->late_offset + scan->late_size;
    if (scan->late_offset == 0 || scan->late_size == LATE_SIZE || wanted < scan->size ||
        wanted - scan->size >= size) {
        return;
    }
    size_t skip = (size_t)(wanted - scan->size);
    size_t n = MIN(size - skip, LATE_SIZE - scan->late_size);
    memcpy(scan->late + scan->late_size, data + skip, n);
    scan->late_size += n;
}

static void
keep_tail(struct format_scan *scan, const uint8_t *data, size_t size)
{
    size_t n = MIN(size, TAIL_SIZE);
    size_t keep = MIN(scan->tail_size, TAIL_SIZE - n);
    memmove(scan->tail, scan->tail + (scan->tail_size - keep), keep);
    memcpy(scan->tail + keep, data + (size - n), n);
    scan->tail_size = keep + n;
}
