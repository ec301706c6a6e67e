// SPDX-License-Identifier: Apache-2.0
// Downloads from stores that are not here.
#pragma once
#include "common/http/http.h"
#include "services/image/store/blob.h"

// The reply's body is the blob's bytes from first to last, not none. Takes the reference of the
// places' recipe.
void stream_begin(struct request *request, struct blob_places *places, const char *digest,
                  int64_t first, int64_t last, struct reply *reply);
