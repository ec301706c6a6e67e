// SPDX-License-Identifier: Apache-2.0
// What the members of a root file system, or of an image archive, may be.
#include <string.h>

#include "services/image/format/archive_parts.h"

// Names are kept as keyed 63-bit hashes, and whether they are directories: the key keeps an
// uploader from choosing names that collide.
struct rootfs {
    GHashTable *names; // of uint64_t in pointers: hash with the lowest bit "is a directory"
    uint64_t key;
    uint32_t n_members, max_members;
    bool has_special;
};
_Static_assert(sizeof(gpointer) == sizeof(uint64_t), "hashes are kept in pointers");

// Character devices that give nothing away.
static const struct {
    uint32_t major, minor;
} harmless[] = {
    {1, 3}, {1, 5}, {1, 7}, {1, 8}, {1, 9}, // null, zero, full, random, urandom
    {4, 0}, {4, 1}, {5, 0}, {5, 1}, {5, 2}, // tty0, tty1, tty, console, ptmx
};

struct rootfs *
rootfs_new(uint32_t max_members)
{
    struct rootfs *rootfs = g_new0(struct rootfs, 1);
    rootfs->names = g_hash_table_new(g_direct_hash, g_direct_equal);
    rootfs->key = (uint64_t)g_random_int() << 32 | g_random_int();
    rootfs->max_members = max_members;
    return rootfs;
}

void
rootfs_free(struct rootfs *rootfs)
{
    if (rootfs) {
        g_hash_table_destroy(rootfs->names);
        g_free(rootfs);
    }
}

bool
rootfs_has_special(const struct rootfs *rootfs)
{
    return rootfs->has_special;
}

bool
archive_name_clean(const char *name, char ret_clean[MAX_NAME])
{
    size_t fill = 0;
    if (!*name || *name == '/' || strlen(name) >= MAX_NAME) {
        return false;
    }
    while (*name) {
        size_t len = strcspn(name, "/");
        if (len == 2 && name[0] == '.' && name[1] == '.') {
            return false;
        }
        if (len > 0 && !(len == 1 && name[0] == '.')) {
            if (fill > 0) {
                ret_clean[fill++] = '/';
            }
            memcpy(ret_clean + fill, name, len);
            fill += len;
        }
        name += len;
        name += *name == '/';
    }
    ret_clean[fill] = 0;
    return true;
}

// FNV-1a from a secret start, mixed at the end (MurmurHash3's finaliser).
static uint64_t
hash_of(const struct rootfs *rootfs, const char *name, size_t len)
{
    uint64_t hash = rootfs->key;
    for (size_t i = 0; i < len; i++) {
        hash = (hash ^ (uint8_t)name[i]) * 0x100000001b3u;
    }
    hash ^= hash >> 33;
    hash *= 0xff51afd7ed558ccdu;
    hash ^= hash >> 33;
    return hash & ~(uint64_t)1;
}

static bool
has(const struct rootfs *rootfs, uint64_t hash, bool is_directory)
{
    return g_hash_table_contains(rootfs->names, (gpointer)(hash | is_directory));
}

static bool
add(struct rootfs *rootfs, uint64_t hash, bool is_directory, struct refusal *refusal)
{
    if (rootfs->n_members >= rootfs->max_members) {
        return archive_refuse(refusal, "the archive has more than %u members", rootfs->max_members);
    }
    rootfs->n_members += g_hash_table_add(rootfs->names, (gpointer)(hash | is_directory));
    return true;
}

// Every folder on the way there is a directory, or was not heard of.
static bool
check_way(struct rootfs *rootfs, const char *clean, bool is_new, struct refusal *refusal)
{
    for (const char *slash = strchr(clean, '/'); slash; slash = strchr(slash + 1, '/')) {
        uint64_t hash = hash_of(rootfs, clean, (size_t)(slash - clean));
        if (has(rootfs, hash, false)) {
            return archive_refuse(refusal, "member '%.80s' lies beneath what is no directory",
                                  clean);
        }
        if (is_new && !has(rootfs, hash, true) && !add(rootfs, hash, true, refusal)) {
            return false;
        }
    }
    return true;
}

static bool
check_device(const struct tar_member *member, struct refusal *refusal)
{
    for (size_t i = 0; member->type == '3' && i < G_N_ELEMENTS(harmless); i++) {
        if (harmless[i].major == member->major && harmless[i].minor == member->minor) {
            return true;
        }
    }
    return archive_refuse(refusal, "member '%.60s' is a device (%c %u:%u)", member->name,
                          member->type == '3' ? 'c' : 'b', member->major, member->minor);
}

static bool
check_kind(struct rootfs *rootfs, const struct tar_member *member, struct refusal *refusal)
{
    char clean[MAX_NAME];
    switch (member->type) {
    case '1':
        rootfs->has_special = true;
        if (!archive_name_clean(member->link, clean)) {
            return archive_refuse(refusal, "hard link '%.60s' leads out of the archive",
                                  member->name);
        }
        return check_way(rootfs, clean, false, refusal);
    case '2':
        return (*member->link && strlen(member->link) < MAX_NAME) ||
               archive_refuse(refusal, "symbolic link '%.60s' has no target", member->name);
    case '3':
    case '4':
        rootfs->has_special = true;
        return check_device(member, refusal);
    case '6':
        rootfs->has_special = true;
        return true;
    default:
        return true;
    }
}

bool
rootfs_member(struct rootfs *rootfs, const struct tar_member *member, struct refusal *refusal)
{
    char clean[MAX_NAME];
    bool is_directory = member->type == '5';
    if (!archive_name_clean(member->name, clean)) {
        return archive_refuse(refusal, "member name '%.80s' leaves the archive", member->name);
    }
    if (!*clean) {
        return is_directory || archive_refuse(refusal, "the archive's root is no directory");
    }
    if (!check_kind(rootfs, member, refusal) || !check_way(rootfs, clean, true, refusal)) {
        return false;
    }
    uint64_t hash = hash_of(rootfs, clean, strlen(clean));
    // A folder may be told of again after what lies in it.
    if (has(rootfs, hash, false) || (has(rootfs, hash, true) && !is_directory)) {
        return archive_refuse(refusal, "member '%.80s' is there twice", clean);
    }
    return add(rootfs, hash, is_directory, refusal);
}
