// SPDX-License-Identifier: Apache-2.0
// Downloads from stores that are not here.
#pragma once
#include "common/http/http.h"
#include "services/image/store/blob.h"

// RC_UNAVAILABLE: the project, or all of them, have as many downloads as may be.
enum rc stream_take_place(const struct request *request, struct err *err) CHECKED;
// After that, and always. The reply's body is the blob's bytes from first to last, not none. Takes
// the reference of the places' recipe.
void stream_begin(struct request *request, struct blob_places *places, const char *digest,
                  int64_t first, int64_t last, struct reply *reply);
