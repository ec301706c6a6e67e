// SPDX-License-Identifier: Apache-2.0
// What is packed: compressed disks, root file system archives, Docker and OCI image archives,
// judged while the bytes stream by, in bounded memory. Pure: no I/O. Sources: the Docker Image
// Specification v1.2 (`docker save`), the OCI Image Layout and Image Manifest Specifications v1.0.
#pragma once
#include "services/image/format/archive_parts.h"
#include "services/image/format/format.h"

enum archive_kind {
    ARCHIVE_NONE,   // neither compressed nor an archive
    ARCHIVE_DISK,   // a compressed disk; `disk` has its verdict
    ARCHIVE_ROOTFS, // a tar with the files of a root file system: one layer
    ARCHIVE_OVA,    // a tar that begins with an OVF description
    ARCHIVE_DOCKER, // has manifest.json
    ARCHIVE_OCI,    // has oci-layout and index.json
    N_ARCHIVE_KINDS,
};
const char *archive_kind_name(enum archive_kind kind); // "docker"
enum archive_kind archive_kind_find(const char *name); // ARCHIVE_NONE: none of these, or NULL

#define DIGEST_SIZE 65 // hex SHA-256 and the NUL
struct archive_layer {
    char digest[DIGEST_SIZE];  // of the layer as it lies in the archive
    char diff_id[DIGEST_SIZE]; // of its tar, unpacked
    enum compression compression;
    uint64_t offset; // in the archive; of use when the archive itself is not compressed
    uint64_t size, unpacked_size;
};
struct archive_verdict {
    enum archive_kind kind;
    enum compression compression; // around all of it
    struct format_verdict disk;
    const GArray *layers; // of struct archive_layer, lowest first; the scan's
    bool refused;
    char reason[REASON_SIZE + 64];
};

struct archive_limits {
    uint64_t max_unpacked; // bytes, of all decompression together
    uint32_t max_members;  // of one archive or layer
};
struct archive_scan;
struct archive_scan *archive_scan_new(const struct archive_limits *limits);
void archive_scan_free(struct archive_scan *scan);
// The next bytes. False when they are refused for sure; more may be fed.
bool archive_scan_feed(struct archive_scan *scan, const void *data, size_t size);
void archive_scan_verdict(struct archive_scan *scan, struct archive_verdict *ret_verdict);

// Can an image of this container_format hold something packed? NULL: not known yet.
bool archive_is_expected(const char *container_format);
// Does the content fit container_format "docker", "compressed" or "ova"? As format_claim_holds,
// which is asked about the outside; of what is compressed, disk_format tells the inside.
bool archive_claim_holds(const struct archive_verdict *verdict, enum disk_format outside,
                         const char *disk_format, const char *container_format, bool strict,
                         char ret_reason[256]);
