// SPDX-License-Identifier: Apache-2.0
// libFuzzer target of image archives. The first byte chooses how the rest is cut into chunks: the
// verdict must not depend on it.
#include <assert.h>
#include <string.h>

#include "services/image/format/archive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
    char reason[256];
    archive_claim_holds(&whole, FORMAT_RAW, "raw", "docker", true, reason);
    archive_scan_free(one);
    archive_scan_free(other);
    return 0;
}
