// SPDX-License-Identifier: Apache-2.0
#include "services/image/format/archive.h"

#include <stdio.h>
#include <string.h>

#define MAX_NAMED 4096           // members that a manifest may name
#define MAX_TEXT (1024 * 1024)   // of one JSON document
#define MAX_TEXTS (8 * MAX_TEXT) // of all that are kept
#define BLOBS "blobs/sha256/"

struct archive_scan {
    struct archive_limits limits;
    struct budget budget;
    struct refusal refusal;
    struct content *outer;
    struct rootfs *names;
    struct format_scan *disk; // of compressed content that is no tar
    GHashTable *members;
    bool is_first_ovf, too_many_named;
    uint32_t n_members;
    size_t n_texts;
    struct archive_member *wrong; // a blob whose name is not its digest
    // The member that comes just now, when a manifest may name it.
    struct archive_member *member;
    uint64_t member_size;
    struct content *inner;
    struct rootfs *inner_names;
    GArray *layers;
};

static bool on_member(void *context, const struct tar_member *member, struct refusal *refusal);
static bool on_data(void *context, const uint8_t *data, size_t size, struct refusal *refusal);
static bool on_end(void *context, struct refusal *refusal);
static bool on_disk(void *context, const uint8_t *data, size_t size, struct refusal *refusal);
static bool on_layer_member(void *context, const struct tar_member *member,
                            struct refusal *refusal);
static bool on_layer_data(void *context, const uint8_t *data, size_t size, struct refusal *refusal);
static bool on_layer_end(void *context, struct refusal *refusal);
static void inner_free(struct archive_scan *scan);

static const struct content_sink outer_sink = {{on_member, on_data, on_end}, on_disk, false};
static const struct content_sink inner_sink = {
    {on_layer_member, on_layer_data, on_layer_end}, NULL, true};

static const char *const kind_names[N_ARCHIVE_KINDS] = {
    [ARCHIVE_NONE] = "none", [ARCHIVE_DISK] = "disk",     [ARCHIVE_ROOTFS] = "rootfs",
    [ARCHIVE_OVA] = "ova",   [ARCHIVE_DOCKER] = "docker", [ARCHIVE_OCI] = "oci",
};

const char *
archive_kind_name(enum archive_kind kind)
{
    return kind_names[kind];
}

enum archive_kind
archive_kind_find(const char *name)
{
    for (int kind = 0; name && kind < N_ARCHIVE_KINDS; kind++) {
        if (!strcmp(kind_names[kind], name)) {
            return (enum archive_kind)kind;
        }
    }
    return ARCHIVE_NONE;
}

static void
member_free(gpointer data)
{
    struct archive_member *member = data;
    g_free(member->name);
    g_free(member->link);
    if (member->text) {
        g_string_free(member->text, TRUE);
    }
    g_free(member);
}

struct archive_scan *
archive_scan_new(const struct archive_limits *limits)
{
    struct archive_scan *scan = g_new0(struct archive_scan, 1);
    scan->limits = *limits;
    scan->budget.max_unpacked = limits->max_unpacked;
    scan->outer = content_new(&outer_sink, &scan->budget, scan);
    scan->names = rootfs_new(limits->max_members);
    scan->members = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, member_free);
    scan->layers = g_array_new(FALSE, TRUE, sizeof(struct archive_layer));
    return scan;
}

void
archive_scan_free(struct archive_scan *scan)
{
    if (scan) {
        inner_free(scan);
        content_free(scan->outer);
        rootfs_free(scan->names);
        format_scan_free(scan->disk);
        g_hash_table_destroy(scan->members);
        g_array_free(scan->layers, TRUE);
        g_free(scan);
    }
}

bool
archive_scan_feed(struct archive_scan *scan, const void *data, size_t size)
{
    scan->budget.n_fed += size;
    return !scan->refusal.refused && content_feed(scan->outer, data, size, &scan->refusal);
}

static bool
on_disk(void *context, const uint8_t *data, size_t size, struct refusal *refusal)
{
    struct archive_scan *scan = context;
    if (!scan->disk) {
        scan->disk = format_scan_new();
    }
    if (!format_scan_feed(scan->disk, data, size)) {
        struct format_verdict verdict;
        format_scan_verdict(scan->disk, &verdict);
        return archive_refuse(refusal, "%s", verdict.reason);
    }
    return true;
}

// Only these can be configurations, manifests or layers.
static bool
may_be_named(const char *clean)
{
    static const char *const endings[] = {".json", ".tar", ".tar.gz", ".tgz", ".tar.zst"};
    if (g_str_has_prefix(clean, BLOBS) || !strcmp(clean, "oci-layout")) {
        return true;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(endings); i++) {
        if (g_str_has_suffix(clean, endings[i])) {
            return true;
        }
    }
    return false;
}

