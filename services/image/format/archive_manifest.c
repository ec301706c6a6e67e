// SPDX-License-Identifier: Apache-2.0
// From an image archive's own description to its layers. Everything that it names must be there and
// have the digest that it tells.
#include <jansson.h>
#include <string.h>

#include "services/image/format/archive.h"

#define MAX_LAYERS 256 // overlayfs and Docker stop at 127
#define SHA256 "sha256:"
#define MAX_NESTED 2 // an index may name an index

static const struct archive_member *
member_find(GHashTable *members, const char *name)
{
    char clean[MAX_NAME];
    return archive_name_clean(name, clean) ? g_hash_table_lookup(members, clean) : NULL;
}

// A layer that is there already is a link "../<id>/layer.tar" in older archives.
static const struct archive_member *
layer_find(GHashTable *members, const char *name)
{
    const struct archive_member *member = member_find(members, name);
    if (!member || !member->link) {
        return member;
    }
    const char *slash = strrchr(member->name, '/');
    if (!g_str_has_prefix(member->link, "../") || !slash ||
        memchr(member->name, '/', (size_t)(slash - member->name))) {
        return NULL;
    }
    member = member_find(members, member->link + 3);
    return member && !member->link ? member : NULL;
}

static json_t *
document_load(const struct archive_member *member, const char *what, struct refusal *refusal)
{
    json_t *json = NULL;
    if (!member || !member->text) {
        archive_refuse(refusal, "the image archive's %s is missing, too large, or no JSON", what);
        return NULL;
    }
    json = json_loadb(member->text->str, member->text->len, JSON_REJECT_DUPLICATES, NULL);
    if (!json) {
        archive_refuse(refusal, "the image archive's %s is no JSON", what);
    }
    return json;
}

static bool
add_layer(const struct archive_member *member, const char *name, GArray *layers,
          struct refusal *refusal)
{
    if (!member) {
        return archive_refuse(refusal, "layer '%.80s' is missing from the image archive", name);
    }
    if (member->refusal.refused) {
        return archive_refuse(refusal, "layer %u: %.120s", layers->len, member->refusal.reason);
    }
    if (!member->facts.is_tar) {
        return archive_refuse(refusal, "layer '%.80s' is no tar archive", name);
    }
    struct archive_layer layer = {
        .compression = member->facts.compression,
        .offset = member->offset,
        .size = member->facts.size,
        .unpacked_size = member->facts.unpacked_size,
    };
    memcpy(layer.digest, member->facts.digest, DIGEST_SIZE);
    memcpy(layer.diff_id, member->facts.diff_id, DIGEST_SIZE);
    g_array_append_val(layers, layer);
    return true;
}

// The configuration tells the digest of each layer unpacked.
static bool
check_config(const struct archive_member *member, const GArray *layers, struct refusal *refusal)
{
    json_auto_t *config = document_load(member, "configuration", refusal);
    if (!config) {
        return false;
    }
    json_t *diff_ids = json_object_get(json_object_get(config, "rootfs"), "diff_ids");
    if (json_array_size(diff_ids) != layers->len) {
        return archive_refuse(refusal, "the configuration has %zu diff_ids for %u layers",
                              json_array_size(diff_ids), layers->len);
    }
    for (guint i = 0; i < layers->len; i++) {
        const char *told = json_string_value(json_array_get(diff_ids, i));
        const char *found = g_array_index(layers, struct archive_layer, i).diff_id;
        if (!told || !g_str_has_prefix(told, SHA256) || strcmp(told + strlen(SHA256), found)) {
            return archive_refuse(refusal, "layer %u does not have the diff_id %.80s", i,
                                  told ? told : "");
        }
    }
    return true;
}

// "<digest>.json" tells the digest of the configuration; blobs' names have been checked.
static bool
check_config_name(const struct archive_member *member, const char *name, struct refusal *refusal)
{
    bool has_digest =
        member && strlen(name) == 64 + strlen(".json") && strspn(name, "0123456789abcdef") == 64;
    return !has_digest || !strncmp(name, member->facts.digest, 64) ||
           archive_refuse(refusal, "configuration '%.80s' does not have the digest in its name",
                          name);
}

bool
manifest_resolve_docker(GHashTable *members, GArray *layers, struct refusal *refusal)
{
    json_auto_t *manifest =
        document_load(member_find(members, "manifest.json"), "manifest.json", refusal);
    if (!manifest) {
        return false;
    }
    if (json_array_size(manifest) != 1) {
        return archive_refuse(refusal, "the image archive holds %zu images, not one",
                              json_array_size(manifest));
    }
    json_t *entry = json_array_get(manifest, 0), *names = json_object_get(entry, "Layers");
    const char *config = json_string_value(json_object_get(entry, "Config"));
    if (!config || !json_is_array(names) || json_array_size(names) > MAX_LAYERS) {
        return archive_refuse(refusal, "manifest.json has no Config or an absurd list of Layers");
    }
    size_t i;
    json_t *value;
    json_array_foreach(names, i, value)
    {
        const char *name = json_string_value(value) ? json_string_value(value) : "";
        if (!add_layer(layer_find(members, name), name, layers, refusal)) {
            return false;
        }
    }
    const struct archive_member *member = member_find(members, config);
    return check_config_name(member, config, refusal) && check_config(member, layers, refusal);
}

