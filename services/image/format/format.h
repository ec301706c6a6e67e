// SPDX-License-Identifier: Apache-2.0
// Disk image formats recognised while the bytes stream by, against an allow-list, in bounded
// memory. Pure: no I/O. The upload pipeline feeds every byte in order and asks for the verdict at
// the end; a refusal that is certain earlier is known from format_scan_feed. Sources: QEMU's
// docs/interop (qcow2.txt, vhdx), VMware's Virtual Disk Format 5.0, Microsoft's VHD and VHDX
// specifications, ECMA-119.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum disk_format {
    FORMAT_RAW, // nothing else recognised
    FORMAT_QCOW2,
    FORMAT_VMDK,
    FORMAT_VDI,
    FORMAT_VHD,
    FORMAT_VHDX,
    FORMAT_ISO,
    FORMAT_TAR,   // an archive, which only a container_format claims
    FORMAT_OTHER, // recognised, but not on the allow-list (QED, LUKS, Parallels …)
    N_FORMATS,
};
const char *disk_format_name(enum disk_format format); // "qcow2"
enum disk_format disk_format_find(const char *name);   // FORMAT_OTHER: none of these

struct format_verdict {
    enum disk_format format;
    int64_t virtual_size; // bytes as a guest sees them; -1 unknown
    bool refused;         // dangerous or broken, whatever was claimed
    char reason[160];     // why, when refused
};

struct format_scan; // about half a MiB
struct format_scan *format_scan_new(void);
void format_scan_free(struct format_scan *scan);
// The next bytes. False when what came so far is already refused (format_scan_verdict says why);
// more may be fed.
bool format_scan_feed(struct format_scan *scan, const void *data, size_t size);
// After the last byte; also after a false from feed.
void format_scan_verdict(struct format_scan *scan, struct format_verdict *ret_verdict);

// Does the content fit what the image's record says? disk_format and container_format are Glance's
// names. `strict` refuses content that is not what was claimed; without it only content that is
// dangerous. False fills ret_reason.
bool format_claim_holds(const struct format_verdict *verdict, const char *disk_format,
                        const char *container_format, bool strict, char ret_reason[256]);
