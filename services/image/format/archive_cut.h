// SPDX-License-Identifier: Apache-2.0
// Where an image archive is cut so that its layers can be kept apart from what lies between them.
// Pure: no I/O.
#pragma once
#include "services/image/format/archive.h"

#define MAX_CUTS 1024 // pieces of one archive; MAX_LAYERS layers make at most 513

struct archive_piece {
    uint64_t offset, size; // never 0
    bool is_layer;
};
// layers: of struct archive_layer, in any order, the same one several times as well; of each only
// offset and size count. The pieces, of struct archive_piece, follow each other from 0 to size.
// NULL: there is nothing to cut, or layers overlap, lie outside or are too many. The caller frees.
GArray *archive_cut(const GArray *layers, uint64_t size);