static bool
on_member(void *context, const struct tar_member *tar, struct refusal *refusal)
{
    struct archive_scan *scan = context;
    char clean[MAX_NAME];
    if (!rootfs_member(scan->names, tar, refusal)) {
        return false;
    }
    if (scan->n_members++ == 0) {
        scan->is_first_ovf = tar->type == '0' && g_str_has_suffix(tar->name, ".ovf");
    }
    bool is_clean = archive_name_clean(tar->name, clean);
    if (!is_clean || (tar->type != '0' && tar->type != '2') || !may_be_named(clean)) {
        return true;
    }
    if (g_hash_table_size(scan->members) >= MAX_NAMED) {
        scan->too_many_named = true;
        return true;
    }
    struct archive_member *member = g_new0(struct archive_member, 1);
    member->name = g_strdup(clean);
    member->offset = tar->offset;
    g_hash_table_replace(scan->members, member->name, member);
    if (tar->type == '2') {
        member->link = g_strdup(tar->link);
        return true;
    }
    scan->member = member;
    scan->member_size = tar->size;
    scan->inner = content_new(&inner_sink, &scan->budget, scan);
    scan->inner_names = rootfs_new(scan->limits.max_members);
    return true;
}

static void
keep_text(struct archive_scan *scan, const uint8_t *data, size_t size)
{
    struct archive_member *member = scan->member;
    if (!member->text && scan->member_size <= MAX_TEXT && (data[0] == '{' || data[0] == '[') &&
        member->facts.size == 0 && scan->n_texts + scan->member_size <= MAX_TEXTS) {
        member->text = g_string_sized_new((gsize)scan->member_size);
        scan->n_texts += (size_t)scan->member_size;
    }
    if (member->text) {
        g_string_append_len(member->text, (const char *)data, (gssize)size);
    }
    member->facts.size += size;
}

// What a layer is refused for counts when the manifest turns out to name it.
static bool
on_data(void *context, const uint8_t *data, size_t size, struct refusal *refusal)
{
    struct archive_scan *scan = context;
    if (scan->member) {
        keep_text(scan, data, size);
        if (!scan->member->refusal.refused) {
            content_feed(scan->inner, data, size, &scan->member->refusal);
        }
    }
    return true;
}

static void
inner_free(struct archive_scan *scan)
{
    content_free(scan->inner);
    rootfs_free(scan->inner_names);
    scan->inner = NULL;
    scan->inner_names = NULL;
    scan->member = NULL;
}

static bool
on_end(void *context, struct refusal *refusal)
{
    struct archive_scan *scan = context;
    struct archive_member *member = scan->member;
    if (!member) {
        return true;
    }
    if (!member->refusal.refused) {
        content_end(scan->inner, &member->facts, &member->refusal);
    }
    bool is_blob = g_str_has_prefix(member->name, BLOBS);
    if (is_blob && !member->refusal.refused &&
        strcmp(member->name + strlen(BLOBS), member->facts.digest) != 0) {
        scan->wrong = scan->wrong ? scan->wrong : member;
    }
    inner_free(scan);
    return true;
}

static bool
on_layer_member(void *context, const struct tar_member *member, struct refusal *refusal)
{
    struct archive_scan *scan = context;
    return rootfs_member(scan->inner_names, member, refusal);
}

static bool
on_layer_data(void *context, const uint8_t *data, size_t size, struct refusal *refusal)
{
    return true;
}

static bool
on_layer_end(void *context, struct refusal *refusal)
{
    return true;
}

static enum archive_kind
tar_kind(const struct archive_scan *scan)
{
    GHashTable *members = scan->members;
    if (g_hash_table_contains(members, "manifest.json")) {
        return ARCHIVE_DOCKER;
    }
    if (g_hash_table_contains(members, "oci-layout") &&
        g_hash_table_contains(members, "index.json")) {
        return ARCHIVE_OCI;
    }
    return scan->is_first_ovf ? ARCHIVE_OVA : ARCHIVE_ROOTFS;
}

// Newer `docker save` writes both descriptions: they must tell of the same layers.
static bool
check_both(struct archive_scan *scan, struct refusal *refusal)
{
    g_autoptr(GArray) others = g_array_new(FALSE, TRUE, sizeof(struct archive_layer));
    if (!g_hash_table_contains(scan->members, "oci-layout") ||
        !g_hash_table_contains(scan->members, "index.json")) {
        return true;
    }
    if (!manifest_resolve_oci(scan->members, others, refusal)) {
        return false;
    }
    bool same = others->len == scan->layers->len;
    for (guint i = 0; same && i < others->len; i++) {
        same = !strcmp(g_array_index(others, struct archive_layer, i).diff_id,
                       g_array_index(scan->layers, struct archive_layer, i).diff_id);
    }
    return same || archive_refuse(refusal, "manifest.json and index.json tell different layers");
}

