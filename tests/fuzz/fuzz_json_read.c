// SPDX-License-Identifier: Apache-2.0
// json_read against jansson: the same value or the same refusal.
#include "common/json/read.h"
#include <glib.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    json_error_t error = {0}, expected_error = {0};
    json_auto_t *value = json_read(text, size, &error);
    json_auto_t *expected =
        json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &expected_error);
    g_assert(!value == !expected);
    g_assert(expected ? json_equal(value, expected) : !strcmp(error.text, expected_error.text));
    return 0;
}
