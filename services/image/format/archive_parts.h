// SPDX-License-Identifier: Apache-2.0
// The parts that archive.c is made of: bounded decompression, tar members as they stream by, and
// what a root file system may hold. Pure; every part is pushed bytes and refuses by a reason.
#pragma once
#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REASON_SIZE 160
#define MAX_NAME 4096

struct refusal {
    bool refused;
    char reason[REASON_SIZE];
};
// The first refusal stays; false, so that checks read `return archive_refuse(…)`.
bool archive_refuse(struct refusal *refusal, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// ---- decompression
enum compression { COMPRESSION_NONE, COMPRESSION_GZIP, COMPRESSION_ZSTD };
const char *compression_name(enum compression compression);
enum compression compression_of(const uint8_t *head, size_t size); // by the magic number

// Shared by all decompressors of one upload: what came in, and what was made of it.
struct budget {
    uint64_t n_fed, n_unpacked, max_unpacked;
};
typedef bool (*unpack_fn)(void *context, const uint8_t *data, size_t size, struct refusal *refusal);
struct unpack;
struct unpack *unpack_new(enum compression compression, struct budget *budget, unpack_fn sink,
                          void *context);
void unpack_free(struct unpack *unpack);
// RFC 1952 members and RFC 8878 frames may follow each other; anything else behind them, a window
// over 8 MiB, or more than 200 times the bytes that were fed (and 256 MiB) is refused.
bool unpack_feed(struct unpack *unpack, const uint8_t *data, size_t size, struct refusal *refusal);
bool unpack_end(struct unpack *unpack, struct refusal *refusal);

// ---- tar (POSIX.1-2017 pax, and GNU's long names)
struct tar_member {
    const char *name, *link; // as written; link "" when none
    char type;               // '0' file, '1' hard link, '2' symbolic link … '6'
    uint64_t size, offset;   // of its data, offset from the archive's start
    uint32_t major, minor;
};
struct tar_sink {
    bool (*member)(void *context, const struct tar_member *member, struct refusal *refusal);
    bool (*data)(void *context, const uint8_t *data, size_t size, struct refusal *refusal);
    bool (*end)(void *context, struct refusal *refusal); // of a file's data
};
struct tar_scan;
struct tar_scan *tar_scan_new(const struct tar_sink *sink, void *context);
void tar_scan_free(struct tar_scan *scan);
bool tar_scan_feed(struct tar_scan *scan, const uint8_t *data, size_t size,
                   struct refusal *refusal);
bool tar_scan_end(struct tar_scan *scan, struct refusal *refusal);
bool tar_is_header(const uint8_t block[512]); // a block of zeros is none

// ---- members of a root file system
struct rootfs;
struct rootfs *rootfs_new(uint32_t max_members);
void rootfs_free(struct rootfs *rootfs);
// Refuses names that leave the root, the same name twice, members beneath what is not a directory
// (so beneath a link), hard links out of the root, devices but the harmless ones, too many members.
// Symbolic links may point anywhere: they mean the guest's root, and nothing is placed behind them.
bool rootfs_member(struct rootfs *rootfs, const struct tar_member *member, struct refusal *refusal);
bool rootfs_has_special(const struct rootfs *rootfs); // devices, FIFOs, hard links
// "./a//b/" → "a/b", "" for the root. False: absolute, upwards, empty, or too long.
bool archive_name_clean(const char *name, char ret_clean[MAX_NAME]);

// ---- bytes that may be compressed, and may be a tar
struct content_sink {
    struct tar_sink tar;
    // What is no tar; may be NULL.
    bool (*other)(void *context, const uint8_t *data, size_t size, struct refusal *refusal);
    bool takes_zeros; // a tar without members is one, too
};
struct content_facts {
    enum compression compression;
    bool is_tar;
    uint64_t size, unpacked_size;
    char digest[65], diff_id[65]; // SHA-256 of the bytes, and of what they unpack to
};
struct content;
struct content *content_new(const struct content_sink *sink, struct budget *budget, void *context);
void content_free(struct content *content);
bool content_feed(struct content *content, const uint8_t *data, size_t size,
                  struct refusal *refusal);
bool content_end(struct content *content, struct content_facts *ret_facts, struct refusal *refusal);

// ---- members of an image archive that its manifest may name
struct archive_member {
    char *name; // clean
    char *link; // of a symbolic link: the target as written; else NULL
    uint64_t offset;
    struct content_facts facts;
    struct refusal refusal; // why it cannot be a layer
    GString *text;          // its bytes, when they look like JSON and are few; else NULL
};
struct archive_layer;
// members: clean name → struct archive_member. Fills layers, or refuses.
bool manifest_resolve_docker(GHashTable *members, GArray *layers, struct refusal *refusal);
bool manifest_resolve_oci(GHashTable *members, GArray *layers, struct refusal *refusal);
