// SPDX-License-Identifier: Apache-2.0
// The end of a guest's serial log, made fit for JSON: valid UTF-8, at most 100 KiB.
#pragma once
#include <stdint.h>

// length: lines; negative: all. "" when there is no log yet. The caller frees.
char *console_tail(const char *path, int64_t length);
