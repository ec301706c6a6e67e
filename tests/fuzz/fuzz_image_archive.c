// SPDX-License-Identifier: Apache-2.0
// libFuzzer target of image archives. The first byte chooses how the rest is cut into chunks: the
// verdict must not depend on it.
#include <assert.h>
#include <string.h>

#include "services/image/format/archive_cut.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Pieces follow each other from end to end.
static void
check_cut(const GArray *layers, uint64_t size)
{
    GArray *pieces = archive_cut(layers, size);
    uint64_t at = 0;
    for (guint i = 0; pieces && i < pieces->len; i++) {
        const struct archive_piece *piece = &g_array_index(pieces, struct archive_piece, i);
        assert(piece->offset == at && piece->size > 0 && piece->size <= size - at);
        at += piece->size;
    }
    assert(!pieces || (at == size && pieces->len <= MAX_CUTS));
    if (pieces) {
        g_array_free(pieces, TRUE);
    }
}

// The input itself as a list of offsets and sizes.
static void
cut_anything(const uint8_t *data, size_t size)
{
    GArray *layers = g_array_new(FALSE, TRUE, sizeof(struct archive_layer));
    for (size_t at = 0; at + 8 <= size && layers->len < 2000; at += 8) {
        uint32_t numbers[2];
        memcpy(numbers, data + at, sizeof numbers);
        bool is_wild = numbers[0] % 7 == 0;
        const struct archive_layer layer = {
            .offset = is_wild ? UINT64_MAX - numbers[0] : numbers[0] % 65536,
            .size = numbers[1] % 13 ? numbers[1] % 512 : UINT64_MAX - numbers[1]};
        g_array_append_val(layers, layer);
        check_cut(layers, 65536);
    }
    g_array_free(layers, TRUE);
}

// A layer lies where the verdict says: its bytes there have its digest.
static bool
lie_inside(const uint8_t *data, size_t size, const GArray *layers)
{
    bool lie = true;
    for (guint i = 0; lie && i < layers->len; i++) {
        const struct archive_layer *layer = &g_array_index(layers, struct archive_layer, i);
        if (layer->offset > size || layer->size > size - layer->offset) {
            return false;
        }
        char *digest =
            g_compute_checksum_for_data(G_CHECKSUM_SHA256, data + layer->offset, layer->size);
        lie = !strcmp(digest, layer->digest);
        g_free(digest);
    }
    return lie;
}

static struct archive_scan *
scan(const uint8_t *data, size_t size, size_t chunk, struct archive_verdict *ret_verdict)
{
    const struct archive_limits limits = {64 << 20, 1000};
    struct archive_scan *state = archive_scan_new(&limits);
    for (size_t at = 0; at < size; at += chunk) {
        archive_scan_feed(state, data + at, size - at < chunk ? size - at : chunk);
    }
    archive_scan_verdict(state, ret_verdict);
    return state;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) {
        return 0;
    }
    struct archive_verdict whole, cut;
    struct archive_scan *one = scan(data + 1, size - 1, size, &whole);
    struct archive_scan *other = scan(data + 1, size - 1, (size_t)data[0] * 97 + 1, &cut);
    assert(whole.refused == cut.refused);
    if (!whole.refused) {
        assert(whole.kind == cut.kind && whole.layers->len == cut.layers->len);
        for (guint i = 0; i < whole.layers->len; i++) {
            assert(!memcmp(&g_array_index(whole.layers, struct archive_layer, i),
                           &g_array_index(cut.layers, struct archive_layer, i),
                           sizeof(struct archive_layer)));
        }
    }
    check_cut(whole.layers, size - 1);
    cut_anything(data + 1, MIN(size - 1, 256));
    assert(whole.refused || whole.compression != COMPRESSION_NONE ||
           (whole.kind != ARCHIVE_DOCKER && whole.kind != ARCHIVE_OCI) ||
           lie_inside(data + 1, size - 1, whole.layers));
    char reason[256];
    archive_claim_holds(&whole, FORMAT_RAW, "raw", "docker", true, reason);
    archive_scan_free(one);
    archive_scan_free(other);
    return 0;
}