static bool
resolve(struct archive_scan *scan, enum archive_kind kind, struct refusal *refusal)
{
    if (rootfs_has_special(scan->names)) {
        return archive_refuse(refusal, "the image archive holds devices, FIFOs or hard links");
    }
    if (scan->too_many_named) {
        return archive_refuse(refusal, "the image archive has an absurd number of members");
    }
    if (scan->wrong) {
        return archive_refuse(refusal, "blob '%.80s' does not have the digest in its name",
                              scan->wrong->name + strlen(BLOBS));
    }
    if (kind == ARCHIVE_OCI) {
        return manifest_resolve_oci(scan->members, scan->layers, refusal);
    }
    return manifest_resolve_docker(scan->members, scan->layers, refusal) &&
           check_both(scan, refusal);
}

static void
judge(struct archive_scan *scan, struct archive_verdict *verdict)
{
    struct content_facts facts;
    struct refusal *refusal = &scan->refusal;
    if (refusal->refused || !content_end(scan->outer, &facts, refusal)) {
        return;
    }
    verdict->compression = facts.compression;
    if (!facts.is_tar) {
        verdict->kind = facts.compression == COMPRESSION_NONE ? ARCHIVE_NONE : ARCHIVE_DISK;
        if (scan->disk) {
            format_scan_verdict(scan->disk, &verdict->disk);
        }
        if (verdict->kind == ARCHIVE_DISK && verdict->disk.refused) {
            archive_refuse(refusal, "%s", verdict->disk.reason);
        }
        return;
    }
    verdict->kind = tar_kind(scan);
    if (verdict->kind == ARCHIVE_ROOTFS) {
        struct archive_layer layer = {.compression = facts.compression,
                                      .size = facts.size,
                                      .unpacked_size = facts.unpacked_size};
        memcpy(layer.digest, facts.digest, DIGEST_SIZE);
        memcpy(layer.diff_id, facts.diff_id, DIGEST_SIZE);
        g_array_append_val(scan->layers, layer);
    } else if (verdict->kind != ARCHIVE_OVA) {
        resolve(scan, verdict->kind, refusal);
    }
}

void
archive_scan_verdict(struct archive_scan *scan, struct archive_verdict *ret_verdict)
{
    struct archive_verdict verdict = {.disk = {.virtual_size = -1}, .layers = scan->layers};
    judge(scan, &verdict);
    verdict.refused = scan->refusal.refused;
    memcpy(verdict.reason, scan->refusal.reason, REASON_SIZE);
    *ret_verdict = verdict;
}

bool
archive_is_expected(const char *container_format)
{
    return !container_format || !strcmp(container_format, "docker") ||
           !strcmp(container_format, "compressed") || !strcmp(container_format, "ova");
}

// Which kinds each container_format means, when the content must be what was claimed.
static const struct {
    const char *container_format;
    unsigned kinds;
    const char *wanted;
} claims[] = {
    {"docker", 1u << ARCHIVE_DOCKER | 1u << ARCHIVE_OCI | 1u << ARCHIVE_ROOTFS,
     "a Docker or OCI image archive or a root file system archive"},
    {"compressed", 1u << ARCHIVE_DISK, "a disk compressed by gzip or zstd"},
    {"ova", 1u << ARCHIVE_OVA, "a tar that begins with an OVF description"},
};

bool
archive_claim_holds(const struct archive_verdict *verdict, enum disk_format outside,
                    const char *disk_format, const char *container_format, bool strict,
                    char ret_reason[256])
{
    if (!archive_is_expected(container_format)) {
        return true;
    }
    if (verdict->refused) {
        g_strlcpy(ret_reason, verdict->reason, 256);
        return false;
    }
    if (verdict->kind != ARCHIVE_NONE && outside != FORMAT_RAW && outside != FORMAT_TAR) {
        snprintf(ret_reason, 256, "content is both an archive (%s) and '%s'",
                 archive_kind_name(verdict->kind), disk_format_name(outside));
        return false;
    }
    for (size_t i = 0; strict && container_format && i < G_N_ELEMENTS(claims); i++) {
        if (!strcmp(claims[i].container_format, container_format) &&
            !(claims[i].kinds & 1u << verdict->kind)) {
            snprintf(ret_reason, 256, "content is not %s", claims[i].wanted);
            return false;
        }
    }
    return verdict->kind != ARCHIVE_DISK || !strict || !disk_format || !container_format ||
           format_claim_holds(&verdict->disk, disk_format, "bare", true, ret_reason);
}
