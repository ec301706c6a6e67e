// SPDX-License-Identifier: Apache-2.0
#include "services/image/format/archive_cut.h"

static gint
compare_offsets(gconstpointer a, gconstpointer b)
{
    const struct archive_piece *one = a, *other = b;
    if (one->offset != other->offset) {
        return one->offset < other->offset ? -1 : 1;
    }
    return one->size < other->size ? -1 : one->size > other->size;
}

// The layers that have bytes, lowest offset first.
static GArray *
sorted_layers(const GArray *layers)
{
    GArray *sorted = g_array_sized_new(FALSE, TRUE, sizeof(struct archive_piece), layers->len);
    for (guint i = 0; i < layers->len; i++) {
        const struct archive_layer *layer = &g_array_index(layers, struct archive_layer, i);
        const struct archive_piece piece = {layer->offset, layer->size, true};
        if (piece.size > 0) {
            g_array_append_val(sorted, piece);
        }
    }
    g_array_sort(sorted, compare_offsets);
    return sorted;
}

static void
add_rest(GArray *pieces, uint64_t from, uint64_t to)
{
    const struct archive_piece rest = {from, to - from, false};
    if (rest.size > 0) {
        g_array_append_val(pieces, rest);
    }
}

// False: they do not lie in the archive one behind the other.
static bool
cut_at(const GArray *layers, uint64_t size, GArray *pieces)
{
    uint64_t at = 0;
    const struct archive_piece *last = NULL;
    for (guint i = 0; i < layers->len; i++) {
        const struct archive_piece *layer = &g_array_index(layers, struct archive_piece, i);
        if (last && last->offset == layer->offset && last->size == layer->size) {
            continue; // named twice
        }
        if (layer->offset < at || layer->offset > size || layer->size > size - layer->offset) {
            return false;
        }
        add_rest(pieces, at, layer->offset);
        g_array_append_val(pieces, *layer);
        at = layer->offset + layer->size;
        last = layer;
    }
    add_rest(pieces, at, size);
    return pieces->len > 1 && pieces->len <= MAX_CUTS;
}

GArray *
archive_cut(const GArray *layers, uint64_t size)
{
    g_autoptr(GArray) sorted = sorted_layers(layers);
    GArray *pieces = g_array_new(FALSE, TRUE, sizeof(struct archive_piece));
    if (!cut_at(sorted, size, pieces)) {
        g_array_free(pieces, TRUE);
        return NULL;
    }
    return pieces;
}
