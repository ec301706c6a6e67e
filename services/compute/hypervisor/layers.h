// SPDX-License-Identifier: Apache-2.0
// What a guest's disk is made of, as its files say: the guest's own layer, then the base below.
#pragma once
#include <jansson.h>

// Array from the top: {"level", "file", "format", "bytes" (on disk), "virtual_bytes"}, the last
// "format" null where a file that is no qcow2 is reached. Empty when there is no disk. Reads
// headers only; the caller frees.
json_t *layers_read(const char *disk);
