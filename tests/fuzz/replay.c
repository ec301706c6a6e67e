// SPDX-License-Identifier: Apache-2.0
// A fuzz target without the fuzzer: every file named is one input. `make test-unit` runs the
// corpora so, with whatever compiler and sanitizer the rest has.
#include <glib.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        g_autofree char *text = NULL;
        g_autoptr(GError) error = NULL;
        gsize size = 0;
        if (!g_file_get_contents(argv[i], &text, &size, &error)) {
            g_printerr("%s\n", error->message);
            return 1;
        }
        // Not a byte behind it, so that a sanitizer sees who reads on.
        g_autofree uint8_t *data = g_memdup2(text, size);
        LLVMFuzzerTestOneInput(data, size);
    }
    return argc < 2;
}
