// SPDX-License-Identifier: Apache-2.0
// Rules for metadata and tags, shared by server create and their own paths.
#pragma once
#include "common/base/err.h"
#include <jansson.h>

enum rc meta_check(json_t *metadata, struct err *err) CHECKED; // NULL is fine
enum rc tags_check(json_t *tags, struct err *err) CHECKED;
enum rc tag_check(const char *tag, struct err *err) CHECKED;
