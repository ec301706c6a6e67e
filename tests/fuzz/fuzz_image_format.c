// SPDX-License-Identifier: Apache-2.0
// libFuzzer target: clang -g -O1 -fsanitize=fuzzer,address,undefined -I.
// tests/fuzz/fuzz_image_format.c services/image/format/*.c `pkg-config --cflags --libs glib-2.0`
// The first byte chooses how the rest is cut into chunks: the verdict must not depend on it.
#include <assert.h>
#include <string.h>

#include "services/image/format/format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
scan(const uint8_t *data, size_t size, size_t chunk, struct format_verdict *ret_verdict)
{
    struct format_scan *state = format_scan_new();
    for (size_t at = 0; at < size; at += chunk) {
        format_scan_feed(state, data + at, size - at < chunk ? size - at : chunk);
    }
    format_scan_verdict(state, ret_verdict);
    format_scan_free(state);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) {
        return 0;
    }
    struct format_verdict whole, cut;
    scan(data + 1, size - 1, size, &whole);
    scan(data + 1, size - 1, (size_t)data[0] * 997 + 1, &cut);
    assert(whole.format == cut.format && whole.refused == cut.refused);
    assert(whole.virtual_size == cut.virtual_size || whole.refused);
    char reason[256];
    format_claim_holds(&whole, "raw", "bare", true, reason);
    return 0;
}