// The blob that a descriptor {mediaType, digest, size} names.
static const struct archive_member *
descriptor_find(GHashTable *members, json_t *descriptor, struct refusal *refusal)
{
    const char *digest = json_string_value(json_object_get(descriptor, "digest"));
    json_t *size = json_object_get(descriptor, "size");
    if (!digest || !g_str_has_prefix(digest, SHA256) || !json_is_integer(size)) {
        archive_refuse(refusal, "a descriptor of the image archive has no sha256 digest or size");
        return NULL;
    }
    if (json_array_size(json_object_get(descriptor, "urls")) > 0) {
        archive_refuse(refusal, "blob %.80s lies elsewhere", digest);
        return NULL;
    }
    g_autofree char *name = g_strconcat("blobs/sha256/", digest + strlen(SHA256), NULL);
    const struct archive_member *member = member_find(members, name);
    if (!member || member->link) {
        archive_refuse(refusal, "blob %.80s is missing from the image archive", digest);
        return NULL;
    }
    if (member->refusal.refused) {
        archive_refuse(refusal, "blob %.80s: %.60s", digest, member->refusal.reason);
        return NULL;
    }
    if ((uint64_t)json_integer_value(size) != member->facts.size) {
        archive_refuse(refusal, "blob %.80s does not have the size that is told", digest);
        return NULL;
    }
    return member;
}

static const struct {
    const char *media_type;
    enum compression compression;
} media_types[] = {
    {"application/vnd.oci.image.layer.v1.tar", COMPRESSION_NONE},
    {"application/vnd.oci.image.layer.v1.tar+gzip", COMPRESSION_GZIP},
    {"application/vnd.oci.image.layer.v1.tar+zstd", COMPRESSION_ZSTD},
    {"application/vnd.docker.image.rootfs.diff.tar", COMPRESSION_NONE},
    {"application/vnd.docker.image.rootfs.diff.tar.gzip", COMPRESSION_GZIP},
    {"application/vnd.docker.image.rootfs.diff.tar.zstd", COMPRESSION_ZSTD},
};

static bool
check_media_type(const char *media_type, const struct archive_member *member,
                 struct refusal *refusal)
{
    for (size_t i = 0; media_type && i < G_N_ELEMENTS(media_types); i++) {
        if (!strcmp(media_types[i].media_type, media_type)) {
            return media_types[i].compression == member->facts.compression ||
                   archive_refuse(refusal, "a layer of type '%.60s' is compressed by '%s'",
                                  media_type, compression_name(member->facts.compression));
        }
    }
    return archive_refuse(refusal, "layers of type '%.80s' are not accepted",
                          media_type ? media_type : "");
}

static bool
resolve_manifest(GHashTable *members, json_t *manifest, GArray *layers, struct refusal *refusal)
{
    json_t *listed = json_object_get(manifest, "layers"), *descriptor;
    if (!json_is_array(listed) || json_array_size(listed) > MAX_LAYERS) {
        return archive_refuse(refusal, "the image manifest has an absurd list of layers");
    }
    size_t i;
    json_array_foreach(listed, i, descriptor)
    {
        const char *type = json_string_value(json_object_get(descriptor, "mediaType"));
        const char *digest = json_string_value(json_object_get(descriptor, "digest"));
        const struct archive_member *member = descriptor_find(members, descriptor, refusal);
        if (!member || !check_media_type(type, member, refusal) ||
            !add_layer(member, digest, layers, refusal)) {
            return false;
        }
    }
    const struct archive_member *config =
        descriptor_find(members, json_object_get(manifest, "config"), refusal);
    return config && check_config(config, layers, refusal);
}

// Attestations stand beside the image that they are about.
static json_t *
only_manifest(json_t *index, struct refusal *refusal)
{
    json_t *listed = json_object_get(index, "manifests"), *descriptor, *found = NULL;
    size_t i, n = 0;
    json_array_foreach(listed, i, descriptor)
    {
        json_t *notes = json_object_get(descriptor, "annotations");
        if (!json_object_get(notes, "vnd.docker.reference.type")) {
            found = descriptor;
            n++;
        }
    }
    if (n != 1) {
        archive_refuse(refusal, "the image archive holds %zu images, not one", n);
        return NULL;
    }
    return found;
}

bool
manifest_resolve_oci(GHashTable *members, GArray *layers, struct refusal *refusal)
{
    json_auto_t *layout = document_load(member_find(members, "oci-layout"), "oci-layout", refusal);
    if (!layout) {
        return false;
    }
    const char *version = json_string_value(json_object_get(layout, "imageLayoutVersion"));
    if (!version || strcmp(version, "1.0.0")) {
        return archive_refuse(refusal, "imageLayoutVersion '%.20s' is not known",
                              version ? version : "");
    }
    json_auto_t *index = document_load(member_find(members, "index.json"), "index.json", refusal);
    for (int depth = 0; index && depth <= MAX_NESTED; depth++) {
        if (json_object_get(index, "layers")) {
            return resolve_manifest(members, index, layers, refusal);
        }
        json_t *descriptor = only_manifest(index, refusal);
        const struct archive_member *next =
            descriptor ? descriptor_find(members, descriptor, refusal) : NULL;
        json_t *document = next ? document_load(next, "manifest", refusal) : NULL;
        json_decref(index);
        index = document;
    }
    return archive_refuse(refusal, "the image archive's index is nested too deeply");
}
